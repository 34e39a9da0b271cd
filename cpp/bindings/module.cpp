// backprop._backprop: check, map, release the GIL, call. No arithmetic.
#include "arrays.hpp"

#include <pybind11/stl.h>

#include <atomic>
#include <mutex>

#include "backprop/predict.hpp"
#include "backprop/trainer.hpp"

#define BACKPROP_STRING_(x) #x
#define BACKPROP_STRING(x) BACKPROP_STRING_(x)

namespace bindings {

using namespace backprop;

/// Things that are costly to make and used by one call at a time: taken out, used, put back, so
/// that threads that share a network never share a workspace. There is no lock, which a child
/// forked while another thread holds it would wait for in vain.
template <class Thing>
class Cache {
 public:
  Cache() = default;
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache() {
    for (auto& place : places_) delete place.load();
  }

  template <class Fits, class Make>
  std::unique_ptr<Thing> take(Fits&& fits, Make&& make) {
    for (auto& place : places_) {
      std::unique_ptr<Thing> thing(place.exchange(nullptr));
      if (thing && fits(*thing)) return thing;
      if (thing) put(std::move(thing));
    }
    return make();
  }

  void put(std::unique_ptr<Thing> thing) {
    for (auto& place : places_) {
      Thing* nothing = nullptr;
      if (place.compare_exchange_strong(nothing, thing.get())) {
        thing.release();
        return;
      }
    }
    thing.reset(places_[0].exchange(thing.release()));
  }

 private:
  std::atomic<Thing*> places_[4] = {};
};

/// A network with the workspaces its calls reuse.
template <class T>
struct BoundNetwork : Network<T> {
  using Network<T>::Network;
  Cache<Workspace<T>> workspaces;
  Cache<SingleExample<T>> singles;

