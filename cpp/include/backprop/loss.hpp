// Output activation O with its matched loss: the loss and grad_A_L, both straight from A_L.
//
//     softmax, cross-entropy            mean of -log y_hat_l              grad_A_L = (Y_hat - E) /
//     m linear, squared error             1/2 mean of ||y_hat - y||^2       grad_A_L = (Y_hat - Y)
//     / m sigmoid, binary cross-entropy     mean of sum_i BCE(y_hat_i, y_i)   grad_A_L = (Y_hat -
//     Y) / m
//
// Never the log of a rounded probability: log-sum-exp and softplus of A_L instead. To add a pair: a
// struct with the two functions below and a line in the table. `share` holds each example's part of
// the mean (1/m, or 0 in lanes past the batch).
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "backprop/activation.hpp"
#include "backprop/types.hpp"

BACKPROP_NAMESPACE_BEGIN

/// What one packet of examples should have given: classes, or a column of targets in `values`.
template <class T>
struct TargetSlice {
  const std::int32_t* labels;  ///< lanes<T> classes, or null
  const T* values;             ///< p rows, panel_width<T> apart, or null
  const T* share;              ///< lanes<T> parts of the mean
};

struct SoftmaxCrossEntropy {
  static constexpr const char* output = "softmax";
  static constexpr const char* loss = "cross_entropy";
  static constexpr bool takes_labels = true;

  template <class T>
  static void predict(T* a, Index p) {
    namespace ei = Eigen::internal;
    const Exponentials<T> e(a, a, p);
    const Packet<T> scale = ei::pdiv(constant<Packet<T>>(1.0), e.sum);
    for (Index i = 0; i < p; ++i) {
      T* at = a + i * panel_width<T>;
      ei::pstore(at, ei::pmul(ei::pload<Packet<T>>(at), scale));
    }
  }

  /// grad <- grad_A_L, and the examples' losses times their share.
  template <class T>
  static Packet<T> differentiate(const T* a, TargetSlice<T> y, T* grad, Index p) {
    namespace ei = Eigen::internal;
    const Exponentials<T> e(a, grad, p);
    const Packet<T> log_sum_exp = ei::padd(ei::plog(e.sum), e.maximum);
    const Packet<T> share = ei::pload<Packet<T>>(y.share);
    if (y.labels != nullptr) {
      const Packet<T> scale = ei::pdiv(share, e.sum);
      for (Index i = 0; i < p; ++i) {
        T* at = grad + i * panel_width<T>;
        ei::pstore(at, ei::pmul(ei::pload<Packet<T>>(at), scale));
      }
      EIGEN_ALIGN_MAX T a_l[lanes<T>];
      for (Index j = 0; j < lanes<T>; ++j) {
        const Index at = y.labels[j] * panel_width<T> + j;
        a_l[j] = a[at];
        grad[at] -= y.share[j];
      }
      return ei::pmul(share, ei::psub(log_sum_exp, ei::pload<Packet<T>>(a_l)));
    }
    // Soft labels: sum_i y_i (lse - a_i), whose gradient is (sum_i y_i) y_hat - y.
    const Packet<T> zero = ei::pset1<Packet<T>>(T(0));
    Packet<T> total = zero, losses = zero;
    for (Index i = 0; i < p; ++i) {
      const Packet<T> target = ei::pload<Packet<T>>(y.values + i * panel_width<T>);
      const Packet<T> a_i = ei::pload<Packet<T>>(a + i * panel_width<T>);
      total = ei::padd(total, target);
      losses = ei::pmadd(target, ei::psub(log_sum_exp, a_i), losses);
    }
    const Packet<T> scale = ei::pdiv(total, e.sum);
    for (Index i = 0; i < p; ++i) {
      T* at = grad + i * panel_width<T>;
      const Packet<T> target = ei::pload<Packet<T>>(y.values + i * panel_width<T>);
      const Packet<T> y_hat = ei::pmul(ei::pload<Packet<T>>(at), scale);
      ei::pstore(at, ei::pmul(share, ei::psub(y_hat, target)));
    }
    return ei::pmul(share, losses);
  }

  /// dL/dy_hat of one number (4.3.1): -y / y_hat.
  template <class T>
  static T grad_output(T y_hat, T y) {
    return y == T(0) ? T(0) : -y / y_hat;
  }

 private:
  /// exp(a - max) of a column, into `out` (which may be a), with its sum and the maximum.
  template <class T>
  struct Exponentials {
    Packet<T> maximum, sum;
    Exponentials(const T* a, T* out, Index p) {
      namespace ei = Eigen::internal;
      maximum = ei::pload<Packet<T>>(a);
      for (Index i = 1; i < p; ++i)
        maximum = ei::pmax(maximum, ei::pload<Packet<T>>(a + i * panel_width<T>));
      sum = ei::pset1<Packet<T>>(T(0));
      for (Index i = 0; i < p; ++i) {
        const Packet<T> e =
            ei::pexp(ei::psub(ei::pload<Packet<T>>(a + i * panel_width<T>), maximum));
        ei::pstore(out + i * panel_width<T>, e);
        sum = ei::padd(sum, e);
      }
    }
  };
};

