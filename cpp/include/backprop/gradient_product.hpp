// The products grad_W = grad_A H^T and grad_b = grad_A 1_m, a tile at a time, and how their sums
// are handed on.
//
// Whoever receives a gradient is a *sink* (see update.hpp for all of them). It says by `takes` how:
//
//     Takes::packets      each packet straight from its register, by packet(at, sums, count): `at`
//                         is its place in theta, and the first `count` numbers are meant
//     Takes::tiles        a tile at once, from memory near the core, by tile(...)
//     Takes::tiles_later  a tile as wide as a panel waits in memory and is used packet by packet
//                         while the next one is summed; a narrower one is taken by tile(...)
//
// grad_b always comes by packet(at, sums, count).
#pragma once

#include "backprop/tile.hpp"

BACKPROP_NAMESPACE_BEGIN

enum class Takes { packets, tiles, tiles_later };

/// A rectangle of grad_W in memory, and where its parameters lie in theta.
template <class T>
struct GradientTile {
  Index at, row_stride;  ///< of theta
  const T* sums;
  Index sums_stride;
  Index rows, columns;
};

namespace detail {

/// Sums a tile over m examples. Before each of the first `rows_to_ask` examples it calls ask(row),
/// for the memory of that row to be prefetched: the multipliers leave room for that, and the memory
/// takes no more at once.
template <class T, int R, int V, class Ask>
BACKPROP_INLINE void sum_examples(Tile<T, R, V>& tile, const T* grad_A, Index panel_stride,
                                  const T* H, Index m, Index rows_to_ask, Ask&& ask) {
  tile.clear();
  const auto add = [&](Index j, Index count) {
    tile.accumulate(
        Broadcast<T, panel_width<T>, 1>{
            grad_A + j / panel_width<T> * panel_stride + j % panel_width<T>, 0},
        H + j * panel_width<T>, count);
  };
  Index j = 0;
  for (; j < rows_to_ask; ++j) {
    ask(j);
    add(j, 1);
  }
  while (j < m) {
    const Index count = std::min(panel_width<T> - j % panel_width<T>, m - j);
    add(j, count);
    j += count;
  }
}

/// Stores a tile whose rows lie `stride` numbers apart. Rows closer than they are wide overwrite
/// each other's excess, in order.
template <class T, int R, int V>
BACKPROP_INLINE void store_rows(Tile<T, R, V>& tile, T* sums, Index stride) {
  tile.each([&](int r, int v, Packet<T>& packet) {
    store_unaligned(sums + r * stride + v * lanes<T>, packet);
  });
}

/// A tile handed on packet by packet. The sink comes by value: what others could see would be read
/// again from memory after every store to theta.
template <class T, int R, int V, class Sink>
BACKPROP_NO_INLINE void gradient_tile(const T* grad_A, Index panel_stride, const T* H, Index m,
                                      const Sink sink, Index offset, Index row_stride,
                                      Index columns) {
  Tile<T, R, V> tile;
  // Rows that lie a page apart are not foreseen by the processor.
  const bool far = row_stride * static_cast<Index>(sizeof(T)) >= 4000;
  sum_examples(tile, grad_A, panel_stride, H, m, far ? std::min<Index>(R, m) : 0, [&](Index row) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sink.prefetch(offset + row * row_stride + v * lanes<T>);
  });
  if (columns < V * lanes<T> && columns == row_stride) {
    // The rows lie without a gap, so that a packet holds several.
    EIGEN_ALIGN_MAX T sums[R * V * lanes<T>];
    store_rows(tile, sums, columns);
    for (Index i = 0; i < R * columns; i += lanes<T>) {
      const Index count = std::min(lanes<T>, R * columns - i);
      sink.packet(offset + i, load_part(sums + i, count), count);
    }
  } else if (columns == V * lanes<T>) {
    tile.each([&](int r, int v, Packet<T>& sums) {
      sink.packet(offset + r * row_stride + v * lanes<T>, sums, lanes<T>);
    });
  } else {
    const Index rest = columns - (V - 1) * lanes<T>;
    tile.each([&](int r, int v, Packet<T>& sums) {
      sink.packet(offset + r * row_stride + v * lanes<T>, sums, v < V - 1 ? lanes<T> : rest);
    });
  }
}

/// A tile into memory. `parameters` are what the sums will be used on, asked for on the way.
template <class T, int R, int V, class Parameters>
BACKPROP_NO_INLINE void gradient_tile_to_memory(const T* grad_A, Index panel_stride, const T* H,
                                                Index m, const Parameters parameters, Index offset,
                                                Index row_stride, T* sums, Index sums_stride) {
  Tile<T, R, V> tile;
  sum_examples(tile, grad_A, panel_stride, H, m, std::min<Index>(R, m), [&](Index row) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) parameters.prefetch(offset + row * row_stride + v * lanes<T>);
  });
  store_rows(tile, sums, sums_stride);
}

