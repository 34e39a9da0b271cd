// Every A, H and grad_A of a mini-batch, allocated once, and the gather that fills its input.
#pragma once

#include <vector>

#include "backprop/data.hpp"
#include "backprop/dropout.hpp"
#include "backprop/network.hpp"
#include "backprop/product.hpp"
#include "backprop/types.hpp"

BACKPROP_NAMESPACE_BEGIN

/// What a workspace holds besides the buffers of the lean forward pass; each includes the one
/// before.
enum class Keep { output, loss, gradient, trace };

template <class T>
struct Workspace {
  /// `dropout`: whether there will be masks, which the slopes carry.
  Workspace(const Network<T>& net, Index capacity_, Keep keep_, bool dropout = false)
      : capacity(capacity_), keep(keep_), masks(static_cast<std::size_t>(net.layout().n_layers())) {
    const Layout& layout = net.layout();
    const Index L = layout.n_layers();
    const bool gradient = keep >= Keep::gradient, trace = keep == Keep::trace;
    features.resize(static_cast<std::size_t>(L));
    features[0] = Panels<T>(capacity, layout.n_inputs());
    H.emplace_back(layout.n_inputs(), capacity);
    for (Index k = 1; k <= L; ++k) {
      const Index n = layout.size(k);
      H.emplace_back(n, capacity);
      grad_A.push_back(gradient || (keep == Keep::loss && k == L) ? Panels<T>(n, capacity)
                                                                  : Panels<T>());
      if (gradient && k < L) features[static_cast<std::size_t>(k)] = Panels<T>(capacity, n);
      const bool stored = gradient && k < L && (dropout || net.hidden(k).backward == nullptr);
      slopes.push_back(stored ? Panels<T>(n, capacity) : Panels<T>());
      if (trace) A.emplace_back(n, capacity);
      if (trace) grad_H.emplace_back(n, capacity);
    }
    if (keep == Keep::output) return;
    const Index padded = ceil_div(capacity, panel_width<T>) * panel_width<T>;
    targets = Panels<T>(layout.n_outputs(), capacity);
    labels.resize(static_cast<std::size_t>(padded));
    share = Buffer<T>(padded);
    loss.resize(static_cast<std::size_t>(padded / lanes<T>));
  }

  /// H_k as the forward pass reads it, and as the gradient product reads it (k < L).
  Panels<T>& h(Index k) { return H[static_cast<std::size_t>(k)]; }
  Panels<T>& h_features(Index k) { return features[static_cast<std::size_t>(k)]; }
  Panels<T>& slope(Index k) { return slopes[static_cast<std::size_t>(k - 1)]; }
  Dropout& mask(Index k) { return masks[static_cast<std::size_t>(k - 1)]; }
  Panels<T>& grad_a(Index k) { return grad_A[static_cast<std::size_t>(k - 1)]; }

  /// One scratch a thread for packed tiles; call before the threads start.
  void reserve_scratch(int threads) {
    while (static_cast<int>(scratch.size()) < threads) scratch.emplace_back(scratch_size<T>);
  }

  Index capacity;
  Keep keep;
  std::vector<Panels<T>> H;          ///< H_0 .. H_L in panels of examples; H_L holds A_L
  std::vector<Panels<T>> features;   ///< H_0 .. H_{L-1} in panels of features
  std::vector<Panels<T>> grad_A;     ///< grad_A_1 .. grad_A_L in panels of examples
  std::vector<Panels<T>> slopes;     ///< g'(A_k), where H_k does not tell it, o M_k
  std::vector<Dropout> masks;        ///< M_1 .. M_{L-1} of the present step
  std::vector<Panels<T>> A, grad_H;  ///< of layers 1 .. L, for a trace
  Panels<T> targets;                 ///< Y in panels of examples, where there are no labels
  std::vector<std::int32_t> labels;  ///< the class of each example
  Buffer<T> share;                   ///< each example's part of the mean
  std::vector<double> loss;          ///< each slice's part of the loss
  std::vector<Buffer<T>> scratch;
};

/// As gather, for examples that hold only their numbers that are not 0.
template <class T>
void gather_sparse(const Examples<T>& X, Batch batch, Workspace<T>& ws, Index slice) {
  constexpr Index P = panel_width<T>;
  Panels<T>& features = ws.h_features(0);
  for (Index j = slice * lanes<T>; j < (slice + 1) * lanes<T>; ++j) {
    for (Index f = 0; f < X.n_features; f += P)
      std::fill_n(features.slice(f / lanes<T>) + j * P, P, T(0));
    if (j >= batch.count) continue;
    const Index example = batch[j];
    for (Index i = X.starts[example]; i < X.starts[example + 1]; ++i) {
      const Index f = X.columns[i];
      // Entries of one place add up, as in SciPy's matrices that are not canonical.
      features.slice(f / P * 2)[j * P + f % P] += X.data[i];
    }
  }
  to_examples(features, X.n_features, ws.h(0), slice);
}