  /// Runs f with a workspace for m examples that holds what `keep` says.
  template <class F>
  auto with_workspace(Index m, Keep keep, F&& f) {
    auto ws =
        workspaces.take([&](const Workspace<T>& w) { return w.keep == keep && w.capacity >= m; },
                        [&] { return std::make_unique<Workspace<T>>(*this, m, keep); });
    struct PutBack {
      BoundNetwork& net;
      std::unique_ptr<Workspace<T>>& ws;
      ~PutBack() { net.workspaces.put(std::move(ws)); }
    } put_back{*this, ws};
    return f(*ws);
  }
};

template <class T>
py::array forward(BoundNetwork<T>& net, py::handle X_object, bool check_finite) {
  const Examples<T> X = map_examples<T>(X_object, net, check_finite);
  const Index p = net.layout().n_outputs();
  py::array_t<T> Y_hat({X.count, p});
  T* out = Y_hat.mutable_data();
  {
    // Other Python threads run while the examples pass through the network. Not until the return:
    // that makes a py::array of Y_hat, which touches its count of references.
    const py::gil_scoped_release release;
    if (X.count == 1 && X.starts == nullptr) {
      auto single = net.singles.take([](auto&) { return true; },
                                     [&] { return std::make_unique<SingleExample<T>>(net); });
      single->predict(net, X.data, X.feature_stride, out);
      net.singles.put(std::move(single));
    } else {
      net.with_workspace(std::min(X.count, examples_at_once), Keep::output, [&](Workspace<T>& ws) {
        predict(net, ws, X, ThreadPool::instance().n_threads(), out);
      });
    }
  }
  return Y_hat;
}

template <class T>
double loss(BoundNetwork<T>& net, py::handle X_object, py::handle y_object, bool check_finite,
            py::handle weight_object) {
  const Examples<T> X = map_examples<T>(X_object, net, check_finite);
  const Targets<T> y =
      weighted(map_targets<T>(y_object, net, X.count, check_finite), weight_object, X.count);
  const py::gil_scoped_release release;  // pure computation on mapped memory
  return net.with_workspace(std::min(X.count, examples_at_once), Keep::loss, [&](Workspace<T>& ws) {
    return mean_loss(net, ws, X, y, ThreadPool::instance().n_threads());
  });
}

/// The whole of X as one batch, its gradient handed to the rule.
template <class T, class Rule>
double full_step(BoundNetwork<T>& net, const Examples<T>& X, const Targets<T>& y, Workspace<T>& ws,
                 const Rule& rule) {
  const FlushDenormals flush;
  // Read once: another Python thread may change it at any time.
  const int threads = ThreadPool::instance().n_threads();
  ws.reserve_scratch(threads);
  return step(net, ws, row_blocks(net.layout()), X, y, Batch{nullptr, 0, X.count}, threads, rule);
}

/// The loss, and grad_theta into `gradient`: NaN where the loss is not finite and step() therefore
/// hands no gradient over.
template <class T>
double full_gradient(BoundNetwork<T>& net, const Examples<T>& X, const Targets<T>& y,
                     Workspace<T>& ws, T* gradient) {
  const double loss = full_step(net, X, y, ws, StoreGradient<T>{gradient});
  if (!std::isfinite(loss))
    std::fill_n(gradient, net.layout().n_parameters(), std::numeric_limits<T>::quiet_NaN());
  return loss;
}

template <class T>
py::tuple gradients(BoundNetwork<T>& net, py::handle X_object, py::handle y_object,
                    bool check_finite, py::handle weight_object) {
  const Examples<T> X = map_examples<T>(X_object, net, check_finite);
  const Targets<T> y =
      weighted(map_targets<T>(y_object, net, X.count, check_finite), weight_object, X.count);
  py::array_t<T> gradient(net.layout().n_parameters());
  T* const out = gradient.mutable_data();
  double value = 0;
  {
    const py::gil_scoped_release release;  // pure computation on mapped memory
    value = net.with_workspace(X.count, Keep::gradient,
                               [&](Workspace<T>& ws) { return full_gradient(net, X, y, ws, out); });
  }
  return py::make_tuple(value, gradient);
}

/// A learning rate that leaves finite weights finite: 0 does, as at the start of a warm-up.
template <class T>
double checked_rate(double lr) {
  if (!(lr >= 0 && std::isfinite(static_cast<T>(lr))))
    throw py::value_error("`lr` must be finite in " + std::string(dtype_name<T>()) +
                          " and not negative, got " + std::string(py::repr(py::float_(lr))));
  return lr;
}

template <class T>
double checked_rate(py::handle object) {
  const double lr = PyFloat_AsDouble(object.ptr());
  if (PyErr_Occurred() == nullptr) return checked_rate<T>(lr);
  PyErr_Clear();
  throw py::type_error("`lr` must be a number, got " + std::string(py::repr(object)));
}

template <class T>
double descend(BoundNetwork<T>& net, py::handle X_object, py::handle y_object, py::handle lr,
               bool check_finite, py::handle weight_object) {
  const Examples<T> X = map_examples<T>(X_object, net, check_finite);
  const Targets<T> y =
      weighted(map_targets<T>(y_object, net, X.count, check_finite), weight_object, X.count);
  const GradientDescent<T> rule{net.theta(), static_cast<T>(checked_rate<T>(lr))};
  const py::gil_scoped_release release;  // pure computation on mapped memory
  return net.with_workspace(X.count, Keep::gradient,
                            [&](Workspace<T>& ws) { return full_step(net, X, y, ws, rule); });
}

template <class T>
py::array unpacked(const Panels<T>& panels, Index n, Index m) {
  py::array_t<T> out({m, n});
  unpack(panels, n, 0, m, out.mutable_data());
  return out;
}

template <class T>
py::dict trace(BoundNetwork<T>& net, py::handle X_object, py::handle y_object, bool check_finite,
               py::handle weight_object) {
  const Examples<T> X = map_examples<T>(X_object, net, check_finite);
  const Targets<T> y =
      weighted(map_targets<T>(y_object, net, X.count, check_finite), weight_object, X.count);
  const Index L = net.layout().n_layers(), m = X.count;
  py::array_t<T> gradient(net.layout().n_parameters());
  T* const out = gradient.mutable_data();
  Workspace<T> ws(net, m, Keep::trace);
  double value = 0;
  {
    const py::gil_scoped_release release;  // pure computation on mapped memory
    value = full_gradient(net, X, y, ws, out);
    finish_trace(net, ws, y, m);
  }
  py::list A, H, grad_A, grad_H;
  for (Index k = 1; k <= L; ++k) {
    const Index n = net.layout().size(k);
    A.append(unpacked(ws.A[static_cast<std::size_t>(k - 1)], n, m));
    H.append(unpacked(ws.h(k), n, m));
    grad_A.append(unpacked(ws.grad_a(k), n, m));
    grad_H.append(unpacked(ws.grad_H[static_cast<std::size_t>(k - 1)], n, m));
  }
  py::dict result;
  result["loss"] = value;
  result["X"] = X_object;
  result["Y_hat"] = H[static_cast<std::size_t>(L - 1)];
  result["A"] = A;
  result["H"] = H;
  result["grad_A"] = grad_A;
  result["grad_H"] = grad_H;
  result["grad_theta"] = gradient;
  return result;
}

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

template <class T>
void bind(py::module_& m, const char* network_name, const char* trainer_name) {
  using Net = BoundNetwork<T>;
  py::class_<Net>(m, network_name)
      .def(py::init<std::vector<Index>, std::vector<std::string>, std::string, std::string,
                    std::optional<double>>(),
           py::arg("layer_sizes"), py::arg("hidden"), py::arg("output"), py::arg("loss"),
           py::arg("loss_parameter") = py::none())
      .def_property_readonly("layer_sizes", [](const Net& net) { return net.layout().sizes(); })
      .def_property_readonly("hidden_names",
                             [](const Net& net) {
                               std::vector<std::string> names;
                               for (Index k = 1; k < net.layout().n_layers(); ++k)
                                 names.push_back(net.hidden(k).name);
                               return names;
                             })
      .def_property_readonly("output_name", [](const Net& net) { return net.loss().output; })
      .def_property_readonly("loss_name", [](const Net& net) { return net.loss().name; })
      .def_property_readonly("loss_parameter",
                             [](const Net& net) {
                               const LossParameter& parameter = net.loss().parameter;
                               return parameter.name ? py::object(py::float_(parameter.value))
                                                     : py::object(py::none());
                             })
      .def_property_readonly("theta",
                             [](py::object self) {
                               Net& net = self.cast<Net&>();
                               return view(net.theta(), {net.layout().n_parameters()}, self);
                             })
      .def_property_readonly("W",
                             [](py::object self) {
                               Net& net = self.cast<Net&>();
                               const Layout& layout = net.layout();
                               py::list views;
                               for (Index k = 1; k <= layout.n_layers(); ++k)
                                 views.append(view(net.theta() + layout.w(k),
                                                   {layout.size(k), layout.size(k - 1)}, self));
                               return views;
                             })
      .def_property_readonly(
          "b",
          [](py::object self) {
            Net& net = self.cast<Net&>();
            const Layout& layout = net.layout();
            py::list views;
            for (Index k = 1; k <= layout.n_layers(); ++k)
              views.append(view(net.theta() + layout.b(k), {layout.size(k)}, self));
            return views;
          })
      .def("forward", &forward<T>, py::arg("X"), py::arg("check_finite") = true)
      .def("loss", &loss<T>, py::arg("X"), py::arg("y"), py::arg("check_finite") = true,
           py::arg("sample_weight") = py::none())
      .def("gradients", &gradients<T>, py::arg("X"), py::arg("y"), py::arg("check_finite") = true,
           py::arg("sample_weight") = py::none())
      .def("trace", &trace<T>, py::arg("X"), py::arg("y"), py::arg("check_finite") = true,
           py::arg("sample_weight") = py::none())
      .def("step", &descend<T>, py::arg("X"), py::arg("y"), py::arg("lr"),
           py::arg("check_finite") = true, py::arg("sample_weight") = py::none());

  py::class_<BoundTrainer<T>>(m, trainer_name)
      .def(py::init(&make_trainer<T>), py::arg("network"), py::arg("batch_size"),
           py::arg("optimizer") = "sgd", py::arg("options") = py::dict(), py::kw_only(),
           py::arg("l1") = py::tuple(), py::arg("l2") = py::tuple(),
           py::arg("penalty_by_weight") = false, py::arg("dropout") = py::tuple(),
           py::arg("seed") = 0, py::arg("clip_value") = py::none(),
           py::arg("clip_norm") = py::none(), py::arg("max_norm") = py::none(),
           py::keep_alive<1, 2>())
      .def("epoch", &epoch<T>, py::arg("X"), py::arg("y"), py::arg("order").none(true),
           py::arg("lr"), py::arg("sample_weight") = py::none(), py::arg("losses") = py::none())
      .def_property_readonly("state",
                             [](py::object self) {
                               auto& trainer = self.cast<BoundTrainer<T>&>();
                               py::dict state;
                               for (Index i = 0; i < trainer.n_states(); ++i)
                                 state[trainer.state_name(i)] = view(
                                     trainer.state(i), {trainer.net.layout().n_parameters()}, self);
                               return state;
                             })
      .def_property(
          "steps", [](const BoundTrainer<T>& trainer) { return trainer.steps(); },
          [](BoundTrainer<T>& trainer, std::uint64_t steps) { trainer.set_steps(steps); });
}

py::tuple describe(py::handle object) {
  const auto described = [](const auto& X) {
    return py::make_tuple(reinterpret_cast<std::uintptr_t>(X.data),
                          py::make_tuple(X.count, X.n_features),
                          py::make_tuple(X.example_stride, X.feature_stride));
  };
  const bool single = py::isinstance<py::array_t<float>>(object);
  const py::array array =
      single ? require_array<float>(object, "X") : require_array<double>(object, "X");
  if (array.ndim() != 2)
    throw py::value_error("`X` must have 2 dimensions, got shape " + shape_of(array));
  return single ? described(map_matrix<float>(array)) : described(map_matrix<double>(array));
}

void shuffle_order(py::handle object, std::uint64_t seed, std::uint64_t epoch) {
  py::array array = require_array<std::int64_t>(object, "order");
  if (array.ndim() != 1 || !array.writeable() || !(array.flags() & py::array::c_style))
    throw py::value_error("`order` must be a writable contiguous vector, got shape " +
                          shape_of(array));
  shuffle(static_cast<std::int64_t*>(array.mutable_data()), array.shape(0), seed, epoch);
}

py::dict info() {
  py::dict result;
  result["version"] = BACKPROP_VERSION;
  result["eigen"] = BACKPROP_STRING(EIGEN_WORLD_VERSION) "." BACKPROP_STRING(
      EIGEN_MAJOR_VERSION) "." BACKPROP_STRING(EIGEN_MINOR_VERSION);
  result["level"] = BACKPROP_STRING(BACKPROP_LEVEL);
  result["compiler"] = BACKPROP_COMPILER;
  result["lanes_float32"] = lanes<float>;
  result["lanes_float64"] = lanes<double>;
  return result;
}

}  // namespace bindings

