// A bound trainer: how it is made, and its epochs, between whose batches Ctrl-C is honoured.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "network.hpp"

namespace bindings {

/// Asks Python for a pending Ctrl-C, but only after some work: taking the GIL can cost a thread
/// switch.
class InterruptCheck {
 public:
  InterruptCheck(Index n_parameters, Index batch_size)
      : work_(6.0 * static_cast<double>(n_parameters) * static_cast<double>(batch_size)) {}

  bool operator()() {
    done_ += work_;
    if (done_ < work_between_checks) return false;
    done_ = 0;
    const py::gil_scoped_acquire acquire;
    return PyErr_CheckSignals() != 0;
  }

 private:
  static constexpr double work_between_checks = 2e9;  // some ten milliseconds
  double work_, done_ = 0;
};

/// An updater with a buffer for the gradients that callers bring.
template <class T>
struct BoundUpdater : Updater<T> {
  using Updater<T>::Updater;
  Gradient<T> gradient;
  std::mutex in_use;  ///< one step or epoch at a time
};

/// A gradient as Python's stage between gradient and update sees it.
template <class T>
struct BoundGradient {
  Gradient<T>& gradient;
};

inline const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::update:
      return "update";
    case Verdict::skip:
      return "skip";
    case Verdict::not_finite:
      return "not_finite";
    default:
      return "interrupted";
  }
}

inline Verdict verdict_named(const std::string& name) {
  for (const Verdict verdict :
       {Verdict::update, Verdict::skip, Verdict::not_finite, Verdict::interrupted})
    if (name == name_of(verdict)) return verdict;
  throw py::value_error(
      "a stage between gradient and update must return 'update', 'skip', 'not_finite' or "
      "'interrupted', got '" +
      name + "'");
}

/// A stage of Python functions.
template <class T>
class PythonBetween final : public Between<T> {
 public:
  PythonBetween(py::object decide, py::object layer_is_final)
      : decide_(std::move(decide)), layer_is_final_(std::move(layer_is_final)) {}

  void layer_is_final(Gradient<T>& gradient, Index k) override {
    if (layer_is_final_.is_none()) return;
    const py::gil_scoped_acquire acquire;
    layer_is_final_(seen(gradient), k);
  }

  Verdict decide(Gradient<T>& gradient, Verdict found) override {
    const py::gil_scoped_acquire acquire;
    return verdict_named(py::cast<std::string>(decide_(seen(gradient), name_of(found))));
  }

 private:
  static py::object seen(Gradient<T>& gradient) { return py::cast(BoundGradient<T>{gradient}); }

  py::object decide_, layer_is_final_;
};

template <class T>
struct BoundTrainer : Trainer<T> {
  BoundTrainer(std::shared_ptr<BoundUpdater<T>> updater_, Index batch_size_,
               std::vector<double> dropout, std::uint64_t seed)
      : Trainer<T>(updater_, batch_size_, std::move(dropout), seed),
        updater(std::move(updater_)),
        batch_size(batch_size_) {}
  std::shared_ptr<BoundUpdater<T>> updater;
  Index batch_size;
  std::unique_ptr<PythonBetween<T>> between;
  py::object custom_loss = py::none();
};

template <class T>
std::shared_ptr<BoundUpdater<T>> make_updater(BoundNetwork<T>& net, std::string optimizer,
                                              std::map<std::string, double> options,
                                              std::vector<double> l1, std::vector<double> l2,
                                              bool penalty_by_weight,
                                              std::optional<double> clip_value,
                                              std::optional<double> clip_norm,
                                              std::optional<double> max_norm) {
  return std::make_shared<BoundUpdater<T>>(
      net, UpdateSettings{std::move(optimizer), std::move(options), std::move(l1), std::move(l2),
                          penalty_by_weight, clip_value, clip_norm, max_norm});
}

