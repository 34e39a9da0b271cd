// backprop._backprop: what it holds, under which names. Check, map, release the GIL and call stand
// in network.hpp and trainer.hpp. No arithmetic.
#include <pybind11/stl.h>

#include "trainer.hpp"

#define BACKPROP_STRING_(x) #x
#define BACKPROP_STRING(x) BACKPROP_STRING_(x)

namespace bindings {

template <class T>
void bind(py::module_& m, const std::string& bits) {
  using Net = BoundNetwork<T>;
  py::class_<Net>(m, ("Network" + bits).c_str())
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
      .def("forward", &forward<T>, py::arg("X"), py::arg("check_finite") = true,
           py::arg("activated") = true)
      .def("loss", &loss<T>, py::arg("X"), py::arg("y"), py::arg("check_finite") = true,
           py::arg("sample_weight") = py::none())
      .def("gradients", &gradients<T>, py::arg("X"), py::arg("y"), py::arg("check_finite") = true,
           py::arg("sample_weight") = py::none(), py::arg("inputs") = false)
      .def("backward", &backward<T>, py::arg("X"), py::arg("grad"), py::kw_only(), py::arg("of_A"),
           py::arg("check_finite") = true, py::arg("inputs") = false)
      .def("jacobian", &jacobian<T>, py::arg("X"), py::arg("check_finite") = true)
      .def("trace", &trace<T>, py::arg("X"), py::arg("y"), py::arg("check_finite") = true,
           py::arg("sample_weight") = py::none())
      .def("step", &descend<T>, py::arg("X"), py::arg("y"), py::arg("lr"),
           py::arg("check_finite") = true, py::arg("sample_weight") = py::none());

  py::class_<Data<T>>(m, ("Data" + bits).c_str())
      .def(py::init([](const Net& net, py::object X, py::object y, py::object sample_weight,
                       bool check_finite) {
             return std::make_unique<Data<T>>(net, X, y, sample_weight, check_finite);
           }),
           py::arg("network"), py::arg("X"), py::arg("y").none(true),
           py::arg("sample_weight") = py::none(), py::arg("check_finite") = true);

  py::class_<BoundGradient<T>>(m, ("Gradient" + bits).c_str())
      .def_property_readonly("theta",
                             [](py::object self) {
                               auto& values = self.cast<BoundGradient<T>&>().gradient.values;
                               return view(values.data(), {values.size()}, self);
                             })
      .def_property(
          "loss", [](const BoundGradient<T>& g) { return g.gradient.loss; },
          [](BoundGradient<T>& g, double loss) { g.gradient.loss = loss; })
      .def_property(
          "weight", [](const BoundGradient<T>& g) { return g.gradient.weight; },
          [](BoundGradient<T>& g, double weight) { g.gradient.weight = weight; });

  // What an optimizer keeps: writable views in theta's layout, and the number of steps taken.
  const auto state_of = [](Optimizer<T>& optimizer, Index n, py::handle owner) {
    py::dict state;
    for (Index i = 0; i < optimizer.n_states(); ++i)
      state[optimizer.state_name(i)] = view(optimizer.state(i), {n}, owner);
    return state;
  };
  using Steps = BoundUpdater<T>;
  py::class_<Steps, std::shared_ptr<Steps>>(m, ("Updater" + bits).c_str())
      .def(py::init(&make_updater<T>), py::arg("network"), py::arg("optimizer") = "sgd",
           py::arg("options") = py::dict(), py::kw_only(), py::arg("l1") = py::tuple(),
           py::arg("l2") = py::tuple(), py::arg("penalty_by_weight") = false,
           py::arg("clip_value") = py::none(), py::arg("clip_norm") = py::none(),
           py::arg("max_norm") = py::none(), py::keep_alive<1, 2>())
      .def("step", &take_step<T>, py::arg("gradient"), py::arg("lr"), py::arg("weight") = 1.0)
      .def_property_readonly("state",
                             [state_of](py::object self) {
                               auto& updater = self.cast<Steps&>();
                               return state_of(updater.optimizer(),
                                               updater.network().layout().n_parameters(), self);
                             })
      .def_property(
          "steps", [](const Steps& updater) { return updater.steps(); },
          [](Steps& updater, std::uint64_t steps) { updater.set_steps(steps); });

  using Epochs = BoundTrainer<T>;
  py::class_<Epochs>(m, ("Trainer" + bits).c_str())
      .def(py::init(&make_trainer<T>), py::arg("network"), py::arg("batch_size"),
           py::arg("optimizer") = "sgd", py::arg("options") = py::dict(), py::kw_only(),
           py::arg("l1") = py::tuple(), py::arg("l2") = py::tuple(),
           py::arg("penalty_by_weight") = false, py::arg("dropout") = py::tuple(),
           py::arg("seed") = 0, py::arg("clip_value") = py::none(),
           py::arg("clip_norm") = py::none(), py::arg("max_norm") = py::none(),
           py::keep_alive<1, 2>())
      .def(py::init(&make_trainer_of<T>), py::arg("updater"), py::arg("batch_size"), py::kw_only(),
           py::arg("dropout") = py::tuple(), py::arg("seed") = 0, py::keep_alive<1, 2>())
      .def("epoch", &epoch<T>, py::arg("data"), py::arg("order").none(true), py::arg("lr"),
           py::arg("losses") = py::none())
      .def(
          "epoch",
          [](Epochs& trainer, py::object X, py::object y, py::object order, py::object lr,
             py::object sample_weight, py::object losses) {
            const Data<T> data(trainer.updater->network(), X, y, sample_weight, false);
            return epoch(trainer, data, order, lr, losses);
          },
          py::arg("X"), py::arg("y"), py::arg("order").none(true), py::arg("lr"),
          py::arg("sample_weight") = py::none(), py::arg("losses") = py::none())
      .def(
          "set_between",
          [](Epochs& trainer, py::object decide, py::object layer_is_final) {
            trainer.between = decide.is_none()
                                  ? nullptr
                                  : std::make_unique<PythonBetween<T>>(decide, layer_is_final);
            trainer.set_between(trainer.between.get());
          },
          py::arg("decide").none(true), py::arg("layer_is_final") = py::none())
      .def(
          "set_loss",
          [](Epochs& trainer, py::object value_and_gradient) {
            trainer.custom_loss = std::move(value_and_gradient);
            trainer.set_loss(as_custom_loss(trainer));
          },
          py::arg("value_and_gradient").none(true))
      .def_property_readonly("state",
                             [state_of](py::object self) {
                               auto& updater = *self.cast<Epochs&>().updater;
                               return state_of(updater.optimizer(),
                                               updater.network().layout().n_parameters(), self);
                             })
      .def_property(
          "steps", [](const Epochs& trainer) { return trainer.updater->steps(); },
          [](Epochs& trainer, std::uint64_t steps) { trainer.updater->set_steps(steps); });
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
  m.def("losses_of_labels", [] {
    std::vector<std::string> names;
    for (const auto& pair : losses<double>)
      if (pair.takes_labels) names.push_back(pair.name);
    return names;
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
  bind<float>(m, "32");
  bind<double>(m, "64");
}
