// Matrix products: the one place that decides how W H, W^T grad_A and grad_A H^T are computed.
//
// All three are one loop. A tile of R rows by V packets of lanes stays in registers while it sums
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

#include "backprop/types.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Tiles fill the register file: R x 2 sums, 2 packets of X and one broadcast of B.
constexpr Index max_tile_rows = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 12 : 6;

/// Longest sum over k in one go: X's panel (2 packets wide) and B's tile then share the L1 cache.
constexpr Index max_block = 256;

/// A matrix read number by number: element (r, k) at data[r * row_stride + k * k_stride].
template <class T>
struct Broadcast {
  const T* data;
  Index row_stride, k_stride;
};

namespace detail {

template <class T, int R, int V>
struct Tile {
  Packet<T> sum[R][V];

  template <class F>
  EIGEN_ALWAYS_INLINE void each(F&& f) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) f(r, v, sum[r][v]);
  }

  EIGEN_ALWAYS_INLINE void accumulate(Broadcast<T> B, const T* X, Index n) {
    namespace ei = Eigen::internal;
    const T* b = B.data;
    for (Index k = 0; k < n; ++k) {
      Packet<T> x[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) x[v] = ei::pload<Packet<T>>(X + v * lanes<T>);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const Packet<T> w = ei::pset1<Packet<T>>(b[r * B.row_stride]);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sum[r][v] = ei::pmadd(w, x[v], sum[r][v]);
      }
      b += B.k_stride;
      X += panel_width<T>;
    }
  }
};

/// Calls f with the number of rows as a compile-time constant.
template <int R = static_cast<int>(max_tile_rows), class F>
EIGEN_ALWAYS_INLINE void with_rows(Index rows, F&& f) {
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
EIGEN_ALWAYS_INLINE void for_each_tile(Index begin, Index end, F&& f) {
  const Index n = end - begin, tiles = ceil_div(n, max_tile_rows);
  for (Index t = 0; t < tiles; ++t) {
    const Index first = t * n / tiles;
    f(begin + first, (t + 1) * n / tiles - first);
  }
}

/// How the sums of a tile start.
template <class T>
struct Start {
  const T* bias;    ///< one number a row, or null for 0
  bool accumulate;  ///< go on from what C holds
};

template <class T, int R, int V>
EIGEN_DONT_INLINE void multiply_tile(Broadcast<T> B, const T* X, Index n, Start<T> start, T* C) {
  namespace ei = Eigen::internal;
  Tile<T, R, V> tile;
  tile.each([&](int r, int v, Packet<T>& sum) {
    sum = start.accumulate ? ei::pload<Packet<T>>(C + r * panel_width<T> + v * lanes<T>)
                           : ei::pset1<Packet<T>>(start.bias ? start.bias[r] : T(0));
  });
  tile.accumulate(B, X, n);
  tile.each([&](int r, int v, Packet<T>& sum) {
    ei::pstore(C + r * panel_width<T> + v * lanes<T>, sum);
  });
}

/// Copies a tile of B next to each other, k after k, for reuse over several panels.
template <class T>
Broadcast<T> pack_tile(Broadcast<T> B, Index rows, Index n, T* packed) {
  namespace ei = Eigen::internal;
  constexpr Index width = ceil_div(max_tile_rows, lanes<T>) * lanes<T>;
  if (B.k_stride == 1) {
    // A little more than a power of two apart, or the rows would share cache sets.
    constexpr Index stride = max_block + 2 * lanes<T>;
    for (Index r = 0; r < rows; ++r)
      std::memcpy(packed + r * stride, B.data + r * B.row_stride,
                  static_cast<std::size_t>(n) * sizeof(T));
    return {packed, stride, 1};
  }
  for (Index k = 0; k < n; ++k)
    for (Index r = 0; r < width; r += lanes<T>)
      ei::pstore(packed + k * width + r, ei::ploadu<Packet<T>>(B.data + k * B.k_stride + r));
  return {packed, 1, width};
}

}  // namespace detail

/// Numbers that pack_tile may write (one scratch a thread), and read past the end of a W.
template <class T>
constexpr Index pack_size = max_tile_rows * (max_block + 2 * lanes<T>)+max_block * 2 * lanes<T>;

/// C(rows x examples) = bias + B X for a range of examples; finish(slice, packets, row, rows) is
/// called on each tile of C when it is complete and still in the nearest cache.
template <class T, class Finish>
void multiply(Broadcast<T> B, Index rows, Index n, const Panels<T>& X, const T* bias, Panels<T>& C,
              Slices slices, T* scratch, Finish&& finish) {
  const Index blocks = ceil_div(n, max_block);
  // Reading W in place is best until its rows (or columns) are far apart and read again and again.
  const bool far_apart = B.k_stride == 1 ? blocks > 1 : B.k_stride > 128;
  const bool pack = far_apart && slices.end - slices.begin >= 4;
  for (Index block = 0; block < blocks; ++block) {
    const Index k = block * n / blocks, size = (block + 1) * n / blocks - k;
    detail::for_each_tile(0, rows, [&](Index row, Index tile_rows) {
      Broadcast<T> tile{B.data + row * B.row_stride + k * B.k_stride, B.row_stride, B.k_stride};
      if (pack) tile = detail::pack_tile(tile, tile_rows, size, scratch);
      for_each_panel(slices, [&](Index slice, Index packets) {
        const T* x = X.slice(slice) + k * panel_width<T>;
        T* c = C.slice(slice) + row * panel_width<T>;
        const detail::Start<T> start{bias ? bias + row : nullptr, block > 0};
        detail::with_rows(tile_rows, [&](auto R) {
          if (packets == 2)
            detail::multiply_tile<T, R, 2>(tile, x, size, start, c);
          else
            detail::multiply_tile<T, R, 1>(tile, x, size, start, c);
        });
        if (block + 1 == blocks) finish(slice, packets, row, tile_rows);
      });
    });
  }
}

