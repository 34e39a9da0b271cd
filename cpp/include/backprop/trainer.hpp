// Steps and epochs: the hot loop. After the first step of a batch size nothing is allocated.
#pragma once

#include <chrono>
#include <cmath>
#include <functional>

#include "backprop/backward.hpp"
#include "backprop/forward.hpp"
#include "backprop/optimizer_table.hpp"
#include "backprop/parallel.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Cuts the layers into blocks of rows of similar cost: enough for threads to share evenly, few
/// enough that each reads its operands from cache.
inline std::vector<RowBlock> row_blocks(const Layout& layout) {
  const Index cost = ceil_div(layout.n_parameters(), most_row_tasks);
  std::vector<RowBlock> blocks;
  for (Index k = 1; k <= layout.n_layers(); ++k) {
    const Index rows = layout.size(k);
    const Index n = count_row_tasks(rows, rows * layout.size(k - 1) / cost);
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
    if (threads == 1 || work_ < least_work_together) return 1;
    if (work_ > always_together) return threads;
    if (steps_left_ == 0) start_stint();
    --steps_left_;
    return together_ ? threads : 1;
  }

  bool timed(int threads) const {
    return threads > 1 && work_ >= least_work_together && work_ <= always_together;
  }

  void record(double seconds) {
    // The first step together wakes the threads.
    if (waking_) {
      waking_ = false;
      return;
    }
    spent_ += seconds;
    ++steps_;
    mean_[together_] = spent_ / static_cast<double>(steps_);
    // Another process took a core: do not wait for the end of the stint.
    if (together_ && steps_ >= 4 && mean_[1] > 1.1 * mean_[0]) steps_left_ = 0;
  }

 private:
  static constexpr double always_together = 1e9;
  static constexpr Index longest = 4096;

  /// Steps that tell how long one takes: a long one on a single thread would be dear to repeat.
  Index trial() const { return mean_[1] > 2e-4 ? 1 : 4; }

  void start_stint() {
    spent_ = 0;
    steps_ = 0;
    const bool were_together = together_;
    if (trials_ < 2) {
      together_ = trials_++ == 0;
      steps_left_ = trial();
    } else {
      const bool better = mean_[1] < mean_[0];
      if (probing_ || together_ != better) {
        stint_ = better == last_better_ ? std::min(2 * stint_, longest) : first_stint;
        last_better_ = together_ = better;
        steps_left_ = stint_;
        probing_ = false;
      } else {
        together_ = !better;
        steps_left_ = trial();
        probing_ = true;
      }
    }
    waking_ = together_ && !were_together;
    steps_left_ += waking_;
  }

  static constexpr Index first_stint = 64;
  double work_, spent_ = 0;
  double mean_[2] = {std::numeric_limits<double>::infinity(), 0};  ///< alone, together
  Index steps_ = 0, steps_left_ = 0, stint_ = first_stint, trials_ = 0;
  bool together_ = false, last_better_ = true, probing_ = true, waking_ = false;
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

/// The first half of a step: forward, loss and backward down to grad_A_1; returns the mean loss of
/// the batch.
template <class T>
double differentiate(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X,
                     const Targets<T>& y, Batch batch, int threads) {
  const Index L = net.layout().n_layers(), p = net.layout().n_outputs();
  const Index n_slices = ceil_div(batch.count, lanes<T>);
  const double unit = unit_share(y, batch);
  const Index parts = count_parts(net.layout(), sizeof(T), n_slices, threads);
  forward_batch(net, ws, X, batch, parts, threads, [&](Slices slices, T* scratch) {
    for (Index s = slices.begin; s < slices.end; ++s)
      ws.loss[static_cast<std::size_t>(s)] = net.loss().differentiate(
          ws.h(L).slice(s), load_targets(y, batch, ws, s, p, unit), ws.grad_a(L).slice(s), p);
    backward(net, ws, slices, scratch);
  });
  double loss = 0;
  for (Index s = 0; s < n_slices; ++s) loss += ws.loss[static_cast<std::size_t>(s)];
  return loss;
}

/// Forward, loss, backward, and grad_theta handed to `rule`; returns the mean loss of the batch
/// before the rule changes theta. A loss that is not finite reaches no rule.
template <class T, class Rule>
double step(const Network<T>& net, Workspace<T>& ws, const std::vector<RowBlock>& blocks,
            const Examples<T>& X, const Targets<T>& y, Batch batch, int threads, const Rule& rule) {
  const double loss = differentiate(net, ws, X, y, batch, threads);
  if (!std::isfinite(loss)) return loss;
  ThreadPool::instance().run(static_cast<Index>(blocks.size()), threads, [&](Index task, int) {
    block_gradient(net, ws, batch.count, blocks[static_cast<std::size_t>(task)], rule);
  });
  return loss;
}

/// How a network is trained; plain gradient descent if nothing is changed. Vectors that are empty
/// mean none; l1 and l2 have a strength for each layer, dropout a rate for each hidden one.
struct Training {
  std::string optimizer = "sgd";
  std::map<std::string, double> options = {};
  std::vector<double> l1 = {}, l2 = {};
  bool penalty_by_weight = false;  ///< whether a batch's penalty is divided by its total weight
  std::vector<double> dropout = {};
  std::uint64_t seed = 0;  ///< of the masks
  std::optional<double> clip_value = std::nullopt, clip_norm = std::nullopt;
  std::optional<double> max_norm = std::nullopt;
};

/// Learning rates: one for all batches of an epoch, or one for each.
class Rates {
 public:
  Rates(double lr) : lr_(lr) {}
  explicit Rates(const double* each) : each_(each) {}
  double operator[](Index batch) const { return each_ == nullptr ? lr_ : each_[batch]; }

 private:
  const double* each_ = nullptr;
  double lr_ = 0;
};

/// What a batch costs before the step on it.
struct BatchLoss {
  double data, penalty;
  double total() const { return data + penalty; }
};

/// Training by mini-batches over a data set.
template <class T>
class Trainer {
 public:
  Trainer(Network<T>& net, Index batch_size, Training how = {})
      : net_(net),
        how_(std::move(how)),
        optimizer_(find_optimizer<T>(how_.optimizer)),
        options_(find_options(optimizer_, how_.options)),
        ws_(net, batch_size, Keep::gradient, has_dropout(checked(how_, net.layout()))),
        blocks_(row_blocks(net.layout())),
        sums_(blocks_.size()),
        choice_(step_work(net.layout(), batch_size)) {
    const Layout& layout = net.layout();
    for (Index i = 0; i < optimizer_.n_states; ++i) {
      state_[i] = Buffer<T>(layout.n_parameters());
      update_.state[i] = state_[i].data();
    }
    if (how_.clip_norm) gradient_ = Buffer<T>(layout.n_parameters());
    update_.theta = net.theta();
    update_.clip_value =
        static_cast<T>(how_.clip_value.value_or(std::numeric_limits<double>::infinity()));
    update_.layers.resize(static_cast<std::size_t>(layout.n_layers()));
    penalised_ = any(how_.l1) || any(how_.l2);
    // What asks for no pass over more than theta goes the shortest way.
    plain_ = optimizer_.n_states == 0 && !penalised_ && !how_.clip_value && !how_.clip_norm &&
             !how_.max_norm;
  }

  struct Epoch {
    double loss;         ///< mean over the examples, by weight, of the loss of their batch
    Index failed_batch;  ///< the batch whose loss was not finite, or -1
    bool interrupted;
  };

  /// Visits the examples of `order`; the loss has the penalty in it. Stops before the update of a
  /// batch whose loss is not finite, and between batches when interrupted() says so. A batch that
  /// weighs nothing takes no step. Unless `each` is null, it gets the loss of every batch.
  Epoch epoch(const Examples<T>& X, const Targets<T>& y, Order order, Rates lr,
              const std::function<bool()>& interrupted, BatchLoss* each = nullptr) {
    const FlushDenormals flush;
    const int threads = ThreadPool::instance().n_threads();
    ws_.reserve_scratch(threads);
    double sum = 0, weight = 0;
    const auto mean = [&] { return weight > 0 ? sum / weight : 0; };
    Index batch_index = 0;
    for (Index begin = 0; begin < order.count; begin += ws_.capacity, ++batch_index) {
      if (interrupted()) return {mean(), -1, true};
      const Index count = std::min(ws_.capacity, order.count - begin);
      const Index next_count = std::min(ws_.capacity, order.count - begin - count);
      const Batch batch{order.positions, begin, count, next_count};
      const double batch_weight = total_weight(y, batch);
      if (each != nullptr) each[batch_index] = {0, 0};
      if (batch_weight == 0) continue;
      const BatchLoss parts = timed_step(X, y, batch, batch_weight, threads, lr[batch_index]);
      if (each != nullptr) each[batch_index] = parts;
      const double loss = parts.total();
      if (!std::isfinite(loss)) return {loss, batch_index, false};
      sum += loss * batch_weight;
      weight += batch_weight;
    }
    return {mean(), -1, false};
  }

  /// What the optimizer keeps, in theta's layout, under these names.
  Index n_states() const { return optimizer_.n_states; }
  const char* state_name(Index i) const { return optimizer_.state[i]; }
  T* state(Index i) { return state_[i].data(); }

  /// Steps taken: what Adam's corrections and the masks of dropout depend on.
  std::uint64_t steps() const { return steps_; }
  void set_steps(std::uint64_t steps) { steps_ = steps; }

 private:
  static bool any(const std::vector<double>& numbers) {
    return std::any_of(numbers.begin(), numbers.end(), [](double x) { return x != 0; });
  }
  static bool has_dropout(const Training& how) { return any(how.dropout); }

  static const Training& checked(const Training& how, const Layout& layout) {
    const auto check = [](bool right, const std::string& name, const std::string& rule,
                          const std::string& got) {
      if (!right) throw std::invalid_argument("`" + name + "` must " + rule + ", got " + got);
    };
    const auto check_list = [&](const char* name, const std::vector<double>& values, Index count,
                                const char* of, const char* rule, bool (*valid)(double)) {
      check(values.empty() || static_cast<Index>(values.size()) == count, name,
            "have one number for each of the " + std::to_string(count) + of,
            std::to_string(values.size()));
      for (const double value : values) check(valid(value), name, rule, std::to_string(value));
    };
    const auto check_limit = [&](const char* name, const std::optional<double>& value) {
      if (value)
        check(*value > 0 && std::isfinite(*value), name, "be positive and finite",
              std::to_string(*value));
    };
    const Index L = layout.n_layers();
    check_list("l1", how.l1, L, " layers", "be finite and not negative", detail::is_not_negative);
    check_list("l2", how.l2, L, " layers", "be finite and not negative", detail::is_not_negative);
    check_list("dropout", how.dropout, L - 1, " hidden layers", "be at least 0 and less than 1",
               detail::is_share);
    check_limit("clip_value", how.clip_value);
    check_limit("clip_norm", how.clip_norm);
    check_limit("max_norm", how.max_norm);
    return how;
  }

  BatchLoss timed_step(const Examples<T>& X, const Targets<T>& y, Batch batch, double batch_weight,
                       int threads, double lr) {
    using Clock = std::chrono::steady_clock;
    const int chosen = choice_.choose(threads);
    // A smaller last batch says nothing about the others.
    if (!choice_.timed(threads) || batch.count < ws_.capacity)
      return take_step(X, y, batch, batch_weight, chosen, lr);
    const auto start = Clock::now();
    const BatchLoss loss = take_step(X, y, batch, batch_weight, chosen, lr);
    choice_.record(std::chrono::duration<double>(Clock::now() - start).count());
    return loss;
  }

  BatchLoss take_step(const Examples<T>& X, const Targets<T>& y, Batch batch, double batch_weight,
                      int threads, double lr) {
    for (std::size_t i = 0; i < how_.dropout.size(); ++i)
      ws_.masks[i] = Dropout(how_.dropout[i], how_.seed, steps_, static_cast<Index>(i) + 1);
    if (plain_) {
      const double loss = step(net_, ws_, blocks_, X, y, batch, threads,
                               GradientDescent<T>{net_.theta(), static_cast<T>(lr)});
      steps_ += std::isfinite(loss);
      return {loss, 0};
    }
    const double loss = differentiate(net_, ws_, X, y, batch, threads);
    if (!std::isfinite(loss)) return {loss, 0};
    prepare(lr, how_.penalty_by_weight ? batch_weight : 1);
    const bool whole = penalised_ || how_.clip_value;
    const auto take = how_.clip_norm ? nullptr : whole ? optimizer_.whole : optimizer_.bare;
    const bool l2_at_most = !how_.clip_norm && !how_.clip_value && !any(how_.l1);
    const auto each_block = [&](const auto& f) {
      ThreadPool::instance().run(static_cast<Index>(blocks_.size()), threads, [&](Index task, int) {
        const auto i = static_cast<std::size_t>(task);
        f(blocks_[i], sums_[i]);
      });
    };
    each_block([&](const RowBlock& block, Sums& sums) {
      sums = {};
      const TileRule<T> rule{update_, take, gradient_.data(), optimizer_.n_states, block.k, sums};
      if (l2_at_most)
        optimizer_.update_block[penalised_](net_, ws_, batch.count, block, rule);
      else
        block_gradient(net_, ws_, batch.count, block, rule);
      if (!how_.clip_norm) limit(block);
    });
    if (how_.clip_norm) {
      double square = 0;
      for (const Sums& sums : sums_) square += sums.square;
      // Where PyTorch adds 1e-6 to the norm, this does not.
      update_.scale = static_cast<T>(std::min(1.0, *how_.clip_norm / std::sqrt(square)));
      each_block([&](const RowBlock& block, Sums& sums) {
        const Layout& layout = net_.layout();
        const Index columns = layout.size(block.k - 1), rows = block.end - block.begin;
        const auto take = [&](bool is_weight, Index at, Index count) {
          optimizer_.measured(
              update_, {block.k, is_weight, at, 0, gradient_.data() + at, 0, 1, count}, sums);
        };
        take(true, layout.w(block.k) + block.begin * columns, rows * columns);
        take(false, layout.b(block.k) + block.begin, rows);
        limit(block);
      });
    }
    double penalty = 0;
    for (const Sums& sums : sums_) penalty += sums.penalty;
    return {loss, penalty};
  }

  /// The numbers of one step, which is now the next; penalties are divided by `divisor`.
  void prepare(double lr, double divisor) {
    ++steps_;
    for (std::size_t i = 0; i < update_.layers.size(); ++i)
      update_.layers[i] = {how_.l1.empty() ? T(0) : static_cast<T>(how_.l1[i] / divisor),
                           how_.l2.empty() ? T(0) : static_cast<T>(how_.l2[i] / divisor)};
    for (const bool is_weight : {false, true}) {
      double numbers[8] = {};
      optimizer_.numbers(options_.data(), static_cast<double>(steps_), lr, is_weight, numbers);
      std::transform(numbers, numbers + 8, update_.numbers[is_weight],
                     [](double number) { return static_cast<T>(number); });
    }
  }

  void limit(const RowBlock& block) {
    if (!how_.max_norm) return;
    const Index columns = net_.layout().size(block.k - 1);
    limit_rows(net_.theta() + net_.layout().w(block.k) + block.begin * columns,
               block.end - block.begin, columns, *how_.max_norm);
  }

  Network<T>& net_;
  Training how_;
  const Optimizer<T>& optimizer_;
  std::vector<double> options_;
  Workspace<T> ws_;
  std::vector<RowBlock> blocks_;
  std::vector<Sums> sums_;
  Buffer<T> state_[2], gradient_;
  Update<T> update_{};
  bool penalised_ = false, plain_ = true;
  std::uint64_t steps_ = 0;
  ThreadChoice choice_;
};

BACKPROP_NAMESPACE_END
