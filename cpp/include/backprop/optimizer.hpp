// Gradient descent and its upgrades (docs/note.md, 3, "or its upgradations"), which keep numbers of
// their own beside each parameter:
//
//     sgd        theta <- theta - lr g
//     momentum   v <- mu v + g,                        theta <- theta - lr v
//     nesterov   v <- mu v + g,                        theta <- theta - lr (g + mu v)
//     adagrad    v <- v + g^2,                         theta <- theta - lr g / (sqrt(v) + eps)
//     rmsprop    v <- alpha v + (1 - alpha) g^2,       theta <- theta - lr g / (sqrt(v) + eps)
//     adam       m <- beta_1 m + (1 - beta_1) g, v <- beta_2 v + (1 - beta_2) g^2,
//                theta <- theta - lr m^ / (sqrt(v^) + eps), m^ = m / (1 - beta_1^t), v^ likewise
//     adamw      theta <- (1 - lr lambda) theta for W, then adam
//     lion       theta <- theta - lr (sign(beta_1 m + (1 - beta_1) g) + lambda theta), lambda for W
//                only, m <- beta_2 m + (1 - beta_2) g
//
// t counts the steps from 1. Each struct below is the arithmetic of one of them:
//   - name, state (the names of the arrays it keeps) and options (with their defaults)
//   - constants(options, step): the numbers that all parameters of a step share, computed in double
//   - update(theta, g, s, c): one packet of parameters, whose state is s
//
// To add one: a struct here and a line in the table of update.hpp.
#pragma once

#include <array>
#include <cmath>

#include "backprop/simd.hpp"
#include "backprop/vector_math.hpp"

BACKPROP_NAMESPACE_BEGIN

/// A number that tunes an optimizer.
struct Option {
  const char* name;
  double value;      ///< the default
  const char* rule;  ///< what the number must be, in words
  bool (*valid)(double);
};

/// What a step is, for an optimizer.
struct StepNumbers {
  double t;   ///< its number, from 1
  double lr;  ///< the learning rate
  bool of_W;  ///< whether the parameters are weights; decay leaves biases alone
};

namespace detail {

inline constexpr auto is_share = [](double x) { return x >= 0 && x < 1; };
inline constexpr auto is_flag = [](double x) { return x == 0 || x == 1; };
inline constexpr auto is_not_negative = [](double x) { return x >= 0 && std::isfinite(x); };

constexpr Option share_option(const char* name, double value) {
  return {name, value, "at least 0 and less than 1", is_share};
}
constexpr Option eps_option(double value) {
  return {"eps", value, "finite and not negative", is_not_negative};
}
constexpr Option decay_option(double value) {
  return {"weight_decay", value, "finite and not negative", is_not_negative};
}

/// A running mean beta m + (1 - beta) x, as m + (1 - beta) (x - m), which is one operation less.
template <class T>
BACKPROP_INLINE Packet<T> next_mean(const Packet<T>& m, T one_minus_beta, const Packet<T>& x) {
  return fma(one_minus_beta, x - m, m);
}
/// The same of squares.
template <class T>
BACKPROP_INLINE Packet<T> next_mean_square(const Packet<T>& v, T one_minus_beta,
                                           const Packet<T>& g) {
  return fma(one_minus_beta, g * g - v, v);
}

}  // namespace detail

struct Sgd {
  static constexpr const char* name = "sgd";
  static constexpr std::array<const char*, 0> state{};
  static constexpr std::array<Option, 0> options{};
  template <class T>
  struct Constants {
    T minus_lr;
  };
  template <class T>
  static Constants<T> constants(const double*, StepNumbers step) {
    return {static_cast<T>(-step.lr)};
  }
  template <class T>
  static BACKPROP_INLINE void update(Packet<T>& theta, const Packet<T>& g, Packet<T>*,
                                     const Constants<T>& c) {
    theta = fma(c.minus_lr, g, theta);
  }
};

/// With `lr_in_velocity` v <- mu v - lr g and theta <- theta + v instead, which differs where lr
/// changes.
template <bool Nesterov>
struct Velocity {
  static constexpr const char* name = Nesterov ? "nesterov" : "momentum";
  static constexpr std::array<const char*, 1> state{"momentum"};
  static constexpr std::array<Option, 2> options{detail::share_option("momentum", 0.9),
                                                 {"lr_in_velocity", 0, "0 or 1", detail::is_flag}};
  template <class T>
  struct Constants {
    T momentum, of_gradient, of_velocity;
  };
  template <class T>
  static Constants<T> constants(const double* option, StepNumbers step) {
    const auto [momentum, lr_in_velocity] = std::array<double, 2>{option[0], option[1]};
    return {static_cast<T>(momentum), static_cast<T>(lr_in_velocity != 0 ? -step.lr : 1),
            static_cast<T>(lr_in_velocity != 0 ? 1 : -step.lr)};
  }
  template <class T>
  static BACKPROP_INLINE void update(Packet<T>& theta, const Packet<T>& g, Packet<T>* s,
                                     const Constants<T>& c) {
    Packet<T>& v = s[0];
    const Packet<T> scaled = c.of_gradient * g;
    v = fma(c.momentum, v, scaled);
    theta = fma(c.of_velocity, Nesterov ? fma(c.momentum, v, scaled) : v, theta);
  }
};

