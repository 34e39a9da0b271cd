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

}  // namespace bindings
