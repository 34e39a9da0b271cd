// backprop._backprop: what it holds, under which names. Check, map, release the GIL and call stand
// in network.hpp and trainer.hpp. No arithmetic.
#include <pybind11/stl.h>

#include "trainer.hpp"

#define BACKPROP_STRING_(x) #x
#define BACKPROP_STRING(x) BACKPROP_STRING_(x)

namespace bindings {

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