PYBIND11_MODULE(_backprop, m) {
  using namespace bindings;
  // Now, while one thread is here: what limits the threads is read, and forks are watched for.
  ThreadPool::instance();
  m.attr("__version__") = BACKPROP_VERSION;
  m.def("info", &info);
  m.def("get_num_threads", [] { return ThreadPool::instance().n_threads(); });
  m.def(
      "set_num_threads",
      [](int n_threads) {
        // Each thread has its scratch: a slip of the keyboard must not take the machine's memory.
        if (n_threads < 1 || n_threads > 1024)
          throw py::value_error("`n_threads` must be from 1 to 1024, got " +
                                std::to_string(n_threads));
        ThreadPool::instance().set_n_threads(n_threads);
      },
      py::arg("n_threads"));
  m.def(
      "limit_threads", [](int n) { return ThreadPool::limit_calling_thread(n); },
      py::arg("n_threads"));
  m.def("activations", [] {
    std::vector<std::string> names;
    for (const auto& activation : activations<double>) names.push_back(activation.name);
    return names;
  });
  m.def("outputs", [] {
    py::dict pairs;
    for (const auto& pair : losses<double>)
      pairs[pair.output] =
          py::cast<py::list>(pairs.contains(pair.output) ? py::object(pairs[pair.output])
                                                         : py::list()) +
          py::list(py::make_tuple(pair.name));
    return pairs;
  });
  m.def("loss_parameters", [] {
    py::dict parameters;
    for (const auto& pair : losses<double>)
      if (pair.parameter.name != nullptr)
        parameters[pair.name] = py::make_tuple(pair.parameter.name, pair.parameter.value);
    return parameters;
  });
  m.def("optimizers", [] {
    py::dict all;
    for (const auto& optimizer : optimizers<double>) {
      py::dict options;
      for (Index i = 0; i < optimizer.n_options; ++i)
        options[optimizer.options[i].name] = optimizer.options[i].value;
      all[optimizer.name] = options;
    }
    return all;
  });
  m.def("describe", &describe, py::arg("X"));
  m.def("shuffle", &shuffle_order, py::arg("order"), py::arg("seed"), py::arg("epoch"));
  bind<float>(m, "Network32", "Trainer32");
  bind<double>(m, "Network64", "Trainer64");
}
