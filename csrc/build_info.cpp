// The module hiergeo._C: what the kernels beside it were built with. The build passes the facts as macros.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <string>

namespace {

std::map<std::string, std::string> build_info() {
  return {
      {"compiler", HIERGEO_COMPILER},
      {"simd", HIERGEO_SIMD_LEVELS},
      {"cuda", HIERGEO_CUDA_ARCHITECTURES},
      {"cuda_version", HIERGEO_CUDA_VERSION},
      {"torch_target", HIERGEO_TORCH_TARGET},
  };
}

}  // namespace

PYBIND11_MODULE(_C, module) {
  module.doc() = "How the native kernels were built.";
  module.def("build_info", &build_info,
             "Compiler, SIMD levels and CUDA architectures compiled in (comma-separated; \"none\" without), CUDA "
             "version (\"none\" without) and the oldest torch that the kernels run under.");
}
