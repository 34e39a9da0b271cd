// The calls of a bound network: map the arrays, release the GIL, compute, hand arrays out.
#pragma once

#include <atomic>
#include <memory>

#include "arrays.hpp"
#include "backprop/predict.hpp"
#include "backprop/trainer.hpp"

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
  Cache<Updater<T>> descents;  ///< plain gradient descent, for single steps

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

/// The number of threads, read once a call: another Python thread may change it at any time.
inline int threads_now() { return ThreadPool::instance().n_threads(); }

/// Y_hat, or A_L if not `activated`.
template <class T>
py::array forward(BoundNetwork<T>& net, py::handle X_object, bool check_finite, bool activated) {
  const Examples<T> X = map_examples<T>(X_object, net, check_finite);
  const Index p = net.layout().n_outputs();
  py::array_t<T> Y_hat({X.count, p});
  T* out = Y_hat.mutable_data();
  {
    // Other Python threads run while the examples pass through the network. Not until the return:
    // that makes a py::array of Y_hat, which touches its count of references.
    const py::gil_scoped_release release;
    if (X.count == 1 && X.starts == nullptr && activated) {
      auto single = net.singles.take([](auto&) { return true; },
                                     [&] { return std::make_unique<SingleExample<T>>(net); });
      single->predict(net, X.data, X.feature_stride, out);
      net.singles.put(std::move(single));
    } else {
      net.with_workspace(std::min(X.count, examples_at_once), Keep::output, [&](Workspace<T>& ws) {
        predict(net, ws, X, threads_now(), out, activated);
      });
    }
  }
  return Y_hat;
}

template <class T>
double loss(BoundNetwork<T>& net, py::object X, py::object y, bool check_finite,
            py::object sample_weight) {
  const Data<T> data(net, X, y, sample_weight, check_finite);
  const py::gil_scoped_release release;  // pure computation on mapped memory
  return net.with_workspace(
      std::min(data.X.count, examples_at_once), Keep::loss,
      [&](Workspace<T>& ws) { return mean_loss(net, ws, data.X, data.y, threads_now()); });
}

template <class T>
py::array_t<T> unpacked(const Panels<T>& panels, Index n, Index m) {
  py::array_t<T> out({m, n});
  unpack(panels, n, 0, m, out.mutable_data());
  return out;
}

/// (loss, grad_theta), and grad_X if `inputs`.
template <class T>
py::tuple gradients(BoundNetwork<T>& net, py::object X, py::object y, bool check_finite,
                    py::object sample_weight, bool inputs) {
  const Data<T> data(net, X, y, sample_weight, check_finite);
  const Index m = data.X.count, n = net.layout().n_inputs();
  py::array_t<T> gradient(net.layout().n_parameters()), grad_X({inputs ? m : 0, n});
  T *const out = gradient.mutable_data(), *const out_X = grad_X.mutable_data();
  double value = 0;
  {
    const py::gil_scoped_release release;  // pure computation on mapped memory
    net.with_workspace(m, inputs ? Keep::inputs : Keep::gradient, [&](Workspace<T>& ws) {
      value = loss_and_gradient(net, ws, data.X, data.y, threads_now(), out);
      if (inputs) unpack(ws.layer(0).grad_H, n, 0, m, out_X);
    });
  }
  if (inputs) return py::make_tuple(value, gradient, grad_X);
  return py::make_tuple(value, gradient);
}