namespace detail {

/// Losses that are a sum over outputs of f(a, y), with gradient r(a, y).
template <class Pair, class T>
Packet<T> differentiate_each(const T* a, TargetSlice<T> y, T* grad, Index p) {
  namespace ei = Eigen::internal;
  const Packet<T> share = ei::pload<Packet<T>>(y.share);
  Packet<T> losses = ei::pset1<Packet<T>>(T(0));
  for (Index i = 0; i < p; ++i) {
    const Packet<T> a_i = ei::pload<Packet<T>>(a + i * panel_width<T>);
    const Packet<T> y_i = ei::pload<Packet<T>>(y.values + i * panel_width<T>);
    losses = ei::padd(losses, Pair::f(a_i, y_i));
    ei::pstore(grad + i * panel_width<T>, ei::pmul(share, Pair::r(a_i, y_i)));
  }
  return ei::pmul(share, losses);
}

}  // namespace detail

struct LinearSquaredError {
  static constexpr const char* output = "linear";
  static constexpr const char* loss = "squared_error";
  static constexpr bool takes_labels = false;

  template <class T>
  static void predict(T*, Index) {}

  template <class P>
  static P r(const P& a, const P& y) {
    return Eigen::internal::psub(a, y);
  }
  template <class P>
  static P f(const P& a, const P& y) {
    namespace ei = Eigen::internal;
    return ei::pmul(constant<P>(0.5), ei::pmul(r(a, y), r(a, y)));
  }
  template <class T>
  static Packet<T> differentiate(const T* a, TargetSlice<T> y, T* grad, Index p) {
    return detail::differentiate_each<LinearSquaredError>(a, y, grad, p);
  }
  template <class T>
  static T grad_output(T y_hat, T y) {
    return y_hat - y;
  }
};

struct SigmoidBinaryCrossEntropy {
  static constexpr const char* output = "sigmoid";
  static constexpr const char* loss = "binary_cross_entropy";
  static constexpr bool takes_labels = false;

  template <class T>
  static void predict(T* a, Index p) {
    activation_row_forward<T>(a, p);
  }

  template <class P>
  static P r(const P& a, const P& y) {
    return Eigen::internal::psub(logistic(a), y);
  }
  /// -y log y_hat - (1 - y) log(1 - y_hat) = softplus(a) - a y
  template <class P>
  static P f(const P& a, const P& y) {
    namespace ei = Eigen::internal;
    return ei::psub(softplus(a), ei::pmul(a, y));
  }
  template <class T>
  static Packet<T> differentiate(const T* a, TargetSlice<T> y, T* grad, Index p) {
    return detail::differentiate_each<SigmoidBinaryCrossEntropy>(a, y, grad, p);
  }
  template <class T>
  static T grad_output(T y_hat, T y) {
    return (y_hat - y) / (y_hat * (T(1) - y_hat));
  }

 private:
  template <class T>
  static void activation_row_forward(T* a, Index p) {
    namespace ei = Eigen::internal;
    for (Index i = 0; i < p; ++i) {
      T* at = a + i * panel_width<T>;
      ei::pstore(at, logistic(ei::pload<Packet<T>>(at)));
    }
  }
};

/// An output/loss pair as the output layer calls it, on one packet of examples (p rows).
template <class T>
struct Loss {
  const char* output;
  const char* name;
  bool takes_labels;
  /// a <- Y_hat
  void (*predict)(T* a, Index p);
  /// grad <- grad_A_L; returns the sum over the lanes of loss times share
  double (*differentiate)(const T* a, TargetSlice<T> y, T* grad, Index p);
  /// d(loss of one example)/d(one y_hat), for the trace
  T (*grad_output)(T y_hat, T y);
};

namespace detail {

template <class T, class Pair>
constexpr Loss<T> loss_row() {
  return {Pair::output,
          Pair::loss,
          Pair::takes_labels,
          [](T* a, Index p) { Pair::predict(a, p); },
          [](const T* a, TargetSlice<T> y, T* grad, Index p) {
            EIGEN_ALIGN_MAX T losses[lanes<T>];
            Eigen::internal::pstore(losses, Pair::differentiate(a, y, grad, p));
            double sum = 0;
            for (Index j = 0; j < lanes<T>; ++j) sum += static_cast<double>(losses[j]);
            return sum;
          },
          [](T y_hat, T y) { return Pair::grad_output(y_hat, y); }};
}

}  // namespace detail

template <class T>
constexpr Loss<T> losses[] = {
    detail::loss_row<T, SoftmaxCrossEntropy>(),
    detail::loss_row<T, LinearSquaredError>(),
    detail::loss_row<T, SigmoidBinaryCrossEntropy>(),
};

template <class T>
const Loss<T>& find_loss(std::string_view output, std::string_view loss) {
  std::string known;
  for (const auto& pair : losses<T>) {
    if (output == pair.output && loss == pair.name) return pair;
    known += std::string(known.empty() ? "" : ", ") + pair.output + " with " + pair.name;
  }
  throw std::invalid_argument("`output` and `loss` must be one of the pairs " + known + "; got '" +
                              std::string(output) + "' with '" + std::string(loss) + "'");
}

BACKPROP_NAMESPACE_END
