// The one micro-kernel under all three matrix products: a tile of R rows by V packets of lanes
// stays in registers while it sums
//
//     tile(r, lanes) += B(r, k) * X(k, lanes)        over k,
//
// where X lies in panels and B is read one number at a time, whatever its strides:
//
//     W H            B = W            X = H in panels of examples       rows = neurons of layer k
//     W^T grad_A     B = W^T          X = grad_A in panels of examples  rows = neurons of layer k-1
//     grad_A H^T     B = grad_A       X = H in panels of features       rows = neurons of layer k
//
// Every element is a sum in the order of k, in blocks of fixed size, so that results do not depend
// on how the tiles are divided over threads.
#pragma once

#include <algorithm>
#include <type_traits>

#include "backprop/panels.hpp"
#include "backprop/simd.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Tiles fill the register file with R x 2 sums, 2 packets of X and one broadcast of B. Of 32
/// registers a few are left, for an update that takes place beside the sums.
constexpr Index max_tile_rows = many_registers ? 12 : 6;

/// A range of the rows of a product: of W, of W^T or of grad_A.
struct Rows {
  Index begin, end;
};

/// A matrix read number by number: element (r, k) at data[r * row_stride + k * k_stride]. A stride
/// that the compiler knows (not 0) costs no instructions, which at 2 multiply-adds a cycle is felt.
template <class T, Index RowStride, Index KStride>
struct Broadcast {
  const T* data;
  Index stride;  ///< the one the compiler does not know, if any

  constexpr Index row_stride() const { return RowStride == 0 ? stride : RowStride; }
  constexpr Index k_stride() const { return KStride == 0 ? stride : KStride; }
};

template <class T, int R, int V>
struct Tile {
  Packet<T> sum[R][V];

  /// Calls f(row, packet of the row, its sums).
  template <class F>
  BACKPROP_INLINE void each(F&& f) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) f(r, v, sum[r][v]);
  }

  BACKPROP_INLINE void clear() {
    each([](int, int, Packet<T>& sums) { sums = T(0); });
  }

  /// Adds the products of n numbers of each row of B with n rows of X.
  template <class B>
  BACKPROP_INLINE void accumulate(B matrix, const T* X, Index n) {
    // X streams from the second cache; asked for this many rows early, it arrives in time.
    constexpr Index rows_ahead = 6;
    const T* b = matrix.data;
    for (Index k = 0; k < n; ++k) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v)
        __builtin_prefetch(X + rows_ahead * panel_width<T> + v * lanes<T>);
      Packet<T> x[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) x[v] = load(X + v * lanes<T>);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const Packet<T> w = b[r * matrix.row_stride()];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sum[r][v] = fma(w, x[v], sum[r][v]);
      }
      b += matrix.k_stride();
      X += panel_width<T>;
    }
  }
};

/// Calls f with the number of rows as a compile-time constant.
template <int R = static_cast<int>(max_tile_rows), class F>
BACKPROP_INLINE void with_rows(Index rows, F&& f) {
  if constexpr (R == 1) {
    f(std::integral_constant<int, 1>{});
  } else {
    if (rows == R)
      f(std::integral_constant<int, R>{});
    else
      with_rows<R - 1>(rows, f);
  }
}

/// Calls f(first, count) for tiles of nearly equal height: 100 rows are 9 tiles of 11 or 12, since
/// a tile of a few rows cannot keep the multipliers busy.
template <class F>
BACKPROP_INLINE void for_each_tile(Rows rows, F&& f) {
  const Index n = rows.end - rows.begin, tiles = std::max<Index>(1, ceil_div(n, max_tile_rows));
  const Index height = n / tiles;
  Index taller = n % tiles;
  for (Index first = rows.begin; first < rows.end;) {
    const Index count = height + (taller-- > 0);
    f(first, count);
    first += count;
  }
}

BACKPROP_NAMESPACE_END
