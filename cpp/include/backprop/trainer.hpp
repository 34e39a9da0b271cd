// Steps and epochs: the hot loop. After the first step of a batch size nothing is allocated.
#pragma once

#include <chrono>
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

/// Decides how many threads a step takes by timing both ways: small steps lose more by meeting than
/// they gain, and how much depends on the machine and on who else is using it. The choice changes
/// no result (every sum has its order), so it may be made anew at any time.
class ThreadChoice {
 public:
  /// `work`: floating-point operations of a step.
  explicit ThreadChoice(double work) : work_(work) {}

  int choose(int threads) {
    if (threads == 1 || work_ < always_alone) return 1;
    if (work_ > always_together) return threads;
    if (steps_left_ == 0) start_stint();
    --steps_left_;
    return together_ ? threads : 1;
  }

  bool timed(int threads) const {
    return threads > 1 && work_ >= always_alone && work_ <= always_together;
  }

  void record(double seconds) {
    spent_ += seconds;
    ++steps_;
    mean_[together_] = spent_ / static_cast<double>(steps_);
    // Another process took a core: do not wait for the end of the stint.
    if (together_ && steps_ >= trial && mean_[1] > 1.1 * mean_[0]) steps_left_ = 0;
  }

 private:
  static constexpr double always_alone = 2e6, always_together = 1e9;
  static constexpr Index trial = 4, longest = 4096;

  void start_stint() {
    spent_ = 0;
    steps_ = 0;
    if (trials_ < 2) {
      together_ = trials_++ == 0;
      steps_left_ = trial;
      return;
    }
    const bool better = mean_[1] < mean_[0];
    if (probing_ || together_ != better) {
      stint_ = better == last_better_ ? std::min(2 * stint_, longest) : first_stint;
      last_better_ = together_ = better;
      steps_left_ = stint_;
      probing_ = false;
    } else {
      together_ = !better;
      steps_left_ = trial;
      probing_ = true;
    }
  }

  static constexpr Index first_stint = 64;
  double work_, spent_ = 0;
  double mean_[2] = {std::numeric_limits<double>::infinity(), 0};  ///< alone, together
  Index steps_ = 0, steps_left_ = 0, stint_ = first_stint, trials_ = 0;
  bool together_ = true, last_better_ = true, probing_ = true;
};

/// Floating-point operations of a step, to a factor that does not matter.
inline double step_work(const Layout& layout, Index batch_size) {
  return 6.0 * static_cast<double>(layout.n_parameters()) * static_cast<double>(batch_size);
}

/// Into how many ranges of examples a batch is cut. A small network works on a few panels at a
/// time, from input to gradient while they are in cache; a large one on as many as possible, since
/// it reads all of W for each range.
inline Index count_parts(const Layout& layout, std::size_t scalar_size, Index n_slices,
                         int threads) {
  constexpr Index slices_at_once = 16;
  const Index bytes = layout.n_parameters() * static_cast<Index>(scalar_size);
  const Index wanted = bytes <= largest_in_place ? ceil_div(n_slices, slices_at_once) : 1;
  return std::min(ceil_div(wanted, threads) * threads, n_slices);
}

/// Forward, loss, backward, and grad_theta handed to `rule`; returns the mean loss of the batch
/// before the rule changes theta. A loss that is not finite reaches no rule.
template <class T, class Rule>
double step(const Network<T>& net, Workspace<T>& ws, const std::vector<RowBlock>& blocks,
            const Examples<T>& X, const Targets<T>& y, Batch batch, int threads, const Rule& rule) {
  const Index L = net.layout().n_layers(), p = net.layout().n_outputs();
  const Index n_slices = ceil_div(batch.count, lanes<T>);
  const double unit = unit_share(y, batch);
  ThreadPool& pool = ThreadPool::instance();
  const Index parts = count_parts(net.layout(), sizeof(T), n_slices, threads);
  pool.run(parts, threads, [&](Index part, int thread) {
    const Slices slices = slice_range(n_slices, parts, part);
    T* scratch = ws.scratch[static_cast<std::size_t>(thread)].data();
    for (Index s = slices.begin; s < slices.end; ++s) load_examples(X, batch, ws, s);
    forward(net, ws, slices, scratch);
    for (Index s = slices.begin; s < slices.end; ++s)
      ws.loss[static_cast<std::size_t>(s)] = net.loss().differentiate(
          ws.h(L).slice(s), load_targets(y, batch, ws, s, p, unit), ws.grad_a(L).slice(s), p);
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
      : net_(net),
        ws_(net, batch_size, Keep::gradient),
        blocks_(row_blocks(net.layout())),
        choice_(step_work(net.layout(), batch_size)) {}

  struct Epoch {
    double loss;         ///< mean over the examples, by weight, of the loss of their batch
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
    double sum = 0, weight = 0;
    const auto mean = [&] { return weight > 0 ? sum / weight : 0; };
    Index batch_index = 0;
    for (Index begin = 0; begin < X.count; begin += ws_.capacity, ++batch_index) {
      if (interrupted()) return {mean(), -1, true};
      const Batch batch{order, begin, std::min(ws_.capacity, X.count - begin)};
      const double loss = timed_step(X, y, batch, threads, rule);
      if (!std::isfinite(loss)) return {loss, batch_index, false};
      const double batch_weight = total_weight(y, batch);
      sum += loss * batch_weight;
      weight += batch_weight;
    }
    return {mean(), -1, false};
  }

 private:
  template <class Rule>
  double timed_step(const Examples<T>& X, const Targets<T>& y, Batch batch, int threads,
                    const Rule& rule) {
    using Clock = std::chrono::steady_clock;
    const int chosen = choice_.choose(threads);
    // A smaller last batch says nothing about the others.
    if (!choice_.timed(threads) || batch.count < ws_.capacity)
      return step(net_, ws_, blocks_, X, y, batch, chosen, rule);
    const auto start = Clock::now();
    const double loss = step(net_, ws_, blocks_, X, y, batch, chosen, rule);
    choice_.record(std::chrono::duration<double>(Clock::now() - start).count());
    return loss;
  }

  Network<T>& net_;
  Workspace<T> ws_;
  std::vector<RowBlock> blocks_;
  ThreadChoice choice_;
};

BACKPROP_NAMESPACE_END
