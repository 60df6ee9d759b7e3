// Products of bytes by the tiles of AMX, which Intel's server processors have had since 2023: two to three times as fast as by vectors.
#pragma once

#include "product.h"

#if defined(__AMX_INT8__) && defined(__linux__)
#define HIERGEO_TILES 1
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#define HIERGEO_TILES 0
#endif

namespace hiergeo {
namespace {

constexpr int64_t kTileWords = 16, kMostTileRows = 16;  // words of four bytes in a row of a tile, and rows
constexpr int64_t kTileStep = 2 * kTileWords;           // columns of two tiles
constexpr int64_t kTiledRows = 5 * kBlockRows;          // rows of two tiles, whole register blocks

#if HIERGEO_TILES

// Whether the processor has tiles, and the system, which saves them when it changes threads, lets the process use them.
inline bool are_tiles_given() {
  static const bool given = [] {
    constexpr long request_permission = 0x1023, tile_data = 18;
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 25 & 1 &&
           !syscall(SYS_arch_prctl, request_permission, tile_data);
  }();
  return given;
}

// The tiles of this thread while it lives: sums 0 to 3, rows 4 and 5, columns 6 and 7.
class Tiles {
 public:
  explicit Tiles(int64_t rows) {
    for (int tile = 0; tile < 8; ++tile) {
      shape_.row_bytes[tile] = 4 * kTileWords;
      shape_.rows[tile] = uint8_t(tile < 6 ? rows : kTileWords);
    }
    asm volatile("" : : "r"(&shape_) : "memory");
    _tile_loadconfig(&shape_);
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;

 private:
  struct {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  } shape_;
};

// sums[i][c] of x[i][w], bytes without sign, and y[w][c], bytes with one, for twice the rows of a tile and `kTileStep` columns; rows
// are so many words apart, and `words` whole tiles.
inline void tiled_sums(const uint32_t* x, int64_t x_row, int64_t rows, const uint32_t* y, int64_t y_row, int64_t words, int32_t* sums) {
  const uint32_t* below = x + rows * x_row;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t w = 0; w < words; w += kTileWords) {
    _tile_loadd(4, x + w, 4 * x_row);
    _tile_loadd(5, below + w, 4 * x_row);
    _tile_loadd(6, y + w * y_row, 4 * y_row);
    _tile_loadd(7, y + w * y_row + kTileWords, 4 * y_row);
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_stored(0, sums, 4 * kTileStep);
  _tile_stored(1, sums + kTileWords, 4 * kTileStep);
  _tile_stored(2, sums + rows * kTileStep, 4 * kTileStep);
  _tile_stored(3, sums + rows * kTileStep + kTileWords, 4 * kTileStep);
}

#else

inline bool are_tiles_given() { return false; }

#endif

}  // namespace
}  // namespace hiergeo
