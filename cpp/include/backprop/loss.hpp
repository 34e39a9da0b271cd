// Output activation O with its matched loss (docs/note.md, 3 and 4.3.1): the loss and grad_A_L,
// both straight from A_L. Each loss is summed over the p outputs and averaged over the examples, so
// that grad_A_L = share r(A_L, Y):
//
//     output   loss                  loss of one example                   r(a, y)
//     softmax  cross_entropy         sum_i -q_i log y_hat_i                y_hat - q
//     linear   squared_error         sum_i (a_i - y_i)^2 / 2               a - y
//     linear   absolute_error        sum_i |a_i - y_i|                     sign(a - y), 0 at 0
//     linear   huber                 sum_i c_i (a_i - y_i - c_i / 2)       c = a - y cut to delta
//     sigmoid  binary_cross_entropy  sum_i -y_i log y_hat_i                y_hat - y
//                                      - (1 - y_i) log(1 - y_hat_i)
//     exp      poisson               sum_i exp(a_i) - y_i a_i              y_hat - y
//
// q = (1 - smoothing) y + smoothing / p, y being e_l for a class l. The Poisson loss is the
// negative log-likelihood of counts y without its constant log y!.
//
// The loss is never the log of a rounded probability, but comes from A_L by log-sum-exp and
// softplus. `share` holds each example's part of the mean: 1/m, or its weight over the sum of the
// weights, or 0 in lanes past the batch.
//
// For a loss that the caller differentiates, the output alone is turned around: from grad_Y_hat,
// d(loss)/d(Y_hat), to grad_A_L = (dO/da)^T grad_y_hat, column by column:
//
//     softmax  y_hat o (grad_y_hat - grad_y_hat . y_hat)     sigmoid  grad_y_hat o y_hat (1 -
//     y_hat) linear   grad_y_hat                                    exp      grad_y_hat o y_hat
//
// To add a pair: a struct with predict, chain, differentiate and grad_output (or a base class below
// and the last two columns above), and a line in the table.
#pragma once

#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>

#include "backprop/panels.hpp"
#include "backprop/simd.hpp"
#include "backprop/vector_math.hpp"

BACKPROP_NAMESPACE_BEGIN

/// What one packet of examples should have given: classes, or a column of targets in `values`.
template <class T>
struct TargetSlice {
  const std::int32_t* labels;  ///< lanes<T> classes, or null
  const T* values;             ///< p rows, panel_width<T> apart, or null
  const T* share;              ///< lanes<T> parts of the mean
};

/// The number that tunes a loss, where it has one.
struct LossParameter {
  const char* name;  ///< or null
  double value;      ///< the default
  const char* rule;  ///< what the number must be, in words
  bool (*valid)(double);
};

struct SoftmaxCrossEntropy {
  static constexpr const char* output = "softmax";
  static constexpr const char* loss = "cross_entropy";
  static constexpr bool takes_labels = true;
  static constexpr LossParameter parameter{"smoothing", 0.0, "from 0 to 1",
                                           [](double s) { return s >= 0 && s <= 1; }};

  template <class T>
  static void predict(T* a, Index p) {
    const Exponentials<T> e(a, a, p);
    const Packet<T> scale = T(1) / e.sum;
    for (Index i = 0; i < p; ++i) {
      T* at = a + i * panel_width<T>;
      store(at, load(at) * scale);
    }
  }

  template <class T>
  static void chain(const T* y_hat, T* grad, Index p) {
    Packet<T> mean = T(0);
    for (Index i = 0; i < p; ++i) {
      const Index at = i * panel_width<T>;
      mean = fma(load(grad + at), load(y_hat + at), mean);
    }
    for (Index i = 0; i < p; ++i) {
      const Index at = i * panel_width<T>;
      store(grad + at, load(y_hat + at) * (load(grad + at) - mean));
    }
  }

