// Activations g and their derivatives, one small struct each (docs/note.md, 2 and 6.1).
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

#include "backprop/panels.hpp"
#include "backprop/simd.hpp"
#include "backprop/vector_math.hpp"

BACKPROP_NAMESPACE_BEGIN

struct Linear {
  static constexpr const char* name = "linear";
  template <class T>
  static Packet<T> g(const Packet<T>& a) {
    return a;
  }
  template <class T>
  static Packet<T> backward(const Packet<T>&, const Packet<T>& grad_h) {
    return grad_h;
  }
};

struct Relu {
  static constexpr const char* name = "relu";
  template <class T>
  static Packet<T> g(const Packet<T>& a) {
    // This order of arguments lets a NaN through, so that a diverged network is noticed.
    return max(a, Packet<T>(0));
  }
  template <class T>
  static Packet<T> backward(const Packet<T>& h, const Packet<T>& grad_h) {
    return (T(0) < h) & grad_h;
  }
};

struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  template <class T>
  static Packet<T> g(const Packet<T>& a) {
    return logistic(a);
  }
  template <class T>
  static Packet<T> backward(const Packet<T>& h, const Packet<T>& grad_h) {
    return grad_h * (h - h * h);
  }
};

struct Tanh {
  static constexpr const char* name = "tanh";
  template <class T>
  static Packet<T> g(const Packet<T>& a) {
    return hyperbolic_tangent(a);
  }
  template <class T>
  static Packet<T> backward(const Packet<T>& h, const Packet<T>& grad_h) {
    return grad_h - grad_h * (h * h);
  }
};

/// a, or a / 100 below 0.
struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  template <class T>
  static Packet<T> g(const Packet<T>& a) {
    return max(a, T(0.01) * a);
  }
  template <class T>
  static Packet<T> backward(const Packet<T>& h, const Packet<T>& grad_h) {
    return select(T(0) < h, grad_h, T(0.01) * grad_h);
  }
};

/// scale a above 0, scale alpha (exp(a) - 1) below.
template <class Self>
struct ExponentialLinear {
  template <class T>
  static Packet<T> g(const Packet<T>& a) {
    const Packet<T> below =
        static_cast<T>(Self::scale * Self::alpha) * exponential_minus_1(min(a, Packet<T>(0)));
    return select(T(0) < a, static_cast<T>(Self::scale) * a, below);
  }
  template <class T>
  static Packet<T> backward(const Packet<T>& h, const Packet<T>& grad_h) {
    const Packet<T> slope = select(T(0) < h, static_cast<T>(Self::scale),
                                   h + static_cast<T>(Self::scale * Self::alpha));
    return slope * grad_h;
  }
};

struct Elu : ExponentialLinear<Elu> {
  static constexpr const char* name = "elu";
  static constexpr double scale = 1, alpha = 1;
};

/// The constants are those of Klambauer et al. (2017), with which activations tend to mean 0 and
/// variance 1.
struct Selu : ExponentialLinear<Selu> {
  static constexpr const char* name = "selu";
  static constexpr double scale = 1.0507009873554805, alpha = 1.6732632423543772;
};

/// log(1 + exp(a)), whose slope is 1 - exp(-h).
struct Softplus {
  static constexpr const char* name = "softplus";
  template <class T>
  static Packet<T> g(const Packet<T>& a) {
    return softplus(a);
  }
  template <class T>
  static Packet<T> backward(const Packet<T>& h, const Packet<T>& grad_h) {
    return -exponential_minus_1(-h) * grad_h;
  }
};

/// a between -1 and 1; flat outside, and at both ends.
struct HardTanh {
  static constexpr const char* name = "hard_tanh";
  template <class T>
  static Packet<T> g(const Packet<T>& a) {
    return max(min(a, Packet<T>(1)), Packet<T>(-1));
  }
  template <class T>
  static Packet<T> backward(const Packet<T>& h, const Packet<T>& grad_h) {
    return (abs(h) < T(1)) & grad_h;
  }
};

/// a Phi(a), Phi the normal distribution: Phi(a) = (1 + erf(a / sqrt 2)) / 2.
struct Gelu {
  static constexpr const char* name = "gelu";
  template <class T>
  static Packet<T> g(const Packet<T>& a, Packet<T>& slope) {
    const NormalTail<T> normal(abs(a));
    const Packet<T> phi = select(a < T(0), normal.tail, T(1) - normal.tail);
    const Packet<T> density = T(0.3989422804014327) * normal.gaussian;  // 1 / sqrt(2 pi)
    slope = fma(a, density, phi);
    return a * phi;
  }
};

