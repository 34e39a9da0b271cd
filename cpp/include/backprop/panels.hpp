// How a matrix of a batch lies in memory.
//
// The note keeps examples in columns: X is n x m. Inside a batch the engine stores such a matrix as
// *panels* of P = 2 packets of examples,
//
//     element (i, j)  ->  data[(j / P) * n * P + i * P + j % P],
//
// so that one instruction works on neuron i of many examples. A weight is then always a single
// number for all lanes, and W serves W H and W^T grad_A as it lies in theta, without a transpose.
#pragma once

#include <algorithm>
#include <limits>

#include "backprop/memory.hpp"
#include "backprop/simd.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Examples (or features) in a panel.
template <class T>
constexpr Index panel_width = 2 * lanes<T>;

/// Panels of `length` rows; the lane dimension is cut into panels of panel_width<T>.
template <class T>
class Panels {
 public:
  Panels() = default;
  Panels(Index length, Index lane_dimension)
      // A whole number of squares of lanes, so that a transpose never meets an edge.
      : length_(ceil_div(within_memory(length, lane_dimension), lanes<T>) * lanes<T>),
        data_(ceil_div(lane_dimension, panel_width<T>) * length_ * panel_width<T>) {}

  /// Row 0 of packet `slice` of the lane dimension; its row i lies i * panel_width<T> further.
  T* slice(Index slice) { return data_.data() + offset(slice); }
  const T* slice(Index slice) const { return data_.data() + offset(slice); }

  /// Numbers from one panel to the next.
  Index stride() const { return length_ * panel_width<T>; }
  bool empty() const { return data_.size() == 0; }

 private:
  /// `length`, unless even the count of numbers would overflow. Padding may multiply it by
  /// lanes * panel_width, and a number has up to 8 bytes.
  static Index within_memory(Index length, Index lane_dimension) {
    constexpr Index limit =
        std::numeric_limits<Index>::max() / (lanes<T> * panel_width<T> * Index{sizeof(T)});
    if (length > limit / std::max<Index>(lane_dimension, 1))
      throw OutOfMemory(std::numeric_limits<std::size_t>::max());
    return length;
  }

  Index offset(Index slice) const { return slice / 2 * stride() + slice % 2 * lanes<T>; }
  Index length_ = 0;
  Buffer<T> data_;
};

/// A range of packets of examples: what one task of the forward and backward pass works on.
struct Slices {
  Index begin, end;
};

/// Part `part` of the slices of a batch, cut between whole panels where there are enough.
inline Slices slice_range(Index n_slices, Index parts, Index part) {
  const Index at_once = n_slices >= 2 * parts ? 2 : 1;
  const Index n = ceil_div(n_slices, at_once);
  return {std::min(part * n / parts * at_once, n_slices),
          std::min((part + 1) * n / parts * at_once, n_slices)};
}

/// Calls f(slice, packets) for the whole panels (2 packets) and the single packets of a range.
template <class F>
void for_each_panel(Slices slices, F&& f) {
  for (Index s = slices.begin; s < slices.end;) {
    const Index packets = (s % 2 == 0 && s + 1 < slices.end) ? 2 : 1;
    f(s, packets);
    s += packets;
  }
}

/// Copies a matrix of n rows and m examples out of its panels, to out[j * n + i].
template <class T>
void unpack(const Panels<T>& panels, Index n, Index first, Index m, T* out) {
  for (Index j = first; j < first + m; ++j) {
    const T* from = panels.slice(j / lanes<T>) + j % lanes<T>;
    for (Index i = 0; i < n; ++i) out[j * n + i] = from[i * panel_width<T>];
  }
}

/// The way in: from[j * n + i] of m examples; lanes past them become 0.
template <class T>
void pack(const T* from, Index n, Index m, Panels<T>& panels) {
  for (Index j = 0; j < ceil_div(m, lanes<T>) * lanes<T>; ++j) {
    T* to = panels.slice(j / lanes<T>) + j % lanes<T>;
    for (Index i = 0; i < n; ++i) to[i * panel_width<T>] = j < m ? from[j * n + i] : T(0);
  }
}

BACKPROP_NAMESPACE_END
