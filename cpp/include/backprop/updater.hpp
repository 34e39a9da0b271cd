// From a gradient to new parameters: update(gradient), the last of the three calls of a step.
//
//     penalties, clip_value, clip_norm     (see between.hpp)
//     theta <- optimizer(theta, g)         (see optimizer.hpp)
//     rows of W_k longer than max_norm are scaled down to it
#pragma once

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "backprop/between.hpp"
#include "backprop/parallel.hpp"

BACKPROP_NAMESPACE_BEGIN

/// How gradients become steps; plain gradient descent if nothing is changed. `l1` and `l2` have a
/// strength for each layer, or are empty for none.
struct UpdateSettings {
  std::string optimizer = "sgd";
  std::map<std::string, double> options = {};
  std::vector<double> l1 = {}, l2 = {};
  bool penalty_by_weight = false;  ///< whether a batch's penalty is divided by its total weight
  std::optional<double> clip_value = std::nullopt, clip_norm = std::nullopt;
  std::optional<double> max_norm = std::nullopt;
};

namespace detail {

inline bool any_nonzero(const std::vector<double>& numbers) {
  return std::any_of(numbers.begin(), numbers.end(), [](double x) { return x != 0; });
}

/// Throws std::invalid_argument unless a setting that is a list of numbers has `count` valid ones,
/// or none.
inline void check_list(const char* name, const std::vector<double>& values, Index count,
                       const char* of_what, const char* rule, bool (*valid)(double)) {
  if (!values.empty() && static_cast<Index>(values.size()) != count)
    throw std::invalid_argument("`" + std::string(name) +
                                "` must have one number for each of the " + std::to_string(count) +
                                of_what + ", got " + std::to_string(values.size()));
  for (const double value : values)
    if (!valid(value))
      throw std::invalid_argument("`" + std::string(name) + "` must " + rule + ", got " +
                                  std::to_string(value));
}

inline void check_limit(const char* name, const std::optional<double>& value) {
  if (value && !(*value > 0 && std::isfinite(*value)))
    throw std::invalid_argument("`" + std::string(name) + "` must be positive and finite, got " +
                                std::to_string(*value));
}

inline const UpdateSettings& checked(const UpdateSettings& how, const Layout& layout) {
  const Index L = layout.n_layers();
  check_list("l1", how.l1, L, " layers", "be finite and not negative", is_not_negative);
  check_list("l2", how.l2, L, " layers", "be finite and not negative", is_not_negative);
  check_limit("clip_value", how.clip_value);
  check_limit("clip_norm", how.clip_norm);
  check_limit("max_norm", how.max_norm);
  return how;
}

}  // namespace detail

/// An optimizer on a network, with what its settings ask for around it.
template <class T>
class Updater {
 public:
  explicit Updater(Network<T>& net, UpdateSettings how = {})
      : net_(net),
        how_(detail::checked(how, net.layout())),
        blocks_(row_blocks(net.layout())),
        penalties_(blocks_.size()),
        strengths_(static_cast<std::size_t>(net.layout().n_layers())),
        max_norm_(how_.max_norm.value_or(no_limit)) {
    const OptimizerRow<T>& row = find_optimizer<T>(how_.optimizer);
    optimizer_ =
        row.make(net.theta(), net.layout().n_parameters(), find_options(row, how_.options));
  }

  /// Whether nothing stands between the gradient and its use but an L2 penalty, which costs nothing
  /// on the way: a step may then go by multiply_and_update.
  bool nothing_between() const {
    return !how_.clip_norm && !how_.clip_value && !detail::any_nonzero(how_.l1);
  }

  /// Takes a step along a gradient, whose values it changes; returns the penalty of the weights
  /// before the step.
  double update(Gradient<T>& gradient, double lr, int threads) {
    begin_step(lr, gradient.weight);
    const Layout& layout = net_.layout();
    if (detail::any_nonzero(how_.l1) || detail::any_nonzero(how_.l2) || how_.clip_value)
      add_penalties(net_, blocks_, strengths_, how_.clip_value.value_or(no_limit), gradient,
                    threads);
    if (how_.clip_norm) limit_norm(layout, blocks_, *how_.clip_norm, gradient, threads);
    const T* const values = gradient.values.data();
    ThreadPool::instance().run(static_cast<Index>(blocks_.size()), threads, [&](Index task, int) {
      const RowBlock& block = blocks_[static_cast<std::size_t>(task)];
      const Index columns = layout.size(block.k - 1), rows = block.end - block.begin;
      optimizer_->update(true, layout.w(block.k) + block.begin * columns, rows * columns, values,
                         gradient.scale);
      optimizer_->update(false, layout.b(block.k) + block.begin, rows, values, gradient.scale);
      limit_block(net_, block, max_norm_);
    });
    return gradient.penalty;
  }

  /// The same for the gradient of a workspace of m examples, which is not written to memory.
  double multiply_and_update(Workspace<T>& ws, Index m, double weight, double lr, int threads) {
    begin_step(lr, weight);
    optimizer_->multiply_and_update(net_, ws, m, blocks_, strengths_, max_norm_, threads,
                                    penalties_);
    return std::accumulate(penalties_.begin(), penalties_.end(), 0.0);
  }

  Network<T>& network() { return net_; }
  Optimizer<T>& optimizer() { return *optimizer_; }
  const std::vector<RowBlock>& blocks() const { return blocks_; }

  /// Steps taken: what Adam's corrections and the masks of dropout depend on.
  std::uint64_t steps() const { return steps_; }
  void set_steps(std::uint64_t steps) { steps_ = steps; }

 private:
  void begin_step(double lr, double weight) {
    ++steps_;
    optimizer_->begin_step(static_cast<double>(steps_), lr);
    const double divisor = how_.penalty_by_weight ? weight : 1;
    for (std::size_t i = 0; i < how_.l1.size(); ++i)
      strengths_[i].l1 = static_cast<T>(how_.l1[i] / divisor);
    for (std::size_t i = 0; i < how_.l2.size(); ++i)
      strengths_[i].l2 = static_cast<T>(how_.l2[i] / divisor);
  }

  static constexpr double no_limit = std::numeric_limits<double>::infinity();

  Network<T>& net_;
  UpdateSettings how_;
  std::vector<RowBlock> blocks_;
  std::vector<double> penalties_;  ///< of each block
  std::vector<Strengths<T>> strengths_;
  double max_norm_;
  std::unique_ptr<Optimizer<T>> optimizer_;
  std::uint64_t steps_ = 0;
};

BACKPROP_NAMESPACE_END
