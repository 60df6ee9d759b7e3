// The module hiergeo._C: what the kernels beside it were built with. The build passes the facts as macros, and
// Py_LIMITED_API, so that one module serves every CPython from 3.10 on.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace {

PyObject* build_info(PyObject*, PyObject*) {
  return Py_BuildValue("{s:s,s:s,s:s,s:s,s:s}",                 //
                       "compiler", HIERGEO_COMPILER,            //
                       "simd", HIERGEO_SIMD_LEVELS,             //
                       "cuda", HIERGEO_CUDA_ARCHITECTURES,      //
                       "cuda_version", HIERGEO_CUDA_VERSION,    //
                       "torch_target", HIERGEO_TORCH_TARGET);
}

PyMethodDef functions[] = {
    {"build_info", build_info, METH_NOARGS,
     "Compiler, SIMD levels and CUDA architectures compiled in (comma-separated; \"none\" without), CUDA version "
     "(\"none\" without) and the oldest torch that the kernels run under."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef_Slot slots[] = {{0, nullptr}};

PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_C", "How the native kernels were built.", 0, functions, slots, nullptr, nullptr, nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit__C() { return PyModuleDef_Init(&module); }
