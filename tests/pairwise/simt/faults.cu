// Kernels that are wrong in one way each, and the right ones beside them, for the tests of the machine.
#include <cuda/ptx.cuh>

#include <functional>
#include <map>
#include <string>

namespace {

using namespace hiergeo::cuda;

constexpr unsigned kAll = 0xffffffffu;
constexpr int kNumbers = 64;  // of the operand, of the result, and of dynamic shared memory unless more are asked for

struct Shape {
  unsigned blocks = 1, threads = 64;
  size_t shared = kNumbers * sizeof(float);
};

template <class Body> __global__ void kernel(Body body, const float* operand, float* result) {
  HIERGEO_DYNAMIC_SHARED(memory);
  body(reinterpret_cast<float*>(memory), operand, result);
}

template <class Body> std::function<std::string()> fault(Body body, Shape shape = {}) {
  return [=] {
    std::vector<float> operand(kNumbers, 1), result(kNumbers, 0);
    simt::begin_operator();
    simt::allow_memory(operand.data(), kNumbers * sizeof(float), false);
    simt::allow_memory(result.data(), kNumbers * sizeof(float), true);
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(shape.blocks);
    config.blockDim = dim3(shape.threads);
    config.dynamicSmemBytes = shape.shared;
    cudaLaunchKernelEx(&config, kernel<Body>, body, operand.data(), result.data());
    simt::end_operator();
    return simt::last_error();
  };
}

int me() { return int(threadIdx.x); }
int next() { return int((threadIdx.x + 1) % blockDim.x); }

// Each thread brings one number to shared memory.
void fetch(float* memory, const float* operand) {
  copy_async<4>(memory + me(), operand + me(), 4);
  commit_copies();
}

const std::map<std::string, std::function<std::string()>> kFaults = {
    {"nothing", fault([](float* memory, const float* operand, float* result) {
       fetch(memory, operand);
       await_copies<0>();
       __syncthreads();
       result[me()] = memory[next()] + float(__popc(__ballot_sync(kAll, true)));
     })},

    {"diverged lanes", fault([](float*, const float*, float*) {
       if (me() % 2) {
         __ballot_sync(kAll, true);
       } else {
         __ballot_sync(kAll, false);
       }
     })},
    {"a missing lane", fault([](float*, const float*, float*) {
       if (me() != 3) __ballot_sync(kAll, true);
     })},
    {"a lane outside of the mask", fault([](float*, const float*, float*) { __ballot_sync(0xffffu, true); })},
    {"a shuffle from a lane outside of the mask", fault([](float*, const float*, float*) {
       if (me() < 16) __shfl_xor_sync(0xffffu, 1.0f, 16);
     })},
    {"two barriers", fault([](float*, const float*, float*) {
       if (me() < 32) {
         __syncthreads();
       } else {
         __syncthreads();
       }
     })},
    {"a barrier that half of the threads skip", fault([](float*, const float*, float*) {
       if (me() < 32) __syncthreads();
     })},

    {"beyond shared memory", fault([](float* memory, const float*, float*) { memory[me() + 1] = 1; })},
    {"more shared memory than allowed", fault([](float*, const float*, float*) {}, {1, 64, 49 << 10})},
    {"shared memory that nobody wrote", fault([](float* memory, const float*, float* result) {
       result[me()] = memory[me()];
     })},
    {"shared memory of the block before", fault([](float* memory, const float*, float* result) {
       if (me() == 0) result[blockIdx.x] = memory[0];
       memory[0] = 1;
     }, {2, 1})},
    {"an index out of bounds", fault([](float*, const float* operand, float* result) {
       __shared__ float few[8];
       if (me() < 9) few[me()] = operand[0];
       __syncthreads();
       result[me()] = few[me() % 8];
     })},

    {"a read without a barrier", fault([](float* memory, const float*, float* result) {
       memory[me()] = 1;
       result[me()] = memory[next()];
     })},
    {"a write after a read without a barrier", fault([](float* memory, const float*, float* result) {
       memory[me()] = 1;
       __syncthreads();
       result[me()] = memory[next()];
       memory[me()] = 2;
     })},
    {"two writers", fault([](float* memory, const float*, float*) { memory[me() / 2] = 1; })},
    {"lanes ordered by __syncwarp", fault([](float* memory, const float*, float* result) {
       memory[me()] = 1;
       __syncwarp();
       result[me()] = memory[next()];
     }, {1, 32})},
    {"lanes in no order", fault([](float* memory, const float*, float* result) {
       memory[me()] = 1;
       __ballot_sync(kAll, true);
       result[me()] = memory[next()];
     }, {1, 32})},
    {"warps ordered by __syncwarp", fault([](float* memory, const float*, float* result) {
       memory[me()] = 1;
       __syncwarp();
       result[me()] = memory[next()];
     })},
    {"atomics", fault([](float* memory, const float*, float*) {
       auto* sum = reinterpret_cast<int*>(memory);
       if (me() == 0) *sum = 0;
       __syncthreads();
       atomicAdd(sum, 1);
     })},
    {"an atomic beside a plain write", fault([](float* memory, const float*, float*) {
       auto* sum = reinterpret_cast<int*>(memory);
       if (me() == 0) *sum = 0;
       atomicAdd(sum, 1);
     })},

    {"a copy that nobody awaits", fault([](float* memory, const float* operand, float* result) {
       fetch(memory, operand);
       result[me()] = memory[me()];
     })},
    {"a copy of a group too late", fault([](float* memory, const float* operand, float* result) {
       fetch(memory, operand);
       await_copies<1>();
       result[me()] = memory[me()];
     })},
    {"a copy without a barrier", fault([](float* memory, const float* operand, float* result) {
       fetch(memory, operand);
       await_copies<0>();
       result[me()] = memory[next()];
     })},
    {"a copy over a copy", fault([](float* memory, const float* operand, float*) {
       fetch(memory, operand);
       fetch(memory, operand);
     })},
    {"a write over a copy", fault([](float* memory, const float* operand, float*) {
       fetch(memory, operand);
       memory[me()] = 0;
     })},
    {"a copy into a slot in use", fault([](float* memory, const float* operand, float* result) {
       fetch(memory, operand);
       await_copies<0>();
       __syncthreads();
       result[me()] = memory[next()];
       fetch(memory, operand);
     })},
    {"a copy from an odd address", fault([](float* memory, const float* operand, float*) {
       copy_async<8>(memory + 2 * (me() % 8), operand + 1, 8);
     }, {1, 8})},
    {"a copy to an odd address", fault([](float* memory, const float* operand, float*) {
       copy_async<8>(memory + 1, operand, 8);
     }, {1, 1})},
    {"a copy from beyond a tensor", fault([](float* memory, const float* operand, float*) {
       copy_async<4>(memory + me(), operand + me() + 1, 4);
     })},
    {"a copy of nothing from beyond a tensor", fault([](float* memory, const float* operand, float* result) {
       copy_async<4>(memory + me(), operand + me() + 1, me() < kNumbers - 1 ? 4 : 0);
       commit_copies();
       await_copies<0>();
       result[me()] = memory[me()];
     })},

    {"an access that is not aligned", fault([](float*, const float* operand, float* result) {
       const char* odd = reinterpret_cast<const char*>(operand) + 2;
       result[me()] = *reinterpret_cast<const volatile float*>(odd);
     }, {1, 1})},
    {"beyond a tensor", fault([](float*, const float* operand, float* result) { result[me()] = operand[me() + 1]; })},
    {"memory of no tensor", fault([](float*, const float* operand, float* result) {
       result[me()] = operand[me() - (1 << 20)];
     })},
    {"a write to an operand", fault([](float*, const float* operand, float*) {
       const_cast<float*>(operand)[me()] = 1;
     })},
    {"blocks that share a result", fault([](float*, const float*, float* result) { result[me()] = float(blockIdx.x); },
                                         {2})},
    {"matrices in order", fault([](float* memory, const float*, float*) {
       auto* words = reinterpret_cast<uint32_t*>(memory);
       for (int w = 0; w < 4; ++w) words[4 * me() + w] = uint32_t(4 * me() + w);
       __syncthreads();
       uint32_t found[4];
       load_matrices(found, words + 4 * me());
       for (uint32_t m = 0; m < 4; ++m) {
         if (found[m] != 4 * (8 * m + threadIdx.x / 4) + threadIdx.x % 4) simt::fail("a word of another place");
       }
     }, {1, 32, 512})},
    // Row 1, 2^-12, 2^-12, ... times column 1, 2^-13, 2^-13, ...: 1 and fifteen times a quarter of its last bit.
    {"a sum of small terms", fault([](float*, const float*, float*) {
       constexpr uint32_t one = 0x3f80, row = 0x3980, column = 0x3900;
       uint32_t first_row = me() % 4 == 0 ? one : row, first_column = me() % 4 == 0 ? one : column;
       float sum[4] = {};
       uint32_t a[4] = {first_row | row << 16, first_row | row << 16, row | row << 16, row | row << 16};
       multiply_bfloat16(sum, a, first_column | column << 16, column | column << 16);
       simt::fail("last bits above 1: " + std::to_string((sum[0] - 1) * 8388608));
     }, {1, 32})},

    {"a block that reads another's result", fault([](float*, const float*, float* result) {
       result[blockIdx.x] = 1 + result[1 - blockIdx.x];
     }, {2, 1})},
};

}  // namespace

extern "C" {
__attribute__((visibility("default"))) const char* simt_fault(const char* name) {
  static std::string text;
  auto found = kFaults.find(name);
  text = found == kFaults.end() ? "no such fault" : found->second();
  return text.c_str();
}
}
