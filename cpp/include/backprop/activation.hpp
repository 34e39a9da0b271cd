// Activations g and their derivatives, one small struct each (note 2 and 6.1).
//
// To add one: a line in the table, and a struct with its name and
//   - g(a) and backward(h, grad_h) = grad_h g'(a), where g' can be written from the output h =
//   g(a);
//   - g(a, slope), slope <- g'(a), where it cannot: the forward pass then stores g'(A).
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "backprop/types.hpp"
#include "backprop/vector_math.hpp"

BACKPROP_NAMESPACE_BEGIN

struct Linear {
  static constexpr const char* name = "linear";
  template <class P>
  static P g(const P& a) {
    return a;
  }
  template <class P>
  static P backward(const P&, const P& grad_h) {
    return grad_h;
  }
};

struct Relu {
  static constexpr const char* name = "relu";
  template <class P>
  static P g(const P& a) {
    // This order of arguments lets a NaN through, so that a diverged network is noticed.
    return Eigen::internal::pmax(a, Eigen::internal::pzero(a));
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    return ei::pand(ei::pcmp_lt(ei::pzero(h), h), grad_h);
  }
};

struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  template <class P>
  static P g(const P& a) {
    return logistic(a);
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    return ei::pmul(grad_h, ei::psub(h, ei::pmul(h, h)));
  }
};

struct Tanh {
  static constexpr const char* name = "tanh";
  template <class P>
  static P g(const P& a) {
    return hyperbolic_tangent(a);
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    return ei::psub(grad_h, ei::pmul(grad_h, ei::pmul(h, h)));
  }
};

/// a, or a / 100 below 0.
struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  template <class P>
  static P g(const P& a) {
    return Eigen::internal::pmax(a, Eigen::internal::pmul(constant<P>(0.01), a));
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    return ei::pselect(ei::pcmp_lt(ei::pzero(h), h), grad_h, ei::pmul(constant<P>(0.01), grad_h));
  }
};

/// scale a above 0, scale alpha (exp(a) - 1) below.
template <class Self>
struct ExponentialLinear {
  template <class P>
  static P g(const P& a) {
    namespace ei = Eigen::internal;
    const P zero = ei::pzero(a);
    const P below =
        ei::pmul(constant<P>(Self::scale * Self::alpha), exponential_minus_1(ei::pmin(a, zero)));
    return ei::pselect(ei::pcmp_lt(zero, a), ei::pmul(constant<P>(Self::scale), a), below);
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    const P slope = ei::pselect(ei::pcmp_lt(ei::pzero(h), h), constant<P>(Self::scale),
                                ei::padd(h, constant<P>(Self::scale * Self::alpha)));
    return ei::pmul(slope, grad_h);
  }
};

struct Elu : ExponentialLinear<Elu> {
  static constexpr const char* name = "elu";
  static constexpr double scale = 1, alpha = 1;
};

/// Klambauer et al.'s constants, with which activations tend to mean 0 and variance 1.
struct Selu : ExponentialLinear<Selu> {
  static constexpr const char* name = "selu";
  static constexpr double scale = 1.0507009873554805, alpha = 1.6732632423543772;
};

/// log(1 + exp(a)), whose slope is 1 - exp(-h).
struct Softplus {
  static constexpr const char* name = "softplus";
  template <class P>
  static P g(const P& a) {
    return softplus(a);
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    return ei::pmul(ei::pnegate(exponential_minus_1(ei::pnegate(h))), grad_h);
  }
};

/// a between -1 and 1; flat outside, and at both ends.
struct HardTanh {
  static constexpr const char* name = "hard_tanh";
  template <class P>
  static P g(const P& a) {
    namespace ei = Eigen::internal;
    return ei::pmax(ei::pmin(a, constant<P>(1.0)), constant<P>(-1.0));
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    return ei::pand(ei::pcmp_lt(ei::pabs(h), constant<P>(1.0)), grad_h);
  }
};

/// a Phi(a), Phi the normal distribution: Phi(a) = (1 + erf(a / sqrt 2)) / 2.
struct Gelu {
  static constexpr const char* name = "gelu";
  template <class P>
  static P g(const P& a, P& slope) {
    namespace ei = Eigen::internal;
    const NormalTail<P> normal(ei::pabs(a));
    const P phi = ei::pselect(ei::pcmp_lt(a, ei::pzero(a)), normal.tail,
                              ei::psub(constant<P>(1.0), normal.tail));
    const P density = ei::pmul(constant<P>(0.3989422804014327), normal.gaussian);
    slope = ei::pmadd(a, density, phi);
    return ei::pmul(a, phi);
  }
};

/// a (1 + tanh u) / 2 = a sigmoid(2u), u = sqrt(2 / pi) (a + 0.044715 a^3).
struct GeluTanh {
  static constexpr const char* name = "gelu_tanh";
  template <class P>
  static P g(const P& a, P& slope) {
    namespace ei = Eigen::internal;
    // 2u = a (linear + cubic a^2); outside of these bounds sigmoid(2u) is 0 or 1.
    const P linear = constant<P>(1.5957691216057308), cubic = constant<P>(0.07135481627260025);
    const P x = ei::pmax(ei::pmin(a, constant<P>(25.0)), constant<P>(-25.0));
    const P x2 = ei::pmul(x, x);
    const P s = logistic(ei::pmul(x, ei::pmadd(cubic, x2, linear)));
    const P u_slope = ei::pmadd(ei::pmul(constant<P>(3.0), cubic), x2, linear);
    slope = ei::pmadd(ei::pmul(x, u_slope), ei::psub(s, ei::pmul(s, s)), s);
    return ei::pmul(a, s);
  }
};