  /// grad <- grad_A_L, and the examples' losses times their share.
  template <class T>
  static Packet<T> differentiate(const T* a, TargetSlice<T> y, T smoothing, T* grad, Index p) {
    const Exponentials<T> e(a, grad, p);
    const Packet<T> log_sum_exp = log(e.sum) + e.maximum;
    const Packet<T> share = load(y.share);
    const Packet<T> keep = T(1) - smoothing;
    const Packet<T> floor = smoothing / static_cast<T>(p);
    if (y.labels != nullptr) {
      const Packet<T> scale = share / e.sum, shift = share * floor;
      for (Index i = 0; i < p; ++i) {
        T* at = grad + i * panel_width<T>;
        store(at, load(at) * scale - shift);
      }
      EIGEN_ALIGN_MAX T a_l[lanes<T>];
      for (Index j = 0; j < lanes<T>; ++j) {
        const Index at = y.labels[j] * panel_width<T> + j;
        a_l[j] = a[at];
        grad[at] -= (T(1) - smoothing) * y.share[j];
      }
      // sum_i q_i a_i, as the q_i add up to 1.
      Packet<T> mean = keep * load(a_l);
      if (smoothing > T(0))
        for (Index i = 0; i < p; ++i) mean = fma(floor, load(a + i * panel_width<T>), mean);
      return share * (log_sum_exp - mean);
    }
    // Soft labels: sum_i q_i (lse - a_i), whose gradient is (sum_i q_i) y_hat - q.
    const auto q = [&](Index i) { return fma(keep, load(y.values + i * panel_width<T>), floor); };
    Packet<T> total = T(0), losses = T(0);
    for (Index i = 0; i < p; ++i) {
      const Packet<T> a_i = load(a + i * panel_width<T>);
      total = total + q(i);
      losses = fma(q(i), log_sum_exp - a_i, losses);
    }
    const Packet<T> scale = total / e.sum;
    for (Index i = 0; i < p; ++i) {
      T* at = grad + i * panel_width<T>;
      const Packet<T> y_hat = load(at) * scale;
      store(at, share * (y_hat - q(i)));
    }
    return share * losses;
  }

  /// dL/dy_hat of one number (4.3.1): -q / y_hat.
  template <class T>
  static T grad_output(T y_hat, T y, T smoothing, Index p) {
    const T q = (T(1) - smoothing) * y + smoothing / static_cast<T>(p);
    return q == T(0) ? T(0) : -q / y_hat;
  }

 private:
  /// exp(a - max) of a column, into `out` (which may be a), with its sum and the maximum.
  template <class T>
  struct Exponentials {
    Packet<T> maximum, sum;
    Exponentials(const T* a, T* out, Index p) {
      maximum = load(a);
      for (Index i = 1; i < p; ++i) maximum = max(maximum, load(a + i * panel_width<T>));
      sum = T(0);
      for (Index i = 0; i < p; ++i) {
        const Packet<T> e = exp(load(a + i * panel_width<T>) - maximum);
        store(out + i * panel_width<T>, e);
        sum = sum + e;
      }
    }
  };
};

/// A loss that is a sum over outputs of f(a, y), with gradient r(a, y).
template <class Self>
struct EachOutput {
  static constexpr bool takes_labels = false;
  static constexpr LossParameter parameter{nullptr, 0.0, nullptr, nullptr};

  template <class T>
  static Packet<T> differentiate(const T* a, TargetSlice<T> y, T tuning, T* grad, Index p) {
    const Packet<T> share = load(y.share), tuned = tuning;
    Packet<T> losses = T(0);
    for (Index i = 0; i < p; ++i) {
      const Packet<T> a_i = load(a + i * panel_width<T>);
      const Packet<T> y_i = load(y.values + i * panel_width<T>);
      losses = losses + Self::f(a_i, y_i, tuned);
      store(grad + i * panel_width<T>, share * Self::r(a_i, y_i, tuned));
    }
    return share * losses;
  }
};

/// Y_hat = A_L, so that the gradient with respect to either is r.
template <class Self>
struct LinearOutput : EachOutput<Self> {
  static constexpr const char* output = "linear";

