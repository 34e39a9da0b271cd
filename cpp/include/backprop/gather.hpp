// The way of a batch out of the caller's memory into the workspace: examples into H_0, in both
// layouts that the products read, and targets with each example's part of the mean.
#pragma once

#include "backprop/data.hpp"
#include "backprop/layers.hpp"
#include "backprop/loss.hpp"
#include "backprop/transpose.hpp"

BACKPROP_NAMESPACE_BEGIN

namespace detail {

/// As gather_dense, for examples that hold only their numbers that are not 0.
template <class T>
void gather_sparse(const Examples<T>& X, const Batch& batch, Layer<T>& input, Index slice) {
  constexpr Index P = panel_width<T>;
  Panels<T>& features = input.H_features;
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
  to_examples(features, X.n_features, input.H, slice);
}

/// Brings one slice of a batch into H_0, a square of lanes at a time; lanes past the batch become
/// 0.
template <class T>
void gather_dense(const Examples<T>& X, const Batch& batch, Layer<T>& input, Index slice) {
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
  const auto place = [&](Index f, auto&& load_example) {
    T* features = input.H_features.slice(f / n) + slice * n * P;
    T* target = input.H.slice(slice) + f * P;
    Square<T> square;
    for (Index j = 0; j < n; ++j) {
      Packet<T> numbers = T(0);
      if (examples[j] != nullptr) {
        numbers = load_example(examples[j] + f);
        __builtin_prefetch(ahead[j] + f, 0, 2);
      }
      store(features + j * P, numbers);
      square.set(j, numbers);
    }
    square.transpose();
    for (Index j = 0; j < n; ++j) store(target + j * P, square.row(j));
  };
  if (X.feature_stride == 1) {
    const Index whole = X.n_features / n * n, rest = X.n_features - whole;
    // Apart from the rest: a choice within the loop would keep the square out of registers.
    for (Index f = 0; f < whole; f += n) place(f, [](const T* x) { return load_unaligned(x); });
    if (rest > 0) place(whole, [&](const T* x) { return load_part(x, rest); });
    return;
  }
  for (Index f = 0; f < X.n_features; f += n) {
    T* features = input.H_features.slice(f / n) + slice * n * P;
    const Index count = std::min(n, X.n_features - f);
    for (Index j = 0; j < n; ++j) {
      const T* x = examples[j];
      for (Index i = 0; i < count; ++i)
        features[j * P + i] = x ? x[(f + i) * X.feature_stride] : T(0);
    }
    transpose_square(features, input.H.slice(slice) + f * P);
  }
}

}  // namespace detail

/// Brings one slice of a batch into H_0, in panels of examples and of features.
template <class T>
void gather_examples(const Examples<T>& X, const Batch& batch, Workspace<T>& ws, Index slice) {
  if (X.starts != nullptr)
    detail::gather_sparse(X, batch, ws.layer(0), slice);
  else
    detail::gather_dense(X, batch, ws.layer(0), slice);
}

/// Brings the targets of one slice in (p outputs), and each example's part of the mean: its weight
/// times `share_of_1`, the part of an example that weighs 1.
template <class T>
TargetSlice<T> gather_targets(const Targets<T>& y, const Batch& batch, Workspace<T>& ws,
                              Index slice, Index p, double share_of_1) {
  const Index first = slice * lanes<T>;
  const bool has_labels = y.labels != nullptr;
  T* values = ws.targets.slice(slice);
  std::int32_t* labels = ws.labels.data() + first;
  bool all_classes = true;
  for (Index j = 0; j < lanes<T>; ++j) {
    const bool inside = first + j < batch.count;
    const double weight =
        inside ? (y.weights ? y.weights[batch[first + j] * y.weight_stride] : 1.0) : 0.0;
    ws.share[first + j] = static_cast<T>(weight * share_of_1);
    if (has_labels) {
      const std::int64_t label = inside ? y.labels[batch[first + j] * y.label_stride] : 0;
      all_classes &= static_cast<std::uint64_t>(label) < static_cast<std::uint64_t>(p);
      labels[j] = static_cast<std::int32_t>(label);
      continue;
    }
    const T* from = inside ? y.values.data + batch[first + j] * y.values.example_stride : nullptr;
    for (Index i = 0; i < p; ++i)
      values[i * panel_width<T> + j] = inside ? from[i * y.values.feature_stride] : T(0);
  }
  if (!all_classes) {
    // Labels were checked before, but somebody has written to them since. What is no class must
    // not be used as an index; it makes the loss NaN.
    std::fill_n(labels, lanes<T>, 0);
    ws.share[first] = std::numeric_limits<T>::quiet_NaN();
  }
  return {has_labels ? labels : nullptr, values, ws.share.data() + first};
}

BACKPROP_NAMESPACE_END