/// Brings one slice of a batch out of the caller's memory into H_0, a square of lanes at a time, as
/// both products read it; lanes past the batch become 0.
template <class T>
void gather(const Examples<T>& X, Batch batch, Workspace<T>& ws, Index slice) {
  namespace ei = Eigen::internal;
  constexpr Index P = panel_width<T>, n = lanes<T>;
  // The processor does not foresee rows far apart, in any order. So each asks for a row of the next
  // batch, which leaves that the time of a step; or, where none follows, for its own next lines.
  const T *examples[n], *ahead[n];
  for (Index j = 0; j < n; ++j) {
    const Index i = slice * n + j;
    examples[j] = ahead[j] = nullptr;
    if (i >= batch.count) continue;
    examples[j] = X.data + batch[i] * X.example_stride;
    ahead[j] = i < batch.next_count ? X.data + batch[batch.count + i] * X.example_stride
                                    : examples[j] + 4 * n;
  }
  const auto place = [&](Index f, auto&& load) {
    T* features = ws.h_features(0).slice(f / n) + slice * n * P;
    T* target = ws.h(0).slice(slice) + f * P;
    ei::PacketBlock<Packet<T>, static_cast<int>(n)> block;
    for (Index j = 0; j < n; ++j) {
      block.packet[j] = ei::pset1<Packet<T>>(T(0));
      if (examples[j] != nullptr) {
        block.packet[j] = load(examples[j] + f);
        __builtin_prefetch(ahead[j] + f, 0, 2);
      }
      ei::pstore(features + j * P, block.packet[j]);
    }
    ei::ptranspose(block);
    for (Index j = 0; j < n; ++j) ei::pstore(target + j * P, block.packet[j]);
  };
  if (X.feature_stride == 1) {
    const Index whole = X.n_features / n * n, rest = X.n_features - whole;
    // Apart from the rest: a choice within would keep the square out of registers.
    for (Index f = 0; f < whole; f += n)
      place(f, [](const T* x) { return ei::ploadu<Packet<T>>(x); });
    if (rest > 0) place(whole, [&](const T* x) { return load_part(x, rest); });
    return;
  }
  for (Index f = 0; f < X.n_features; f += n) {
    T* features = ws.h_features(0).slice(f / n) + slice * n * P;
    const Index count = std::min(n, X.n_features - f);
    for (Index j = 0; j < n; ++j) {
      const T* x = examples[j];
      for (Index i = 0; i < count; ++i)
        features[j * P + i] = x ? x[(f + i) * X.feature_stride] : T(0);
    }
    detail::transpose_square(features, ws.h(0).slice(slice) + f * P);
  }
}

/// Keeps a tile of one of the lean buffers, for a trace.
template <class T>
void copy_tile(const T* from, T* to, Index rows, Index packets) {
  for (Index r = 0; r < rows; ++r)
    std::copy_n(from + r * panel_width<T>, packets * lanes<T>, to + r * panel_width<T>);
}

/// Brings one slice of a batch into H_0.
template <class T>
void load_examples(const Examples<T>& X, Batch batch, Workspace<T>& ws, Index slice) {
  if (X.starts != nullptr)
    gather_sparse(X, batch, ws, slice);
  else
    gather(X, batch, ws, slice);
}

/// Brings the targets of one slice in, and each example's part of the mean (see unit_share).
template <class T>
TargetSlice<T> load_targets(const Targets<T>& y, Batch batch, Workspace<T>& ws, Index slice,
                            Index p, double unit) {
  const Index first = slice * lanes<T>;
  const bool has_labels = y.labels != nullptr;
  T* values = ws.targets.slice(slice);
  std::int32_t* labels = ws.labels.data() + first;
  for (Index j = 0; j < lanes<T>; ++j) {
    const bool inside = first + j < batch.count;
    const double weight =
        inside ? (y.weights ? y.weights[batch[first + j] * y.weight_stride] : 1.0) : 0.0;
    ws.share[first + j] = static_cast<T>(weight * unit);
    if (has_labels) {
      labels[j] =
          inside ? static_cast<std::int32_t>(y.labels[batch[first + j] * y.label_stride]) : 0;
      continue;
    }
    const T* from = inside ? y.values.data + batch[first + j] * y.values.example_stride : nullptr;
    for (Index i = 0; i < p; ++i)
      values[i * panel_width<T> + j] = inside ? from[i * y.values.feature_stride] : T(0);
  }
  return {has_labels ? labels : nullptr, values, ws.share.data() + first};
}

BACKPROP_NAMESPACE_END