/// a (1 + tanh u) / 2 = a sigmoid(2u), u = sqrt(2 / pi) (a + 0.044715 a^3).
struct GeluTanh {
  static constexpr const char* name = "gelu_tanh";
  template <class T>
  static Packet<T> g(const Packet<T>& a, Packet<T>& slope) {
    // 2u = a (linear + cubic a^2). Outside of these bounds sigmoid(2u) is 0 or 1.
    const Packet<T> linear = T(1.5957691216057308), cubic = T(0.07135481627260025);
    const Packet<T> x = max(min(a, Packet<T>(25)), Packet<T>(-25));
    const Packet<T> x2 = x * x;
    const Packet<T> s = logistic(x * fma(cubic, x2, linear));
    const Packet<T> u_slope = fma(T(3) * cubic, x2, linear);
    slope = fma(x * u_slope, s - s * s, s);
    return a * s;
  }
};

/// a sigmoid(a), also called swish.
struct Silu {
  static constexpr const char* name = "silu";
  template <class T>
  static Packet<T> g(const Packet<T>& a, Packet<T>& slope) {
    const Packet<T> s = logistic(a);
    const Packet<T> h = a * s;
    slope = fma(h, T(1) - s, s);
    return h;
  }
};

/// a tanh(softplus(a)) = a n / (n + 2), n = e (e + 2), e = exp(a).
struct Mish {
  static constexpr const char* name = "mish";
  template <class T>
  static Packet<T> g(const Packet<T>& a, Packet<T>& slope) {
    // The quotient is 1 to the last bit from 20 on; the bound keeps n^2 finite.
    const Packet<T> x = min(a, Packet<T>(20));
    const Packet<T> e = exp(x);
    const Packet<T> n = e * (e + T(2));
    const Packet<T> reciprocal = T(1) / (n + T(2));
    const Packet<T> t = n * reciprocal;
    // a sigmoid(a) (1 - t^2) = 4 a e (e + 1) / (n + 2)^2
    const Packet<T> root = T(2) * reciprocal;
    const Packet<T> rest = e * (e + T(1)) * (root * root);
    slope = fma(x, rest, t);
    return a * t;
  }
};

/// An activation as the layers call it, on `rows` rows of one panel, `packets` packets a row.
template <class T>
struct Activation {
  const char* name;
  /// a <- g(a), and slope <- g'(a) unless it is null
  void (*forward)(T* a, T* slope, Index rows, Index packets);
  /// grad <- grad * g'(a), from h = g(a); null where the stored slope serves instead
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
constexpr bool
    from_output<G, std::void_t<decltype(G::backward(Packet<double>(), Packet<double>()))>> = true;

template <class G, class T>
BACKPROP_INLINE Packet<T> activate(const Packet<T>& a, Packet<T>& slope) {
  if constexpr (from_output<G>) {
    const Packet<T> h = G::g(a);
    slope = G::backward(h, Packet<T>(1));
    return h;
  } else {
    return G::g(a, slope);
  }
}

template <class T, class G>
constexpr Activation<T> activation_row() {
  Activation<T> row{G::name, nullptr, nullptr};
  row.forward = [](T* a, T* slope, Index rows, Index packets) {
    Packet<T> d;
    if (slope == nullptr)
      for_each_packet<T>(rows, packets,
                         [&](Index i) { store(a + i, activate<G>(load(a + i), d)); });
    else
      for_each_packet<T>(rows, packets, [&](Index i) {
        store(a + i, activate<G>(load(a + i), d));
        store(slope + i, d);
      });
  };
  if constexpr (from_output<G>)
    row.backward = [](const T* h, T* grad, Index rows, Index packets) {
      for_each_packet<T>(rows, packets, [h, grad](Index i) {
        store(grad + i, G::backward(load(h + i), load(grad + i)));
      });
    };
  return row;
}

}  // namespace detail

/// grad <- grad * slope
template <class T>
void multiply_by_slope(const T* slope, T* grad, Index rows, Index packets) {
  detail::for_each_packet<T>(
      rows, packets, [slope, grad](Index i) { store(grad + i, load(slope + i) * load(grad + i)); });
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