/// A tile a panel wide, and between its examples, one by one, the packets of the tile before.
template <class T, int R, class Sink>
BACKPROP_NO_INLINE void deferred_tile(const T* grad_A, Index panel_stride, const T* H, Index m,
                                      Sink& sink, Index offset, Index row_stride) {
  Tile<T, R, 2> tile;
  tile.clear();
  auto waiting = sink.waiting(offset);
  for (; m > 0; m -= panel_width<T>) {
    Broadcast<T, panel_width<T>, 1> a{grad_A, 0};
    const T* h = H;
    Index left = std::min(panel_width<T>, m);
    for (; left > 0 && waiting.packets() > 0; --left) {
      waiting.prefetch_next();
      tile.accumulate(a, h, 1);
      waiting.take();
      ++a.data;
      h += panel_width<T>;
    }
    tile.accumulate(a, h, left);
    grad_A += panel_stride;
    H += panel_width<T> * panel_width<T>;
  }
  while (waiting.packets() > 0) waiting.take();
  T* sums = sink.wait(offset, row_stride, R);
  tile.each([&](int r, int v, Packet<T>& packet) {
    store(sums + r * panel_width<T> + v * lanes<T>, packet);
  });
}

}  // namespace detail

/// Calls f(row, height, column, width) for the tiles of some rows of a grad_W, in the order in
/// which they are summed.
template <class T, class F>
BACKPROP_INLINE void for_each_gradient_tile(Rows rows, Index columns, F&& f) {
  // Eight panels of H stay in the second cache while the rows of grad_A pass by.
  constexpr Index columns_at_once = 8 * panel_width<T>;
  for (Index first = 0; first < columns; first += columns_at_once) {
    const Index last = std::min(columns, first + columns_at_once);
    for_each_tile(rows, [&](Index row, Index height) {
      for (Index column = first; column < last; column += panel_width<T>)
        f(row, height, column, std::min(panel_width<T>, columns - column));
    });
  }
}

/// A tile of a grad_W that lies in theta's layout at `gradient`, its first number at `at`.
template <class T>
GradientTile<T> tile_in_layout(const T* gradient, Index at, Index row_stride, Index rows,
                               Index columns) {
  // Rows that lie without a gap are one long row.
  if (columns == row_stride && columns % lanes<T> != 0)
    return {at, 0, gradient + at, 0, 1, rows * columns};
  return {at, row_stride, gradient + at, row_stride, rows, columns};
}

/// Hands rows of grad_W = grad_A H^T to a sink, m examples summed in registers. grad_A lies in
/// panels of examples, H in panels of features, grad_W at `offset` of theta, `columns` numbers a
/// row.
template <class T, class Sink>
void gradient_product(const Panels<T>& grad_A, const Panels<T>& H, Index m, Index columns,
                      Rows rows, Index offset, Sink& sink) {
  const Index panel_stride = grad_A.stride();
  for_each_gradient_tile<T>(rows, columns, [&](Index row, Index height, Index c, Index width) {
    const T* a = grad_A.slice(0) + row * panel_width<T>;
    const T* h = H.slice(c / lanes<T>);
    const Index at = offset + row * columns + c;
    if constexpr (Sink::takes == Takes::packets) {
      with_rows(height, [&](auto R) {
        if (width > lanes<T>)
          detail::gradient_tile<T, R, 2>(a, panel_stride, h, m, sink, at, columns, width);
        else
          detail::gradient_tile<T, R, 1>(a, panel_stride, h, m, sink, at, columns, width);
      });
    } else {
      if constexpr (Sink::takes == Takes::tiles_later) {
        if (width == panel_width<T>) {
          with_rows(height, [&](auto R) {
            detail::deferred_tile<T, R>(a, panel_stride, h, m, sink, at, columns);
          });
          return;
        }
      }
      EIGEN_ALIGN_MAX T sums[max_tile_rows * panel_width<T>];
      const Index packets = width > lanes<T> ? 2 : 1;
      // Rows that lie without a gap are one long row.
      const bool one_row = width < packets * lanes<T> && width == columns;
      const Index stride = one_row ? width : packets * lanes<T>;
      with_rows(height, [&](auto R) {
        if (packets == 2)
          detail::gradient_tile_to_memory<T, R, 2>(a, panel_stride, h, m, sink.parameters(), at,
                                                   columns, sums, stride);
        else
          detail::gradient_tile_to_memory<T, R, 1>(a, panel_stride, h, m, sink.parameters(), at,
                                                   columns, sums, stride);
      });
      sink.tile(one_row ? GradientTile<T>{at, 0, sums, 0, 1, height * width}
                        : GradientTile<T>{at, columns, sums, stride, height, width});
    }
  });
  if constexpr (Sink::takes == Takes::tiles_later) sink.finish();
}

/// Hands rows of grad_b = grad_A 1_m to a sink; lanes past the batch must hold 0.
template <class T, class Sink>
void gradient_sum(const Panels<T>& grad_A, Index slices, Rows range, Index offset, Sink& sink) {
  for (Index row = range.begin; row < range.end; row += lanes<T>) {
    const Index rows = std::min(lanes<T>, range.end - row);
    EIGEN_ALIGN_MAX T sums[lanes<T>];
    for (Index r = 0; r < rows; ++r) {
      Packet<T> total = load(grad_A.slice(0) + (row + r) * panel_width<T>);
      for (Index s = 1; s < slices; ++s)
        total = total + load(grad_A.slice(s) + (row + r) * panel_width<T>);
      sums[r] = sum(total);
    }
    sink.packet(offset + row, load_part(sums, rows), rows);
  }
}

BACKPROP_NAMESPACE_END
