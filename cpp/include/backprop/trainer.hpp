// Steps and epochs: the hot loop. After the first step of a batch size nothing is allocated.
#pragma once

#include <cmath>
#include <functional>

#include "backprop/backward.hpp"
#include "backprop/forward.hpp"
#include "backprop/optimizer.hpp"
#include "backprop/parallel.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Rows [begin, end) of grad_W_k and grad_b_k: one task of the second half of a step.
struct RowBlock {
  Index k, begin, end;
};

/// Cuts the layers into blocks of rows of similar cost: enough for threads to share evenly, few
/// enough that each reads its operands from cache.
inline std::vector<RowBlock> row_blocks(const Layout& layout) {
  constexpr Index wanted = 16;
  const Index cost = ceil_div(layout.n_parameters(), wanted);
  std::vector<RowBlock> blocks;
  for (Index k = 1; k <= layout.n_layers(); ++k) {
    const Index rows = layout.size(k);
    const Index most = ceil_div(rows, max_tile_rows);
    const Index n = std::max<Index>(1, std::min(most, rows * layout.size(k - 1) / cost));
    for (Index i = 0; i < n; ++i) blocks.push_back({k, i * rows / n, (i + 1) * rows / n});
  }
  return blocks;
}

/// Forward, loss, backward, and grad_theta handed to `rule`; returns the mean loss of the batch
/// before the rule changes theta. A loss that is not finite reaches no rule.
template <class T, class Rule>
double step(const Network<T>& net, Workspace<T>& ws, const std::vector<RowBlock>& blocks,
            const Examples<T>& X, const Targets<T>& y, Batch batch, int threads, const Rule& rule) {
  const Index L = net.layout().n_layers(), p = net.layout().n_outputs();
  const Index n_slices = ceil_div(batch.count, lanes<T>);
  const T share = T(1) / static_cast<T>(batch.count);
  ThreadPool& pool = ThreadPool::instance();
  const Index parts = std::min<Index>(threads, n_slices);
  pool.run(parts, threads, [&](Index part, int thread) {
    const Slices slices = slice_range(n_slices, parts, part);
    T* scratch = ws.scratch[static_cast<std::size_t>(thread)].data();
    for (Index s = slices.begin; s < slices.end; ++s) load_examples(X, batch, ws, s);
    forward(net, ws, slices, scratch);
    for (Index s = slices.begin; s < slices.end; ++s)
      ws.loss[static_cast<std::size_t>(s)] = net.loss().differentiate(
          ws.h(L).slice(s), load_targets(y, batch, ws, s, p, share), ws.grad_a(L).slice(s), p);
    backward(net, ws, slices, scratch);
  });
  double loss = 0;
  for (Index s = 0; s < n_slices; ++s) loss += ws.loss[static_cast<std::size_t>(s)];
  if (!std::isfinite(loss)) return loss;
  pool.run(static_cast<Index>(blocks.size()), threads, [&](Index task, int) {
    const RowBlock& block = blocks[static_cast<std::size_t>(task)];
    layer_gradient(net, ws, batch.count, block.k, block.begin, block.end, rule);
  });
  return loss;
}

/// Mini-batch gradient descent over a data set.
template <class T>
class Trainer {
 public:
  Trainer(Network<T>& net, Index batch_size)
      : net_(net), ws_(net, batch_size, Keep::gradient), blocks_(row_blocks(net.layout())) {}

  struct Epoch {
    double loss;         ///< mean over the examples of the loss of their batch
    Index failed_batch;  ///< the batch whose loss was not finite, or -1
    bool interrupted;
  };

  /// Visits every example once, in the given order. Stops before the update of a batch whose loss
  /// is not finite, and between batches when interrupted() says so.
  Epoch epoch(const Examples<T>& X, const Targets<T>& y, const std::int64_t* order, T lr,
              const std::function<bool()>& interrupted) {
    const FlushDenormals flush;
    const int threads = ThreadPool::instance().n_threads();
    ws_.reserve_scratch(threads);
    const GradientDescent<T> rule{net_.theta(), lr};
    double sum = 0;
    Index batch_index = 0;
    for (Index begin = 0; begin < X.count; begin += ws_.capacity, ++batch_index) {
      if (interrupted()) return {sum / static_cast<double>(X.count), -1, true};
      const Batch batch{order, begin, std::min(ws_.capacity, X.count - begin)};
      const double loss = step(net_, ws_, blocks_, X, y, batch, threads, rule);
      if (!std::isfinite(loss)) return {loss, batch_index, false};
      sum += loss * static_cast<double>(batch.count);
    }
    return {sum / static_cast<double>(X.count), -1, false};
  }

 private:
  Network<T>& net_;
  Workspace<T> ws_;
  std::vector<RowBlock> blocks_;
};

BACKPROP_NAMESPACE_END
