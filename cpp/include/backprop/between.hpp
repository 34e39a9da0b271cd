// What stands between a gradient and its use: clipping, a sum over processes, a caller's own code.
//
//     g <- grad + l1_k sign(W_k) + l2_k W_k     (never for b_k)       add_penalties
//     g <- g cut to [-clip_value, clip_value]
//     g <- g min(1, clip_norm / ||g||)          (over all parameters)  limit_norm
//
// The penalty that belongs to the gradient is sum_k l1_k sum |W_k| + l2_k ||W_k||^2 / 2. All sums
// are made tile by tile and block by block, so that they do not depend on the threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "backprop/update.hpp"

BACKPROP_NAMESPACE_BEGIN

/// The gradient of the mean loss of a batch, and the two numbers of that mean. Over several
/// processes the mean is sum_r weight_r loss_r / sum_r weight_r, and its gradient likewise.
template <class T>
struct Gradient {
  Gradient() = default;
  explicit Gradient(const Layout& layout) : values(layout.n_parameters()) {}

  Buffer<T> values;    ///< [grad_W_1 grad_b_1 ... grad_W_L grad_b_L], in theta's layout
  double loss = 0;     ///< sum_j w_j loss_j / weight, without penalties
  double weight = 0;   ///< sum_j w_j, the number of examples where they all weigh 1
  double penalty = 0;  ///< of the weights, where it is in the values
  T scale = T(1);      ///< what the values are still to be multiplied by

  std::vector<double> parts;  ///< scratch: each block's part of a sum over the gradient
};

/// What is to become of a batch.
enum class Verdict {
  update,       ///< the gradient is used
  skip,         ///< no example weighs anything: no step, on to the next batch
  not_finite,   ///< the loss is NaN or infinite: the epoch ends before the update
  interrupted,  ///< the caller wants the epoch to end
};

/// A caller's stage between gradient and update.
template <class T>
class Between {
 public:
  virtual ~Between() = default;

  /// The values of layer k are final; called for L, L-1, .. 1, while those below are still to come.
  /// For a batch that is not updated here, all values are 0.
  virtual void layer_is_final(Gradient<T>&, Index /*k*/) {}

  /// All layers are final. It may change the gradient, its loss and its weight, and it returns the
  /// verdict. Processes that share a gradient must return the same one, whatever each found: then
  /// none waits for another that has left.
  virtual Verdict decide(Gradient<T>& gradient, Verdict found) = 0;
};

/// Calls f(tile, of_W) for the tiles of a block of a gradient in theta's layout.
template <class T, class F>
void for_each_tile_of(const Layout& layout, const RowBlock& block, const T* gradient, F&& f) {
  const Index columns = layout.size(block.k - 1), w = layout.w(block.k), b = layout.b(block.k);
  for_each_gradient_tile<T>({block.begin, block.end}, columns,
                            [&](Index row, Index height, Index column, Index width) {
                              const Index at = w + row * columns + column;
                              f(tile_in_layout(gradient, at, columns, height, width), true);
                            });
  for (Index row = block.begin; row < block.end; row += lanes<T>) {
    const Index count = std::min(lanes<T>, block.end - row);
    f(GradientTile<T>{b + row, 0, gradient + b + row, 0, 1, count}, false);
  }
}

/// The sum of f over blocks, which are shared out to threads, in the order of the blocks.
template <class F>
double sum_over_blocks(const std::vector<RowBlock>& blocks, std::vector<double>& parts, int threads,
                       const F& f) {
  parts.resize(blocks.size());
  ThreadPool::instance().run(static_cast<Index>(blocks.size()), threads, [&](Index task, int) {
    const auto i = static_cast<std::size_t>(task);
    parts[i] = f(blocks[i]);
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

/// Adds the penalties' part to a gradient and cuts it to [-clip_value, clip_value].
template <class T>
void add_penalties(const Network<T>& net, const std::vector<RowBlock>& blocks,
                   const std::vector<Strengths<T>>& strengths, double clip_value,
                   Gradient<T>& gradient, int threads) {
  T* const values = gradient.values.data();
  const T* const theta = net.theta();
  const Packet<T> most = static_cast<T>(clip_value);
  const auto of_block = [&](const RowBlock& block) {
    const Strengths<T>& strength = strengths[static_cast<std::size_t>(block.k - 1)];
    double total = 0;
    for_each_tile_of(net.layout(), block, values, [&](const GradientTile<T>& tile, bool of_W) {
      const Packet<T> l1 = of_W ? strength.l1 : T(0), l2 = of_W ? strength.l2 : T(0);
      const Packet<T> half_l2 = l2 * T(0.5);
      Packet<T> penalty = T(0);
      for (Index r = 0; r < tile.rows; ++r) {
        const Index at = tile.at + r * tile.row_stride;
        detail::for_each_of_row<T>(tile.columns, [&](Index column, Index count) {
          const Packet<T> w = load_part(theta + at + column, count);
          const Packet<T> g = load_part(values + at + column, count);
          const Packet<T> whole = fma(l1, sign(w), fma(l2, w, g));
          penalty = penalty + fma(l1, abs(w), half_l2 * (w * w));
          store_part(values + at + column, max(min(whole, most), -most), count);
        });
      }
      total += static_cast<double>(sum(penalty));
    });
    return total;
  };
  gradient.penalty = sum_over_blocks(blocks, gradient.parts, threads, of_block);
}

/// Scales a gradient that is longer than `clip_norm` to that length. PyTorch adds 1e-6 to the norm;
/// this does not.
template <class T>
void limit_norm(const Layout& layout, const std::vector<RowBlock>& blocks, double clip_norm,
                Gradient<T>& gradient, int threads) {
  const T* const values = gradient.values.data();
  const auto of_block = [&](const RowBlock& block) {
    double total = 0;
    for_each_tile_of(layout, block, values, [&](const GradientTile<T>& tile, bool) {
      Packet<T> square = T(0);
      for (Index r = 0; r < tile.rows; ++r)
        detail::for_each_of_row<T>(tile.columns, [&](Index column, Index count) {
          const Packet<T> g = load_part(tile.sums + r * tile.sums_stride + column, count);
          square = fma(g, g, square);
        });
      total += static_cast<double>(sum(square));
    });
    return total;
  };
  const double square = sum_over_blocks(blocks, gradient.parts, threads, of_block);
  gradient.scale *= static_cast<T>(std::min(1.0, clip_norm / std::sqrt(square)));
}

BACKPROP_NAMESPACE_END
