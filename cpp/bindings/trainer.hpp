// A bound trainer: how it is made, and its epochs, between whose batches Ctrl-C is honoured.
#pragma once

#include <map>
#include <mutex>

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

template <class T>
struct BoundTrainer : Trainer<T> {
  BoundTrainer(BoundNetwork<T>& net_, Index batch_size_, Training how)
      : Trainer<T>(net_, batch_size_, std::move(how)), net(net_), batch_size(batch_size_) {}
  BoundNetwork<T>& net;
  Index batch_size;
  std::mutex in_use;  ///< its buffers serve one epoch at a time
};

template <class T>
std::unique_ptr<BoundTrainer<T>> make_trainer(BoundNetwork<T>& net, Index batch_size,
                                              std::string optimizer,
                                              std::map<std::string, double> options,
                                              std::vector<double> l1, std::vector<double> l2,
                                              bool penalty_by_weight, std::vector<double> dropout,
                                              std::uint64_t seed, std::optional<double> clip_value,
                                              std::optional<double> clip_norm,
                                              std::optional<double> max_norm) {
  if (batch_size < 1)
    throw py::value_error("`batch_size` must be at least 1, got " + std::to_string(batch_size));
  return std::make_unique<BoundTrainer<T>>(
      net, batch_size,
      Training{std::move(optimizer), std::move(options), std::move(l1), std::move(l2),
               penalty_by_weight, std::move(dropout), seed, clip_value, clip_norm, max_norm});
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

template <class T>
py::tuple epoch(BoundTrainer<T>& trainer, py::handle X_object, py::handle y_object,
                py::handle order_object, py::handle lr_object, py::handle weight_object,
                py::handle losses_object) {
  const Examples<T> X = map_examples<T>(X_object, trainer.net, false);
  const Targets<T> y =
      weighted(map_targets<T>(y_object, trainer.net, X.count, false), weight_object, X.count);
  const Order order = map_order(order_object, X.count);
  const Index n_batches = backprop::ceil_div(order.count, trainer.batch_size);
  const Rates lr = map_rates<T>(lr_object, n_batches);
  BatchLoss* const losses = map_losses(losses_object, n_batches);
  InterruptCheck interrupted(trainer.net.layout().n_parameters(), trainer.batch_size);
  typename Trainer<T>::Epoch result{};
  {
    // An epoch may take minutes; the GIL comes back only to look for Ctrl-C.
    const py::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(trainer.in_use);
    result = trainer.epoch(X, y, order, lr, std::ref(interrupted), losses);
  }
  if (result.interrupted) throw py::error_already_set();
  return py::make_tuple(result.loss, result.failed_batch);
}

}  // namespace bindings
