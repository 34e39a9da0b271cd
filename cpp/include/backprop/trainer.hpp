// Epochs over mini-batches: the hot loop. After the first step of a batch size nothing is
// allocated.
#pragma once

#include <chrono>
#include <cmath>
#include <functional>
#include <memory>

#include "backprop/step.hpp"
#include "backprop/thread_choice.hpp"
#include "backprop/updater.hpp"

BACKPROP_NAMESPACE_BEGIN

/// How a network is trained; plain gradient descent if nothing is changed. `dropout` has a rate for
/// each hidden layer, or is empty for none.
struct Training : UpdateSettings {
  std::vector<double> dropout = {};
  std::uint64_t seed = 0;  ///< of the masks of dropout
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
  Trainer(Network<T>& net, Index batch_size, const Training& how = {})
      : Trainer(std::make_shared<Updater<T>>(net, how), batch_size, how.dropout, how.seed) {}

  /// Goes on with an updater that has taken steps already, here or elsewhere.
  Trainer(std::shared_ptr<Updater<T>> updater, Index batch_size, std::vector<double> dropout = {},
          std::uint64_t seed = 0)
      : updater_(std::move(updater)),
        net_(updater_->network()),
        dropout_(checked(std::move(dropout), net_.layout())),
        seed_(seed),
        ws_(net_, batch_size, Keep::gradient, detail::any_nonzero(dropout_)),
        choice_(step_work(net_.layout(), batch_size)) {
    choose_way();
  }

  /// Sets the stage between gradient and update, or with null takes it away.
  void set_between(Between<T>* between) {
    between_ = between;
    choose_way();
  }

  /// Sets a loss in place of the network's, or with null takes it away. Targets are then the
  /// caller's business, and only their weights are read here.
  void set_loss(CustomLoss<T> custom) {
    custom_ = std::move(custom);
    if (custom_) outputs_.reserve(ws_.capacity, net_.layout().n_outputs());
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
      const Index count = std::min(ws_.capacity, order.count - begin);
      const Index next_count = std::min(ws_.capacity, order.count - begin - count);
      const Batch batch{order.positions, begin, count, next_count};
      const double batch_weight = total_weight(y, batch);
      const Verdict found = interrupted()       ? Verdict::interrupted
                            : batch_weight == 0 ? Verdict::skip
                                                : Verdict::update;
      BatchLoss loss{0, 0};
      double weight_seen = batch_weight;
      const Verdict verdict =
          timed_step(X, y, batch, found, threads, lr[batch_index], loss, weight_seen);
      if (verdict == Verdict::interrupted) return {mean(), -1, true};
      if (each != nullptr) each[batch_index] = loss;
      if (verdict == Verdict::skip) continue;
      if (verdict == Verdict::not_finite || !std::isfinite(loss.total()))
        return {loss.total(), batch_index, false};
      sum += loss.total() * weight_seen;
      weight += weight_seen;
    }
    return {mean(), -1, false};
  }

  Updater<T>& updater() { return *updater_; }

 private:
  static std::vector<double> checked(std::vector<double> dropout, const Layout& layout) {
    detail::check_list("dropout", dropout, layout.n_layers() - 1, " hidden layers",
                       "be at least 0 and less than 1", detail::is_share);
    return dropout;
  }

  void choose_way() {
    shortcut_ = between_ == nullptr && updater_->nothing_between();
    if (!shortcut_ && gradient_.values.size() == 0) gradient_ = Gradient<T>(net_.layout());
  }

  /// Takes a step and tells the choice of threads how long it took. `weight` comes as the batch's
  /// and becomes that of the mean.
  Verdict timed_step(const Examples<T>& X, const Targets<T>& y, const Batch& batch, Verdict found,
                     int threads, double lr, BatchLoss& loss, double& weight) {
    using Clock = std::chrono::steady_clock;
    // Without a stage that others may wait in, there is nothing to do for such a batch.
    if (found != Verdict::update && between_ == nullptr) return found;
    const int chosen = choice_.choose(threads);
    // A smaller last batch says nothing about the others.
    if (!choice_.timed(threads) || batch.count < ws_.capacity)
      return take_step(X, y, batch, found, chosen, lr, loss, weight);
    const auto start = Clock::now();
    const Verdict verdict = take_step(X, y, batch, found, chosen, lr, loss, weight);
    choice_.record(std::chrono::duration<double>(Clock::now() - start).count());
    return verdict;
  }

  Verdict take_step(const Examples<T>& X, const Targets<T>& y, const Batch& batch, Verdict found,
                    int threads, double lr, BatchLoss& loss, double& weight) {
    if (shortcut_) {
      loss.data = differentiate_batch(X, y, batch, threads);
      if (!std::isfinite(loss.data)) return Verdict::not_finite;
      loss.penalty = updater_->multiply_and_update(ws_, batch.count, weight, lr, threads);
      return Verdict::update;
    }
    Verdict verdict = backward_batch(X, y, batch, weight, found, threads);
    if (between_ != nullptr) verdict = between_->decide(gradient_, verdict);
    if (verdict == Verdict::update) updater_->update(gradient_, lr, threads);
    loss = {gradient_.loss, gradient_.penalty};
    weight = gradient_.weight;
    return verdict;
  }

  /// gradient = backward(batch); returns what was found on the way.
  Verdict backward_batch(const Examples<T>& X, const Targets<T>& y, const Batch& batch,
                         double batch_weight, Verdict found, int threads) {
    gradient_.penalty = 0;
    gradient_.scale = T(1);
    gradient_.loss = 0;
    gradient_.weight = found == Verdict::update ? batch_weight : 0;
    if (found == Verdict::update) {
      gradient_.loss = differentiate_batch(X, y, batch, threads);
      if (!std::isfinite(gradient_.loss)) found = Verdict::not_finite;
    }
    T* const values = gradient_.values.data();
    const auto is_final = [&](Index k) {
      if (between_ != nullptr) between_->layer_is_final(gradient_, k);
    };
    if (found != Verdict::update) {
      std::fill_n(values, gradient_.values.size(), T(0));
      for (Index k = net_.layout().n_layers(); k >= 1; --k) is_final(k);
    } else if (between_ != nullptr) {
      write_gradient_by_layer(net_, ws_, updater_->blocks(), batch.count, values, threads,
                              is_final);
    } else {
      write_gradient(net_, ws_, updater_->blocks(), batch.count, values, threads);
    }
    return found;
  }

  double differentiate_batch(const Examples<T>& X, const Targets<T>& y, const Batch& batch,
                             int threads) {
    for (std::size_t i = 0; i < dropout_.size(); ++i) {
      const Index k = static_cast<Index>(i) + 1;
      ws_.layer(k).mask = Dropout(dropout_[i], seed_, updater_->steps(), k);
    }
    if (custom_) return differentiate_custom(net_, ws_, X, y, batch, threads, custom_, outputs_);
    return differentiate(net_, ws_, X, y, batch, threads);
  }

  std::shared_ptr<Updater<T>> updater_;
  Network<T>& net_;
  std::vector<double> dropout_;
  std::uint64_t seed_;
  Workspace<T> ws_;
  Gradient<T> gradient_;  ///< empty where steps go by the shortcut
  Between<T>* between_ = nullptr;
  CustomLoss<T> custom_;
  OutputBuffers<T> outputs_;  ///< for a custom loss
  bool shortcut_ = true;
  ThreadChoice choice_;
};

BACKPROP_NAMESPACE_END