template <class T>
std::unique_ptr<BoundTrainer<T>> make_trainer_of(std::shared_ptr<BoundUpdater<T>> updater,
                                                 Index batch_size, std::vector<double> dropout,
                                                 std::uint64_t seed) {
  if (batch_size < 1)
    throw py::value_error("`batch_size` must be at least 1, got " + std::to_string(batch_size));
  return std::make_unique<BoundTrainer<T>>(std::move(updater), batch_size, std::move(dropout),
                                           seed);
}

template <class T>
std::unique_ptr<BoundTrainer<T>> make_trainer(BoundNetwork<T>& net, Index batch_size,
                                              std::string optimizer,
                                              std::map<std::string, double> options,
                                              std::vector<double> l1, std::vector<double> l2,
                                              bool penalty_by_weight, std::vector<double> dropout,
                                              std::uint64_t seed, std::optional<double> clip_value,
                                              std::optional<double> clip_norm,
                                              std::optional<double> max_norm) {
  return make_trainer_of(
      make_updater(net, std::move(optimizer), std::move(options), std::move(l1), std::move(l2),
                   penalty_by_weight, clip_value, clip_norm, max_norm),
      batch_size, std::move(dropout), seed);
}

/// One step along a gradient (n_parameters,) of a batch of this total weight; returns the penalty.
template <class T>
double take_step(BoundUpdater<T>& updater, py::handle gradient_object, py::handle lr,
                 double weight) {
  const py::array array = require_array<T>(gradient_object, "gradient");
  const Index n = updater.network().layout().n_parameters();
  const T* const values = map_vector<T>(array, "gradient");
  if (array.shape(0) != n)
    throw py::value_error("`gradient` must have shape (" + std::to_string(n) +
                          ",), one number for each parameter, got shape " + shape_of(array));
  const double rate = checked_rate<T>(lr);
  const py::gil_scoped_release release;  // pure computation on mapped memory
  const std::lock_guard<std::mutex> lock(updater.in_use);
  const FlushDenormals flush;
  Gradient<T>& gradient = updater.gradient;
  if (gradient.values.size() == 0) gradient = Gradient<T>(updater.network().layout());
  std::copy_n(values, n, gradient.values.data());
  gradient.weight = weight;
  gradient.penalty = 0;
  gradient.scale = T(1);
  return updater.update(gradient, rate, threads_now());
}

/// Positions in X (m examples), any number of them; None is all of X as it lies.
inline Order map_order(py::handle object, Index m) {
  if (object.is_none()) return {nullptr, m};
  const py::array array = require_array<std::int64_t>(object, "order");
  const Order order{map_vector<std::int64_t>(array, "order"), array.shape(0)};
  if (order.count == 0) throw py::value_error("`order` must name at least one example, got none");
  for (Index j = 0; j < order.count; ++j)
    if (order.positions[j] < 0 || order.positions[j] >= m)
      throw py::value_error("`order` must hold positions from 0 to " + std::to_string(m - 1) +
                            ", got " + std::to_string(order.positions[j]));
  return order;
}

/// One learning rate, or one for each of the batches.
template <class T>
Rates map_rates(py::handle object, Index n_batches) {
  if (!py::isinstance<py::array>(object)) return checked_rate<T>(object);
  const py::array array = require_array<double>(object, "lr");
  if (array.ndim() != 1 || array.shape(0) != n_batches)
    throw py::value_error("`lr` must be a number, or have one for each of the " +
                          std::to_string(n_batches) + " batches, got shape " + shape_of(array));
  const auto rates = map_vector<double>(array, "lr");
  for (Index i = 0; i < n_batches; ++i) checked_rate<T>(rates[i]);
  return Rates(rates);
}

/// Where the loss and the penalty of each batch go, a row for each; None for nowhere.
inline BatchLoss* map_losses(py::handle object, Index n_batches) {
  if (object.is_none()) return nullptr;
  static_assert(sizeof(BatchLoss) == 2 * sizeof(double));
  py::array array = require_array<double>(object, "losses");
  if (array.ndim() != 2 || array.shape(0) != n_batches || array.shape(1) != 2 ||
      !array.writeable() || !(array.flags() & py::array::c_style))
    throw py::value_error("`losses` must be a writable, contiguous array of shape (" +
                          std::to_string(n_batches) + ", 2), got shape " + shape_of(array));
  return static_cast<BatchLoss*>(array.mutable_data());
}

