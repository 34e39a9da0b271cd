// What becomes of a gradient: a rule receives it as apply(offset in theta, packet, how many of its
// numbers count), tile by tile, while the sums are still in registers. So plain descent needs no
// gradient buffer at all.
// Its upgrades (note 3, "or its upgradations") keep numbers of their own beside each parameter:
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
// t counts the steps from 1. To add one: a struct here and a line in optimizer_table.hpp.
#pragma once

#include <array>
#include <cmath>

#include "backprop/types.hpp"
#include "backprop/vector_math.hpp"

BACKPROP_NAMESPACE_BEGIN

/// theta <- theta - lr grad
template <class T>
struct GradientDescent {
  T* theta;
  T lr;

  void prefetch(Index at) const { __builtin_prefetch(theta + at, 1); }

  EIGEN_ALWAYS_INLINE void apply(Index at, const Packet<T>& grad, Index count) const {
    namespace ei = Eigen::internal;
    const Packet<T> before = load_part(theta + at, count);
    store_part(theta + at, ei::pmadd(ei::pset1<Packet<T>>(-lr), grad, before), count);
  }
};

/// Keeps the gradient, in theta's layout.
template <class T>
struct StoreGradient {
  T* gradient;

  void prefetch(Index at) const { __builtin_prefetch(gradient + at, 1); }

  EIGEN_ALWAYS_INLINE void apply(Index at, const Packet<T>& grad, Index count) const {
    store_part(gradient + at, grad, count);
  }
};

/// A number that tunes an optimizer.
struct Option {
  const char* name;
  double value;      ///< the default
  const char* rule;  ///< what the number must be, in words
  bool (*valid)(double);
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

/// A running mean beta m + (1 - beta) x, as m + (1 - beta) (x - m): one operation less.
template <class P>
EIGEN_ALWAYS_INLINE P next_mean(const P& m, const P& rest, const P& x) {
  namespace ei = Eigen::internal;
  return ei::pmadd(rest, ei::psub(x, m), m);
}
/// The same of squares.
template <class P>
EIGEN_ALWAYS_INLINE P next_mean_square(const P& v, const P& rest, const P& g) {
  namespace ei = Eigen::internal;
  return ei::pmadd(rest, ei::psub(ei::pmul(g, g), v), v);
}

}  // namespace detail

// Each struct below has its name, the names of the arrays it keeps (its state), its options, and
//   - numbers(options, t, lr, decay, c): the numbers of step t, into c; decay is 1 for W, 0 for b
//   - update(theta, g, s, c): one packet of parameters, s being that of each array.

struct Sgd {
  static constexpr const char* name = "sgd";
  static constexpr std::array<const char*, 0> state{};
  static constexpr std::array<Option, 0> options{};
  static void numbers(const double*, double, double lr, double, double* c) { c[0] = -lr; }
  template <class P>
  static void update(P& theta, const P& g, P*, const P* c) {
    theta = Eigen::internal::pmadd(c[0], g, theta);
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
  static void numbers(const double* o, double, double lr, double, double* c) {
    c[0] = o[0];
    c[1] = o[1] != 0 ? -lr : 1;
    c[2] = o[1] != 0 ? 1 : -lr;
  }
  template <class P>
  static void update(P& theta, const P& g, P* s, const P* c) {
    namespace ei = Eigen::internal;
    const P scaled = ei::pmul(c[1], g);
    s[0] = ei::pmadd(c[0], s[0], scaled);
    theta = ei::pmadd(c[2], Nesterov ? ei::pmadd(c[0], s[0], scaled) : s[0], theta);
  }
};

struct AdaGrad {
  static constexpr const char* name = "adagrad";
  static constexpr std::array<const char*, 1> state{"square"};
  static constexpr std::array<Option, 1> options{detail::eps_option(1e-10)};
  static void numbers(const double* o, double, double lr, double, double* c) {
    c[0] = o[0];
    c[1] = -lr;
  }
  template <class P>
  static void update(P& theta, const P& g, P* s, const P* c) {
    namespace ei = Eigen::internal;
    s[0] = ei::pmadd(g, g, s[0]);
    theta = ei::pmadd(c[1], ei::pdiv(g, ei::padd(square_root(s[0]), c[0])), theta);
  }
};

struct RmsProp {
  static constexpr const char* name = "rmsprop";
  static constexpr std::array<const char*, 1> state{"square"};
  static constexpr std::array<Option, 2> options{detail::share_option("alpha", 0.99),
                                                 detail::eps_option(1e-8)};
  static void numbers(const double* o, double, double lr, double, double* c) {
    c[0] = 1 - o[0];
    c[1] = o[1];
    c[2] = -lr;
  }
  template <class P>
  static void update(P& theta, const P& g, P* s, const P* c) {
    namespace ei = Eigen::internal;
    s[0] = detail::next_mean_square(s[0], c[0], g);
    theta = ei::pmadd(c[2], ei::pdiv(g, ei::padd(square_root(s[0]), c[1])), theta);
  }
};

/// With `eps_uncorrected` eps is added to sqrt(v) before the correction of v, as in the paper's
/// section 2 (Kingma & Ba 2015).
template <bool Decoupled>
struct AdamRule {
  static constexpr const char* name = Decoupled ? "adamw" : "adam";
  static constexpr std::array<const char*, 2> state{"mean", "square"};
  static constexpr std::array<Option, 4 + Decoupled> options = [] {
    std::array<Option, 4 + Decoupled> all{
        detail::share_option("beta_1", 0.9), detail::share_option("beta_2", 0.999),
        detail::eps_option(1e-8), Option{"eps_uncorrected", 0, "0 or 1", detail::is_flag}};
    if constexpr (Decoupled) all[4] = detail::decay_option(0.01);
    return all;
  }();
  static void numbers(const double* o, double t, double lr, double decay, double* c) {
    const double root = std::sqrt(1 - std::pow(o[1], t));
    c[0] = 1 - o[0];
    c[1] = 1 - o[1];
    c[2] = o[3] != 0 ? o[2] : o[2] * root;
    c[3] = -lr * root / (1 - std::pow(o[0], t));
    if constexpr (Decoupled) c[4] = 1 - decay * lr * o[4];
  }
  template <class P>
  static void update(P& theta, const P& g, P* s, const P* c) {
    namespace ei = Eigen::internal;
    s[0] = detail::next_mean(s[0], c[0], g);
    s[1] = detail::next_mean_square(s[1], c[1], g);
    const P direction = ei::pdiv(s[0], ei::padd(square_root(s[1]), c[2]));
    theta = ei::pmadd(c[3], direction, Decoupled ? ei::pmul(c[4], theta) : theta);
  }
};

struct Lion {
  static constexpr const char* name = "lion";
  static constexpr std::array<const char*, 1> state{"mean"};
  static constexpr std::array<Option, 3> options{detail::share_option("beta_1", 0.9),
                                                 detail::share_option("beta_2", 0.99),
                                                 detail::decay_option(0)};
  static void numbers(const double* o, double, double lr, double decay, double* c) {
    c[0] = 1 - o[0];
    c[1] = 1 - o[1];
    c[2] = -lr;
    c[3] = 1 - decay * lr * o[2];
  }
  template <class P>
  static void update(P& theta, const P& g, P* s, const P* c) {
    namespace ei = Eigen::internal;
    theta = ei::pmadd(c[2], sign(detail::next_mean(s[0], c[0], g)), ei::pmul(c[3], theta));
    s[0] = detail::next_mean(s[0], c[1], g);
  }
};

BACKPROP_NAMESPACE_END