  template <class T>
  static void predict(T*, Index) {}
  template <class T>
  static void chain(const T*, T*, Index) {}
  template <class T>
  static T grad_output(T y_hat, T y, T tuning, Index) {
    return first(Self::r(Packet<T>(y_hat), Packet<T>(y), Packet<T>(tuning)));
  }
};

struct LinearSquaredError : LinearOutput<LinearSquaredError> {
  static constexpr const char* loss = "squared_error";

  template <class T>
  static Packet<T> r(const Packet<T>& a, const Packet<T>& y, const Packet<T>&) {
    return a - y;
  }
  template <class T>
  static Packet<T> f(const Packet<T>& a, const Packet<T>& y, const Packet<T>&) {
    const Packet<T> r = a - y;
    return T(0.5) * (r * r);
  }
};

struct LinearAbsoluteError : LinearOutput<LinearAbsoluteError> {
  static constexpr const char* loss = "absolute_error";

  template <class T>
  static Packet<T> r(const Packet<T>& a, const Packet<T>& y, const Packet<T>&) {
    const Packet<T> one = T(1);
    return ((y < a) & one) - ((a < y) & one);
  }
  template <class T>
  static Packet<T> f(const Packet<T>& a, const Packet<T>& y, const Packet<T>&) {
    return abs(a - y);
  }
};

/// Squared error up to delta, and growing with slope delta from there.
struct LinearHuber : LinearOutput<LinearHuber> {
  static constexpr const char* loss = "huber";
  static constexpr LossParameter parameter{"delta", 1.0, "positive and finite",
                                           [](double d) { return d > 0 && std::isfinite(d); }};

  template <class T>
  static Packet<T> r(const Packet<T>& a, const Packet<T>& y, const Packet<T>& delta) {
    return max(min(a - y, delta), -delta);
  }
  template <class T>
  static Packet<T> f(const Packet<T>& a, const Packet<T>& y, const Packet<T>& delta) {
    const Packet<T> cut = r(a, y, delta);
    return cut * (a - y - T(0.5) * cut);
  }
};

/// Y_hat = o(A_L), output by output.
template <class Self>
struct ElementwiseOutput : EachOutput<Self> {
  template <class T>
  static void predict(T* a, Index p) {
    for (Index i = 0; i < p; ++i) {
      T* at = a + i * panel_width<T>;
      store(at, Self::o(load(at)));
    }
  }
  template <class T>
  static void chain(const T* y_hat, T* grad, Index p) {
    for (Index i = 0; i < p; ++i) {
      const Index at = i * panel_width<T>;
      store(grad + at, load(grad + at) * Self::slope(load(y_hat + at)));
    }
  }
  template <class T>
  static Packet<T> r(const Packet<T>& a, const Packet<T>& y, const Packet<T>&) {
    return Self::o(a) - y;
  }
};

struct SigmoidBinaryCrossEntropy : ElementwiseOutput<SigmoidBinaryCrossEntropy> {
  static constexpr const char* output = "sigmoid";
  static constexpr const char* loss = "binary_cross_entropy";

  template <class T>
  static Packet<T> o(const Packet<T>& a) {
    return logistic(a);
  }
  template <class T>
  static Packet<T> slope(const Packet<T>& y_hat) {
    return y_hat - y_hat * y_hat;
  }
  /// -y log y_hat - (1 - y) log(1 - y_hat); softplus(a) - a y would cancel where the network is
  /// sure.
  template <class T>
  static Packet<T> f(const Packet<T>& a, const Packet<T>& y, const Packet<T>&) {
    return fma(y, softplus(-a), (T(1) - y) * softplus(a));
  }
  template <class T>
  static T grad_output(T y_hat, T y, T, Index) {
    // Where y is 0 or 1 one term is 0, whatever y_hat has been rounded to.
    return (y == T(0) ? T(0) : -y / y_hat) + (y == T(1) ? T(0) : (T(1) - y) / (T(1) - y_hat));
  }
};

struct ExpPoisson : ElementwiseOutput<ExpPoisson> {
  static constexpr const char* output = "exp";
  static constexpr const char* loss = "poisson";