struct AdaGrad {
  static constexpr const char* name = "adagrad";
  static constexpr std::array<const char*, 1> state{"square"};
  static constexpr std::array<Option, 1> options{detail::eps_option(1e-10)};
  template <class T>
  struct Constants {
    T eps, minus_lr;
  };
  template <class T>
  static Constants<T> constants(const double* option, StepNumbers step) {
    return {static_cast<T>(option[0]), static_cast<T>(-step.lr)};
  }
  template <class T>
  static BACKPROP_INLINE void update(Packet<T>& theta, const Packet<T>& g, Packet<T>* s,
                                     const Constants<T>& c) {
    Packet<T>& v = s[0];
    v = fma(g, g, v);
    theta = fma(c.minus_lr, g / (square_root(v) + c.eps), theta);
  }
};

struct RmsProp {
  static constexpr const char* name = "rmsprop";
  static constexpr std::array<const char*, 1> state{"square"};
  static constexpr std::array<Option, 2> options{detail::share_option("alpha", 0.99),
                                                 detail::eps_option(1e-8)};
  template <class T>
  struct Constants {
    T one_minus_alpha, eps, minus_lr;
  };
  template <class T>
  static Constants<T> constants(const double* option, StepNumbers step) {
    const auto [alpha, eps] = std::array<double, 2>{option[0], option[1]};
    return {static_cast<T>(1 - alpha), static_cast<T>(eps), static_cast<T>(-step.lr)};
  }
  template <class T>
  static BACKPROP_INLINE void update(Packet<T>& theta, const Packet<T>& g, Packet<T>* s,
                                     const Constants<T>& c) {
    Packet<T>& v = s[0];
    v = detail::next_mean_square(v, c.one_minus_alpha, g);
    theta = fma(c.minus_lr, g / (square_root(v) + c.eps), theta);
  }
};

/// The corrections of m and v are numbers of the step, so they go into `rate` and `eps`:
/// m^ / (sqrt(v^) + eps) = root / (1 - beta_1^t) m / (sqrt(v) + eps root), root = sqrt(1 -
/// beta_2^t). With `eps_uncorrected` eps is added to sqrt(v) before the correction of v, as in the
/// paper's section 2 (Kingma & Ba 2015).
template <bool Decoupled>
struct AdamOf {
  static constexpr const char* name = Decoupled ? "adamw" : "adam";
  static constexpr std::array<const char*, 2> state{"mean", "square"};
  static constexpr std::array<Option, 4 + Decoupled> options = [] {
    std::array<Option, 4 + Decoupled> all{
        detail::share_option("beta_1", 0.9), detail::share_option("beta_2", 0.999),
        detail::eps_option(1e-8), Option{"eps_uncorrected", 0, "0 or 1", detail::is_flag}};
    if constexpr (Decoupled) all[4] = detail::decay_option(0.01);
    return all;
  }();
  template <class T>
  struct Constants {
    T one_minus_beta_1, one_minus_beta_2, eps, rate;
    T kept;  ///< what the decay leaves of theta
  };
  template <class T>
  static Constants<T> constants(const double* option, StepNumbers step) {
    const auto [beta_1, beta_2, eps, eps_uncorrected] =
        std::array<double, 4>{option[0], option[1], option[2], option[3]};
    const double root = std::sqrt(1 - std::pow(beta_2, step.t));
    const double decay = Decoupled && step.of_W ? option[options.size() - 1] : 0;
    return {static_cast<T>(1 - beta_1), static_cast<T>(1 - beta_2),
            static_cast<T>(eps_uncorrected != 0 ? eps : eps * root),
            static_cast<T>(-step.lr * root / (1 - std::pow(beta_1, step.t))),
            static_cast<T>(1 - step.lr * decay)};
  }
  template <class T>
  static BACKPROP_INLINE void update(Packet<T>& theta, const Packet<T>& g, Packet<T>* s,
                                     const Constants<T>& c) {
    Packet<T>&m = s[0], &v = s[1];
    m = detail::next_mean(m, c.one_minus_beta_1, g);
    v = detail::next_mean_square(v, c.one_minus_beta_2, g);
    const Packet<T> direction = m / (square_root(v) + c.eps);
    theta = fma(c.rate, direction, Decoupled ? c.kept * theta : theta);
  }
};

struct Lion {
  static constexpr const char* name = "lion";
  static constexpr std::array<const char*, 1> state{"mean"};
  static constexpr std::array<Option, 3> options{detail::share_option("beta_1", 0.9),
                                                 detail::share_option("beta_2", 0.99),
                                                 detail::decay_option(0)};
  template <class T>
  struct Constants {
    T one_minus_beta_1, one_minus_beta_2, minus_lr;
    T kept;  ///< what the decay leaves of theta
  };
  template <class T>
  static Constants<T> constants(const double* option, StepNumbers step) {
    const auto [beta_1, beta_2, decay] = std::array<double, 3>{option[0], option[1], option[2]};
    return {static_cast<T>(1 - beta_1), static_cast<T>(1 - beta_2), static_cast<T>(-step.lr),
            static_cast<T>(1 - step.lr * (step.of_W ? decay : 0))};
  }
  template <class T>
  static BACKPROP_INLINE void update(Packet<T>& theta, const Packet<T>& g, Packet<T>* s,
                                     const Constants<T>& c) {
    Packet<T>& m = s[0];
    const Packet<T> direction = sign(detail::next_mean(m, c.one_minus_beta_1, g));
    theta = fma(c.minus_lr, direction, c.kept * theta);
    m = detail::next_mean(m, c.one_minus_beta_2, g);
  }
};

BACKPROP_NAMESPACE_END
