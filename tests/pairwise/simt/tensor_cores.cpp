// ldmatrix and mma by the fragment tables of the PTX manual, with exact sums or with those of a real GPU.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <array>

#include "machine.h"

namespace simt {
namespace {

struct MatrixRow {
  const char* address;
  uint32_t out[4];
};

// Lane i gives row i % 8 of matrix i / 8 and gets the words at row i / 4, word i % 4 of all four.
void deliver_matrices(void** rows, unsigned) {
  auto row = [&](int lane) { return static_cast<MatrixRow*>(rows[lane]); };
  for (int matrix = 0; matrix < 4; ++matrix) {
    unsigned met[8] = {};  // groups of four banks
    for (int r = 0; r < 8; ++r) {
      const char* address = row(8 * matrix + r)->address;
      unsigned& times = met[(address - dynamic_shared()) / 16 % 8];
      statistics.bank_conflicts += times++ > 0;
      for (int word = 0; word < 4; ++word) memcpy(&row(4 * r + word)->out[matrix], address + 4 * word, 4);
    }
  }
}

// How the tensor cores of a GPU add, as published measurements found: terms are cut off `extra` bits below the last bit of
// the largest, and the sum of `width` terms (of 16 bits, half as many of TF32) and the accumulator is cut off to float32.
struct Model {
  bool exact;
  int extra, width;
};
Model model() {
  const char* name = getenv("SIMT_MMA");
  if (name == nullptr || *name == 0 || strcmp(name, "exact") == 0) return {true, 0, 0};
  if (strcmp(name, "a100") == 0) return {false, 1, 8};
  if (strcmp(name, "h100") == 0) return {false, 2, 16};
  fail(std::string("SIMT_MMA must be exact, a100 or h100, not ") + name);
}

float truncated_sum(float start, const double* terms, int count, int extra) {
  double largest = fabs(double(start)), plain = start;
  for (int i = 0; i < count; ++i) {
    largest = std::max(largest, fabs(terms[i]));
    plain += terms[i];
  }
  if (!std::isfinite(plain) || largest == 0) return float(plain);
  int exponent;
  frexp(largest, &exponent);
  double unit = ldexp(1.0, exponent - 24 - extra), sum = trunc(start / unit);
  for (int i = 0; i < count; ++i) sum += trunc(terms[i] / unit);
  sum *= unit;
  if (sum == 0) return 0;
  frexp(sum, &exponent);
  double last = ldexp(1.0, exponent - 24);
  return float(trunc(sum / last) * last);
}

template <int DEPTH> float sum_of(const Model& model, float start, const std::array<double, DEPTH>& terms) {
  if (model.exact) {
    double sum = start;
    for (double term : terms) sum += term;
    return float(sum);
  }
  int width = DEPTH == 16 ? model.width : model.width / 2;
  for (int i = 0; i < DEPTH; i += width) start = truncated_sum(start, &terms[size_t(i)], width, model.extra);
  return start;
}

float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

float half_of(uint32_t bits) {
  static const auto table = [] {
    std::vector<float> values(1 << 16);
    for (uint32_t i = 0; i < values.size(); ++i) {
      int exponent = int(i >> 10 & 31), fraction = int(i & 1023);
      float size = exponent == 31 ? (fraction != 0 ? NAN : INFINITY)
                   : exponent > 0 ? ldexpf(float(1024 + fraction), exponent - 25)
                                  : ldexpf(float(fraction), -24);
      values[i] = i >> 15 ? -size : size;
    }
    return values;
  }();
  return table[bits & 0xffff];
}

float decoded(Number number, uint32_t bits) {
  switch (number) {
    case Number::bfloat16: return float_of(bits << 16);
    case Number::float16: return half_of(bits);
    default: return float_of(bits & 0xffffe000u);
  }
}

struct Fragments {
  float sum[4];
  uint32_t a[4], b[2];
};

template <Number NUMBER> void multiply_matrices(void** lanes, unsigned) {
  constexpr int depth = NUMBER == Number::tf32 ? 8 : 16, packed = depth / 8;
  double a[16][depth], b[8][depth];
  Model adding = model();
  for (int lane = 0; lane < int(kWarp); ++lane) {
    auto* own = static_cast<Fragments*>(lanes[lane]);
    int group = lane / 4, place = lane % 4 * packed;
    for (int part = 0; part < packed; ++part) {
      auto word = [&](uint32_t bits) { return decoded(NUMBER, packed == 2 ? bits >> (16 * part) & 0xffff : bits); };
      for (int i = 0; i < 4; ++i) a[group + i % 2 * 8][place + part + i / 2 * (depth / 2)] = word(own->a[i]);
      for (int i = 0; i < 2; ++i) b[group][place + part + i * (depth / 2)] = word(own->b[i]);
    }
  }
  for (int lane = 0; lane < int(kWarp); ++lane) {
    auto* own = static_cast<Fragments*>(lanes[lane]);
    for (int i = 0; i < 4; ++i) {
      const double *row = a[lane / 4 + i / 2 * 8], *column = b[lane % 4 * 2 + i % 2];
      std::array<double, depth> terms;
      for (int k = 0; k < depth; ++k) terms[size_t(k)] = row[k] * column[k];
      own->sum[i] = sum_of<depth>(adding, own->sum[i], terms);
    }
  }
}

}  // namespace

void load_matrices(uint32_t (&to)[4], const void* from, Where where) {
  machine.site = __builtin_return_address(0);
  ++statistics.matrix_loads;
  check_access(from, 16, Access::read);
  MatrixRow row = {static_cast<const char*>(from), {}};
  meet("ldmatrix", ~0u, where, &row, deliver_matrices);
  memcpy(to, row.out, sizeof row.out);
}

void multiply(Number number, float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, Where where) {
  ++statistics.products;
  Fragments own = {{sum[0], sum[1], sum[2], sum[3]}, {a[0], a[1], a[2], a[3]}, {b0, b1}};
  auto finish = number == Number::bfloat16  ? multiply_matrices<Number::bfloat16>
                : number == Number::float16 ? multiply_matrices<Number::float16>
                                            : multiply_matrices<Number::tf32>;
  meet("mma", ~0u, where, &own, finish);
  memcpy(sum, own.sum, sizeof own.sum);
}

}  // namespace simt
