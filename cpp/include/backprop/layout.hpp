// One flat buffer theta = [W_1 b_1 ... W_L b_L] and where each array lies in it.
#pragma once

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "backprop/common.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Sizes n_0 .. n_L and the offsets of W_k (row-major n_k x n_{k-1}) and b_k (n_k) in theta.
class Layout {
 public:
  explicit Layout(std::vector<Index> layer_sizes) : sizes_(std::move(layer_sizes)) {
    if (sizes_.size() < 2)
      throw std::invalid_argument(
          "`layer_sizes` must name at least the input and the output layer, got " +
          std::to_string(sizes_.size()) + " size(s)");
    for (std::size_t k = 0; k < sizes_.size(); ++k)
      if (sizes_[k] < 1)
        throw std::invalid_argument("`layer_sizes` must all be at least 1, got " +
                                    std::to_string(sizes_[k]) + " for layer " + std::to_string(k));
    // A quarter of the address space keeps every later byte count from overflowing.
    constexpr Index limit = std::numeric_limits<Index>::max() / 64;
    Index next = 0;
    for (Index k = 1; k <= n_layers(); ++k) {
      w_.push_back(next);
      if (size(k - 1) > limit || size(k) > limit / (size(k - 1) + 1) ||
          size(k) * (size(k - 1) + 1) > limit - next)
        throw std::invalid_argument(
            "`layer_sizes` must describe a network that fits in memory; layers " +
            std::to_string(k - 1) + " and " + std::to_string(k) + " of " +
            std::to_string(size(k - 1)) + " and " + std::to_string(size(k)) +
            " neurons overflow the parameter count");
      next += size(k) * size(k - 1);
      b_.push_back(next);
      next += size(k);
    }
    n_parameters_ = next;
  }

  Index n_layers() const { return static_cast<Index>(sizes_.size()) - 1; }
  Index size(Index k) const { return sizes_[static_cast<std::size_t>(k)]; }
  Index n_inputs() const { return sizes_.front(); }
  Index n_outputs() const { return sizes_.back(); }
  Index n_parameters() const { return n_parameters_; }
  const std::vector<Index>& sizes() const { return sizes_; }

  /// Offsets of W_k and b_k, k = 1..L.
  Index w(Index k) const { return w_[static_cast<std::size_t>(k - 1)]; }
  Index b(Index k) const { return b_[static_cast<std::size_t>(k - 1)]; }

 private:
  std::vector<Index> sizes_, w_, b_;
  Index n_parameters_ = 0;
};

BACKPROP_NAMESPACE_END