/// (grad_theta, grad_X or None) of a function of the output whose derivatives are `grad` (m, p),
/// with respect to A_L if `of_A`, else to Y_hat.
template <class T>
py::tuple backward(BoundNetwork<T>& net, py::object X_object, py::object grad_object, bool of_A,
                   bool check_finite, bool inputs) {
  const Examples<T> X = map_examples<T>(X_object, net, check_finite);
  const Index m = X.count, n = net.layout().n_inputs(), p = net.layout().n_outputs();
  const char* const name = of_A ? "grad_A" : "grad_Y_hat";
  const py::array grad = require_array<T>(grad_object, name);
  if (grad.ndim() != 2 || grad.shape(0) != m || grad.shape(1) != p)
    throw py::value_error(std::string("`") + name + "` must have shape (" + std::to_string(m) +
                          ", " + std::to_string(p) +
                          "), one row for each example of `X` and one column for each output, "
                          "got shape " +
                          shape_of(grad));
  if (!(grad.flags() & py::array::c_style))
    throw py::value_error(std::string("`") + name +
                          "` must be C-contiguous; convert it with np.ascontiguousarray(" + name +
                          ")");
  if (check_finite && !all_finite(map_matrix<T>(grad)))
    throw py::value_error(std::string("`") + name +
                          "` must be finite, got NaN or infinity; clean it, or pass "
                          "check_finite=False");
  const auto given = of_A ? Derivative::of_A : Derivative::of_Y_hat;
  const T* const from = static_cast<const T*>(grad.data());
  py::array_t<T> gradient(net.layout().n_parameters()), grad_X({inputs ? m : 0, n});
  T *const out = gradient.mutable_data(), *const out_X = grad_X.mutable_data();
  {
    const py::gil_scoped_release release;  // pure computation on mapped memory
    net.with_workspace(m, inputs ? Keep::inputs : Keep::gradient, [&](Workspace<T>& ws) {
      gradient_from_output(net, ws, X, from, given, threads_now(), out);
      if (inputs) unpack(ws.layer(0).grad_H, n, 0, m, out_X);
    });
  }
  return py::make_tuple(gradient, inputs ? py::object(grad_X) : py::object(py::none()));
}

/// d(Y_hat)/d(x) of every example (m, p, n_0).
template <class T>
py::array_t<T> jacobian(BoundNetwork<T>& net, py::object X_object, bool check_finite) {
  const Examples<T> X = map_examples<T>(X_object, net, check_finite);
  py::array_t<T> J({X.count, net.layout().n_outputs(), net.layout().n_inputs()});
  T* const out = J.mutable_data();
  {
    const py::gil_scoped_release release;  // pure computation on mapped memory
    net.with_workspace(std::min(X.count, examples_at_once), Keep::inputs, [&](Workspace<T>& ws) {
      backprop::jacobian(net, ws, X, threads_now(), out);
    });
  }
  return J;
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

/// theta <- theta - lr grad_theta, the whole of X as one batch; returns the loss before.
template <class T>
double descend(BoundNetwork<T>& net, py::object X, py::object y, py::handle lr, bool check_finite,
               py::object sample_weight) {
  const Data<T> data(net, X, y, sample_weight, check_finite);
  const double rate = checked_rate<T>(lr);
  const py::gil_scoped_release release;  // pure computation on mapped memory
  return net.with_workspace(data.X.count, Keep::gradient, [&](Workspace<T>& ws) {
    const FlushDenormals flush;
    const int threads = threads_now();
    ws.reserve_scratch(threads);
    const Batch batch{nullptr, 0, data.X.count};
    const double loss = differentiate(net, ws, data.X, data.y, batch, threads);
    if (std::isfinite(loss)) {
      auto descent = net.descents.take([](auto&) { return true; },
                                       [&] { return std::make_unique<Updater<T>>(net); });
      descent->multiply_and_update(ws, batch.count, 1, rate, threads);
      net.descents.put(std::move(descent));
    }
    return loss;
  });
}

template <class T>
py::dict trace(BoundNetwork<T>& net, py::object X, py::object y, bool check_finite,
               py::object sample_weight) {
  const Data<T> data(net, X, y, sample_weight, check_finite);
  const Index L = net.layout().n_layers(), m = data.X.count;
  py::array_t<T> gradient(net.layout().n_parameters());
  T* const out = gradient.mutable_data();
  Workspace<T> ws(net, m, Keep::trace);
  double value = 0;
  {
    const py::gil_scoped_release release;  // pure computation on mapped memory
    value = loss_and_gradient(net, ws, data.X, data.y, threads_now(), out);
    finish_trace(net, ws, data.y, m);
  }
  py::list A, H, grad_A, grad_H;
  for (Index k = 1; k <= L; ++k) {
    const Index n = net.layout().size(k);
    const Layer<T>& layer = ws.layer(k);
    A.append(unpacked(layer.A, n, m));
    H.append(unpacked(layer.H, n, m));
    grad_A.append(unpacked(layer.grad_A, n, m));
    grad_H.append(unpacked(layer.grad_H, n, m));
  }
  py::dict result;
  result["loss"] = value;
  result["X"] = X;
  result["Y_hat"] = H[static_cast<std::size_t>(L - 1)];
  result["A"] = A;
  result["H"] = H;
  result["grad_A"] = grad_A;
  result["grad_H"] = grad_H;
  result["grad_theta"] = gradient;
  return result;
}

}  // namespace bindings