/// a sigmoid(a), also called swish.
struct Silu {
  static constexpr const char* name = "silu";
  template <class P>
  static P g(const P& a, P& slope) {
    namespace ei = Eigen::internal;
    const P s = logistic(a);
    const P h = ei::pmul(a, s);
    slope = ei::pmadd(h, ei::psub(constant<P>(1.0), s), s);
    return h;
  }
};

/// a tanh(softplus(a)) = a n / (n + 2), n = e (e + 2), e = exp(a).
struct Mish {
  static constexpr const char* name = "mish";
  template <class P>
  static P g(const P& a, P& slope) {
    namespace ei = Eigen::internal;
    const P one = constant<P>(1.0), two = constant<P>(2.0);
    // The quotient is 1 to the last bit from 20 on; the bound keeps n^2 finite.
    const P x = ei::pmin(a, constant<P>(20.0));
    const P e = ei::pexp(x);
    const P n = ei::pmul(e, ei::padd(e, two));
    const P reciprocal = ei::pdiv(one, ei::padd(n, two));
    const P t = ei::pmul(n, reciprocal);
    // a sigmoid(a) (1 - t^2) = 4 a e (e + 1) / (n + 2)^2
    const P root = ei::pmul(two, reciprocal);
    const P rest = ei::pmul(ei::pmul(e, ei::padd(e, one)), ei::pmul(root, root));
    slope = ei::pmadd(x, rest, t);
    return ei::pmul(a, t);
  }
};

/// An activation as the layers call it, on `rows` rows of one panel, `packets` packets a row.
template <class T>
struct Activation {
  const char* name;
  /// a <- g(a), and slope <- g'(a) unless it is null
  void (*forward)(T* a, T* slope, Index rows, Index packets);
  /// grad <- grad * g'(a), from h = g(a); null where that takes the stored slope
  void (*backward)(const T* h, T* grad, Index rows, Index packets);
};

namespace detail {

template <class T, class F>
void for_each_packet(Index rows, Index packets, F&& f) {
  const Index step = packets == 2 ? lanes<T> : panel_width<T>;
  for (Index i = 0; i < rows * panel_width<T>; i += step) f(i);
}

/// Whether g' can be written from the output.
template <class G, class = void>
constexpr bool from_output = false;
template <class G>
constexpr bool from_output<G, std::void_t<decltype(G::backward(0.0, 0.0))>> = true;

template <class G, class P>
EIGEN_ALWAYS_INLINE P activate(const P& a, P& slope) {
  if constexpr (from_output<G>) {
    const P h = G::g(a);
    slope = G::backward(h, constant<P>(1.0));
    return h;
  } else {
    return G::g(a, slope);
  }
}

template <class T, class G>
constexpr Activation<T> activation_row() {
  namespace ei = Eigen::internal;
  Activation<T> row{G::name, nullptr, nullptr};
  row.forward = [](T* a, T* slope, Index rows, Index packets) {
    Packet<T> d;
    if (slope == nullptr)
      for_each_packet<T>(rows, packets, [&](Index i) {
        ei::pstore(a + i, activate<G>(ei::pload<Packet<T>>(a + i), d));
      });
    else
      for_each_packet<T>(rows, packets, [&](Index i) {
        ei::pstore(a + i, activate<G>(ei::pload<Packet<T>>(a + i), d));
        ei::pstore(slope + i, d);
      });
  };
  if constexpr (from_output<G>)
    row.backward = [](const T* h, T* grad, Index rows, Index packets) {
      for_each_packet<T>(rows, packets, [h, grad](Index i) {
        ei::pstore(grad + i,
                   G::backward(ei::pload<Packet<T>>(h + i), ei::pload<Packet<T>>(grad + i)));
      });
    };
  return row;
}

}  // namespace detail

/// grad <- grad * slope
template <class T>
void multiply_by_slope(const T* slope, T* grad, Index rows, Index packets) {
  namespace ei = Eigen::internal;
  detail::for_each_packet<T>(rows, packets, [slope, grad](Index i) {
    ei::pstore(grad + i, ei::pmul(ei::pload<Packet<T>>(slope + i), ei::pload<Packet<T>>(grad + i)));
  });
}

template <class T>
constexpr Activation<T> activations[] = {
    detail::activation_row<T, Relu>(),      detail::activation_row<T, Sigmoid>(),
    detail::activation_row<T, Tanh>(),      detail::activation_row<T, Linear>(),
    detail::activation_row<T, LeakyRelu>(), detail::activation_row<T, Elu>(),
    detail::activation_row<T, Selu>(),      detail::activation_row<T, Gelu>(),
    detail::activation_row<T, GeluTanh>(),  detail::activation_row<T, Silu>(),
    detail::activation_row<T, Mish>(),      detail::activation_row<T, Softplus>(),
    detail::activation_row<T, HardTanh>(),
};

template <class T>
const Activation<T>& find_activation(std::string_view name) {
  std::string known;
  for (const auto& activation : activations<T>) {
    if (name == activation.name) return activation;
    known += std::string(known.empty() ? "" : ", ") + activation.name;
  }
  throw std::invalid_argument("`hidden` must be one of " + known + ", got '" + std::string(name) +
                              "'");
}

BACKPROP_NAMESPACE_END