/// Calls a loss of the caller's, loss(A_L, positions) -> (losses, grad_A_L), on views of the core's
/// memory; `positions` are the batch's in X.
template <class T>
CustomLoss<T> as_custom_loss(const BoundTrainer<T>& trainer) {
  if (trainer.custom_loss.is_none()) return nullptr;
  const Index p = trainer.updater->network().layout().n_outputs();
  return [&trainer, p](const T* A_L, Batch batch, double* losses, T* grad_A_L) {
    const py::gil_scoped_acquire acquire;
    const Index m = batch.count;
    py::array_t<std::int64_t> positions(m);
    for (Index j = 0; j < m; ++j) positions.mutable_at(j) = batch[j];
    // Its lifetime is this call's: the buffer is used again for the next batch.
    const py::capsule alive(A_L, [](void*) {});
    py::array_t<T> A_view({m, p}, A_L, alive);
    A_view.attr("flags").attr("writeable") = false;
    const py::object result = trainer.custom_loss(A_view, positions);
    if (!(py::isinstance<py::tuple>(result) || py::isinstance<py::list>(result)) ||
        py::len(result) != 2)
      throw py::type_error(
          "`loss.value_and_gradient` must return a pair, the loss of each example and its "
          "derivatives, got " +
          std::string(py::str(py::type::of(result).attr("__name__"))));
    const auto each = py::cast<py::array_t<double, py::array::c_style | py::array::forcecast>>(
        result.attr("__getitem__")(0));
    const auto grad = py::cast<py::array_t<T, py::array::c_style | py::array::forcecast>>(
        result.attr("__getitem__")(1));
    if (each.ndim() != 1 || each.shape(0) != m)
      throw py::value_error("`loss.value_and_gradient` must return a loss for each of the " +
                            std::to_string(m) + " examples, got shape " + shape_of(each));
    if (grad.ndim() != 2 || grad.shape(0) != m || grad.shape(1) != p)
      throw py::value_error("`loss.value_and_gradient` must return derivatives of shape (" +
                            std::to_string(m) + ", " + std::to_string(p) + "), got shape " +
                            shape_of(grad));
    std::copy_n(each.data(), m, losses);
    std::copy_n(grad.data(), m * p, grad_A_L);
  };
}

/// Visits the examples of `order`; returns (mean loss, the batch whose loss was not finite or -1).
template <class T>
py::tuple epoch(BoundTrainer<T>& trainer, const Data<T>& data, py::handle order_object,
                py::handle lr_object, py::handle losses_object) {
  Network<T>& net = trainer.updater->network();
  if (data.X.n_features != net.layout().n_inputs() || data.n_outputs != net.layout().n_outputs())
    throw py::value_error("`data` must be made for the trainer's network");
  if (data.y_object.is_none() && trainer.custom_loss.is_none())
    throw py::value_error("`y` must be given unless the trainer has a loss of its own, got None");
  const Order order = map_order(order_object, data.X.count);
  const Index n_batches = ceil_div(order.count, trainer.batch_size);
  const Rates lr = map_rates<T>(lr_object, n_batches);
  BatchLoss* const losses = map_losses(losses_object, n_batches);
  InterruptCheck interrupted(net.layout().n_parameters(), trainer.batch_size);
  typename Trainer<T>::Epoch result{};
  {
    // An epoch may take minutes; the GIL comes back only to look for Ctrl-C.
    const py::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(trainer.updater->in_use);
    result = trainer.epoch(data.X, data.y, order, lr, std::ref(interrupted), losses);
  }
  if (result.interrupted && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return py::make_tuple(result.loss, result.failed_batch);
}

}  // namespace bindings