  template <class T>
  static Packet<T> o(const Packet<T>& a) {
    return exponential(a);
  }
  template <class T>
  static Packet<T> slope(const Packet<T>& y_hat) {
    return y_hat;
  }
  template <class T>
  static Packet<T> f(const Packet<T>& a, const Packet<T>& y, const Packet<T>&) {
    return exponential(a) - a * y;
  }
  template <class T>
  static T grad_output(T y_hat, T y, T, Index) {
    return T(1) - y / y_hat;
  }
};

/// An output/loss pair as the output layer calls it, on one packet of examples (p rows).
template <class T>
class Loss {
 public:
  const char* output;
  const char* name;
  bool takes_labels;
  LossParameter parameter;
  /// a <- Y_hat
  void (*predict)(T* a, Index p);
  /// grad_Y_hat -> grad_A_L, in place
  void (*chain)(const T* y_hat, T* grad, Index p);

  /// grad <- grad_A_L; returns the sum over the lanes of loss times share
  double differentiate(const T* a, TargetSlice<T> y, T* grad, Index p) const {
    return differentiate_(a, y, static_cast<T>(parameter.value), grad, p);
  }
  /// d(loss of one example)/d(one y_hat), for the trace
  T grad_output(T y_hat, T y, Index p) const {
    return grad_output_(y_hat, y, static_cast<T>(parameter.value), p);
  }

  double (*differentiate_)(const T* a, TargetSlice<T> y, T parameter, T* grad, Index p);
  T (*grad_output_)(T y_hat, T y, T parameter, Index p);
};

namespace detail {

template <class T, class Pair>
constexpr Loss<T> loss_row() {
  return {
      Pair::output,
      Pair::loss,
      Pair::takes_labels,
      Pair::parameter,
      [](T* a, Index p) { Pair::predict(a, p); },
      [](const T* y_hat, T* grad, Index p) { Pair::chain(y_hat, grad, p); },
      [](const T* a, TargetSlice<T> y, T parameter, T* grad, Index p) {
        EIGEN_ALIGN_MAX T losses[lanes<T>];
        store(losses, Pair::differentiate(a, y, parameter, grad, p));
        double sum = 0;
        for (Index j = 0; j < lanes<T>; ++j) sum += static_cast<double>(losses[j]);
        return sum;
      },
      [](T y_hat, T y, T parameter, Index p) { return Pair::grad_output(y_hat, y, parameter, p); }};
}

}  // namespace detail

template <class T>
constexpr Loss<T> losses[] = {
    detail::loss_row<T, SoftmaxCrossEntropy>(),       detail::loss_row<T, LinearSquaredError>(),
    detail::loss_row<T, LinearAbsoluteError>(),       detail::loss_row<T, LinearHuber>(),
    detail::loss_row<T, SigmoidBinaryCrossEntropy>(), detail::loss_row<T, ExpPoisson>(),
};

/// The pair of these names, tuned by `parameter` if that is given.
template <class T>
Loss<T> find_loss(const std::string& output, const std::string& loss,
                  std::optional<double> parameter) {
  std::string known;
  for (Loss<T> pair : losses<T>) {
    known += (known.empty() ? "" : ", ") + std::string(pair.output) + " with " + pair.name;
    if (output != pair.output || loss != pair.name) continue;
    if (!parameter) return pair;
    if (pair.parameter.name == nullptr)
      throw std::invalid_argument("`loss_parameter` must be left out for " + loss +
                                  ", which has no parameter, got " + std::to_string(*parameter));
    if (!pair.parameter.valid(*parameter))
      throw std::invalid_argument("`loss_parameter`, the " + std::string(pair.parameter.name) +
                                  " of " + loss + ", must be " + pair.parameter.rule + ", got " +
                                  std::to_string(*parameter));
    pair.parameter.value = *parameter;
    return pair;
  }
  throw std::invalid_argument("`output` and `loss` must be one of the pairs " + known + "; got '" +
                              output + "' with '" + loss + "'");
}

BACKPROP_NAMESPACE_END