namespace detail {

// A rule receives the gradient as apply(offset in theta, packet or single number).

template <class T, int R, int V, class Rule>
EIGEN_DONT_INLINE void gradient_tile(const T* grad_A, Index panel_stride, const T* H, Index m,
                                     const Rule& rule, Index offset, Index row_stride,
                                     Index columns) {
  namespace ei = Eigen::internal;
  Tile<T, R, V> tile;
  tile.each([](int, int, Packet<T>& sum) { sum = ei::pset1<Packet<T>>(T(0)); });
  for (Index j = 0; j < m; j += panel_width<T>)
    tile.accumulate({grad_A + j / panel_width<T> * panel_stride, panel_width<T>, 1},
                    H + j * panel_width<T>, std::min(panel_width<T>, m - j));
  if (columns >= V * lanes<T>) {
    tile.each([&](int r, int v, Packet<T>& sum) {
      rule.apply(offset + r * row_stride + v * lanes<T>, sum);
    });
    return;
  }
  EIGEN_ALIGN_MAX T row[V * lanes<T>];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) ei::pstore(row + v * lanes<T>, tile.sum[r][v]);
    Index c = 0;
    for (; c + lanes<T> <= columns; c += lanes<T>)
      rule.apply(offset + r * row_stride + c, ei::pload<Packet<T>>(row + c));
    for (; c < columns; ++c) rule.apply(offset + r * row_stride + c, row[c]);
  }
}

}  // namespace detail

/// Hands rows [begin, end) of grad_W = grad_A H^T to `rule`, m examples summed in registers.
/// grad_A in panels of examples, H in panels of features, grad_W at `offset` of theta.
template <class T, class Rule>
void multiply_gradient(const Panels<T>& grad_A, const Panels<T>& H, Index m, Index columns,
                       Index begin, Index end, Index offset, const Rule& rule) {
  const Index panel_stride = grad_A.stride();
  // Eight panels of H stay in the second cache while the rows of grad_A pass by.
  constexpr Index columns_at_once = 8 * panel_width<T>;
  for (Index first = 0; first < columns; first += columns_at_once) {
    const Index last = std::min(columns, first + columns_at_once);
    detail::for_each_tile(begin, end, [&](Index row, Index rows) {
      for (Index c = first; c < last; c += panel_width<T>) {
        const Index width = std::min(panel_width<T>, columns - c);
        const T* a = grad_A.slice(0) + row * panel_width<T>;
        const T* h = H.slice(c / lanes<T>);
        const Index at = offset + row * columns + c;
        detail::with_rows(rows, [&](auto R) {
          if (width > lanes<T>)
            detail::gradient_tile<T, R, 2>(a, panel_stride, h, m, rule, at, columns, width);
          else
            detail::gradient_tile<T, R, 1>(a, panel_stride, h, m, rule, at, columns, width);
        });
      }
    });
  }
}

/// Hands rows [begin, end) of grad_b = grad_A 1_m to `rule`; lanes past the batch must hold 0.
template <class T, class Rule>
void sum_gradient(const Panels<T>& grad_A, Index slices, Index begin, Index end, Index offset,
                  const Rule& rule) {
  namespace ei = Eigen::internal;
  for (Index row = begin; row < end; ++row) {
    Packet<T> sum = ei::pset1<Packet<T>>(T(0));
    for (Index s = 0; s < slices; ++s)
      sum = ei::padd(sum, ei::pload<Packet<T>>(grad_A.slice(s) + row * panel_width<T>));
    rule.apply(offset + row, ei::predux(sum));
  }
}

namespace detail {

template <class T>
void transpose_square(const T* source, T* target) {
  namespace ei = Eigen::internal;
  constexpr int n = static_cast<int>(lanes<T>);
  if constexpr (n == 1) {
    *target = *source;
  } else {
    ei::PacketBlock<Packet<T>, n> block;
    for (int i = 0; i < n; ++i) block.packet[i] = ei::pload<Packet<T>>(source + i * panel_width<T>);
    ei::ptranspose(block);
    for (int i = 0; i < n; ++i) ei::pstore(target + i * panel_width<T>, block.packet[i]);
  }
}

}  // namespace detail

/// Copies one slice of H from panels of examples to panels of features, a square of lanes at a
/// time.
template <class T>
void to_features(const Panels<T>& examples, Index n_features, Panels<T>& features, Index slice) {
  for (Index f = 0; f < n_features; f += lanes<T>)
    detail::transpose_square(examples.slice(slice) + f * panel_width<T>,
                             features.slice(f / lanes<T>) + slice * lanes<T> * panel_width<T>);
}

/// The way back: one slice of examples from panels of features.
template <class T>
void to_examples(const Panels<T>& features, Index n_features, Panels<T>& examples, Index slice) {
  for (Index f = 0; f < n_features; f += lanes<T>)
    detail::transpose_square(features.slice(f / lanes<T>) + slice * lanes<T> * panel_width<T>,
                             examples.slice(slice) + f * panel_width<T>);
}

BACKPROP_NAMESPACE_END
