// Data sets in the caller's memory, mapped as they lie, and the order in which epochs visit them.
#pragma once

#include <cstdint>
#include <utility>

#include "backprop/common.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Examples in the caller's memory, mapped as they lie: feature f of example j at
/// data[j * example_stride + f * feature_stride]. Or, where `starts` is not null, compressed rows:
/// the numbers of example j that are not 0 are data[starts[j] .. starts[j + 1]), in these columns.
template <class T>
struct Examples {
  const T* data;
  Index count, n_features;
  Index example_stride, feature_stride;
  const std::int32_t* columns = nullptr;
  const std::int64_t* starts = nullptr;
};

/// Targets in the caller's memory: classes, or p values an example; and how much each weighs.
template <class T>
struct Targets {
  const std::int64_t* labels;  ///< or null
  Index label_stride;
  Examples<T> values;          ///< used where labels is null
  const T* weights = nullptr;  ///< or null: all weigh 1
  Index weight_stride = 0;
};

/// Examples order[begin .. begin + count) of a data set; a null order is 0, 1, 2, …
struct Batch {
  const std::int64_t* order;
  Index begin, count;
  Index next_count = 0;  ///< of the batch that will be asked for next, and follows in `order`

  Index operator[](Index j) const { return order ? order[begin + j] : begin + j; }
};

/// Which examples an epoch visits, in this order; no positions are 0, 1, 2, …
struct Order {
  const std::int64_t* positions;
  Index count;
};

/// The sum of the weights of a batch: what its mean divides by.
template <class T>
double total_weight(const Targets<T>& y, const Batch& batch) {
  if (y.weights == nullptr) return static_cast<double>(batch.count);
  double sum = 0;
  for (Index j = 0; j < batch.count; ++j)
    sum += static_cast<double>(y.weights[batch[j] * y.weight_stride]);
  return sum;
}

/// The part of the mean of an example that weighs 1; 0 where no example weighs anything.
template <class T>
double share_of_1(const Targets<T>& y, const Batch& batch) {
  const double total = total_weight(y, batch);
  return total > 0 ? 1 / total : 0;
}

/// Whether no feature is NaN or infinite.
template <class T>
bool all_finite(const Examples<T>& X) {
  Examples<T> view = X;
  if (X.starts != nullptr) view = {X.data, 1, X.starts[X.count], 0, 1};
  // Walk along the closer dimension, as F-ordered arrays hold examples next to each other.
  if (view.feature_stride != 1 && view.example_stride == 1) {
    std::swap(view.count, view.n_features);
    std::swap(view.example_stride, view.feature_stride);
  }
  bool finite = true;
  for (Index j = 0; j < view.count && finite; ++j) {
    const T* x = view.data + j * view.example_stride;
    int bad = 0;
    // x - x is 0 for every number and NaN for NaN and the infinities.
    if (view.feature_stride == 1)
      for (Index f = 0; f < view.n_features; ++f) bad |= x[f] - x[f] != T(0);
    else
      for (Index f = 0; f < view.n_features; ++f) {
        const T value = x[f * view.feature_stride];
        bad |= value - value != T(0);
      }
    finite = bad == 0;
  }
  return finite;
}

/// Steele, Lea & Flood's splitmix64.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t state) : state_(state) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  /// An integer in [0, n), by Lemire's multiplication.
  std::uint64_t below(std::uint64_t n) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64);
  }

 private:
  std::uint64_t state_;
};

/// The order of one epoch, a Fisher-Yates shuffle that depends on (seed, epoch) alone: a resumed
/// run visits the examples as the uninterrupted one would have.
inline void shuffle(std::int64_t* order, Index n, std::uint64_t seed, std::uint64_t epoch) {
  SplitMix64 random(SplitMix64(seed).next() ^ epoch);
  for (Index i = 0; i < n; ++i) order[i] = i;
  for (Index i = n - 1; i > 0; --i)
    std::swap(order[i], order[random.below(static_cast<std::uint64_t>(i) + 1)]);
}

BACKPROP_NAMESPACE_END
