// The note (5.2) as it is written, on Eigen matrices of long double: what the engine is held to.
#pragma once

#include <string>
#include <vector>

#include "backprop/network.hpp"
#include "support.hpp"

namespace test {

/// g and g' of the activation called `name`, as functions of the pre-activation a (note 2, 6.1).
struct ReferenceActivation {
  const char* name;
  Real (*g)(Real a);
  Real (*derivative)(Real a);
};

inline Real logistic(Real a) { return 1 / (1 + std::exp(-a)); }
inline Real softplus(Real a) { return std::max(a, Real(0)) + std::log1p(std::exp(-std::abs(a))); }
/// Phi and phi: the normal distribution and its density.
inline Real normal(Real a) { return std::erfc(-a / std::sqrt(Real(2))) / 2; }
inline Real density(Real a) { return std::exp(-a * a / 2) / std::sqrt(8 * std::atan(Real(1))); }
/// 2u of the tanh form of GELU, and its derivative.
inline Real gelu_u2(Real a) {
  return std::sqrt(2 / std::atan(Real(1))) * (a + Real(0.044715L) * a * a * a);
}
inline Real gelu_u2_slope(Real a) {
  return std::sqrt(2 / std::atan(Real(1))) * (1 + 3 * Real(0.044715L) * a * a);
}
constexpr Real selu_alpha = 1.6732632423543772848170429916717L;
constexpr Real selu_scale = 1.0507009873554804934193349852946L;

inline const ReferenceActivation& reference_activation(const std::string& name) {
  static const ReferenceActivation table[] = {
      {"relu", [](Real a) { return a > 0 || std::isnan(a) ? a : Real(0); },
       [](Real a) { return Real(a > 0); }},
      {"sigmoid", [](Real a) { return logistic(a); },
       [](Real a) { return logistic(a) * logistic(-a); }},
      {"tanh", [](Real a) { return std::tanh(a); },
       [](Real a) { return 4 * logistic(2 * a) * logistic(-2 * a); }},
      {"linear", [](Real a) { return a; }, [](Real) { return Real(1); }},
      {"leaky_relu", [](Real a) { return a > 0 ? a : Real(0.01L) * a; },
       [](Real a) { return a > 0 ? Real(1) : Real(0.01L); }},
      {"elu", [](Real a) { return a > 0 ? a : std::expm1(a); },
       [](Real a) { return a > 0 ? Real(1) : std::exp(a); }},
      {"selu", [](Real a) { return selu_scale * (a > 0 ? a : selu_alpha * std::expm1(a)); },
       [](Real a) { return selu_scale * (a > 0 ? Real(1) : selu_alpha * std::exp(a)); }},
      {"gelu", [](Real a) { return a * normal(a); },
       [](Real a) { return normal(a) + a * density(a); }},
      {"gelu_tanh", [](Real a) { return a * logistic(gelu_u2(a)); },
       [](Real a) {
         const Real u2 = gelu_u2(a), bell = logistic(u2) * logistic(-u2);
         return logistic(u2) + (bell == 0 ? bell : a * bell * gelu_u2_slope(a));
       }},
      {"silu", [](Real a) { return a * logistic(a); },
       [](Real a) { return logistic(a) + a * logistic(a) * logistic(-a); }},
      {"mish", [](Real a) { return a * std::tanh(softplus(a)); },
       [](Real a) {
         const Real t = std::tanh(softplus(a));
         return t + a * logistic(a) * (1 - t * t);
       }},
      {"softplus", [](Real a) { return softplus(a); }, [](Real a) { return logistic(a); }},
      {"hard_tanh",
       [](Real a) { return std::isnan(a) ? a : std::min(std::max(a, Real(-1)), Real(1)); },
       [](Real a) { return Real(a > -1 && a < 1); }},
  };
  for (const auto& row : table)
    if (name == row.name) return row;
  FAIL("no reference for the activation " << name << ": add it to cpp/tests/reference.hpp");
  return table[0];
}

/// Y_hat = O(A_L), the losses of the examples, and their gradients by A_L and by Y_hat.
struct ReferenceOutput {
  Matrix<Real> Y_hat, grad_A, grad_Y_hat;
  std::vector<Real> losses;
};

/// A_L and the targets Y (both p x m) through a loss and its matched output; `parameter` is the
/// number that tunes the loss.
inline ReferenceOutput reference_output(const std::string& loss, Real parameter,
                                        const Matrix<Real>& A, Matrix<Real> Y) {
  ReferenceOutput out{A, A, A, std::vector<Real>(static_cast<std::size_t>(A.cols()))};
  if (loss == "cross_entropy")
    Y = ((1 - parameter) * Y).array() + parameter / static_cast<Real>(A.rows());
  for (Index j = 0; j < A.cols(); ++j) {
    Real& sum = out.losses[static_cast<std::size_t>(j)];
    // log sum_i exp(a_i), apart from the largest a_i.
    const Real largest = A.col(j).maxCoeff();
    const Real log_sum = std::log((A.col(j).array() - largest).exp().sum());
    for (Index i = 0; i < A.rows(); ++i) {
      const Real a = A(i, j), y = Y(i, j), r = a - y;
      Real &y_hat = out.Y_hat(i, j), &grad = out.grad_A(i, j), &by_y_hat = out.grad_Y_hat(i, j);
      if (loss == "cross_entropy") {
        y_hat = std::exp(a - largest - log_sum);
        grad = Y.col(j).sum() * y_hat - y;
        by_y_hat = y == 0 ? Real(0) : -y / y_hat;
        sum += y * (log_sum + (largest - a));
      } else if (loss == "binary_cross_entropy") {
        y_hat = logistic(a);
        grad = y_hat - y;
        by_y_hat = -y / y_hat + (1 - y) / logistic(-a);
        sum += (std::max(a, Real(0)) - a * y) + std::log1p(std::exp(-std::abs(a)));
      } else if (loss == "poisson") {
        y_hat = std::exp(a);
        grad = y_hat - y;
        by_y_hat = 1 - y / y_hat;
        sum += y_hat - y * a;
      } else if (loss == "squared_error") {
        grad = by_y_hat = r;
        sum += r * r / 2;
      } else if (loss == "absolute_error") {
        grad = by_y_hat = Real((r > 0) - (r < 0));
        sum += std::abs(r);
      } else if (loss == "huber") {
        grad = by_y_hat = std::max(std::min(r, parameter), -parameter);
        sum += grad * (r - grad / 2);
      } else {
        FAIL("no reference for the loss " << loss << ": add it to cpp/tests/reference.hpp");
      }
    }
  }
  return out;
}

/// Everything section 5.2 computes for one batch, indexed as in the note (place 0 of A, grad_A,
/// grad_H stays empty).
struct Reference {
  std::vector<Matrix<Real>> A, H, grad_A, grad_H;
  std::vector<Real> grad_theta;
  Real loss = 0;

  /// X is n x m and Y p x m, `shares` each example's part of the mean; theta in the engine's
  /// layout.
  template <class T>
  Reference(const backprop::Network<T>& net, const Matrix<Real>& X, const Matrix<Real>& Y,
            const std::vector<Real>& shares)
      : grad_theta(static_cast<std::size_t>(net.layout().n_parameters())) {
    const backprop::Layout& layout = net.layout();
    const Index L = layout.n_layers(), m = X.cols();
    using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    std::vector<Matrix<Real>> W(1), b(1);
    for (Index k = 1; k <= L; ++k) {
      W.push_back(Eigen::Map<const RowMajor>(net.W(k), layout.size(k), layout.size(k - 1))
                      .template cast<Real>());
      b.push_back(Eigen::Map<const RowMajor>(net.b(k), layout.size(k), 1).template cast<Real>());
    }
    const auto of = [](auto& matrices, Index k) -> auto& {
      return matrices[static_cast<std::size_t>(k)];
    };
    A.resize(static_cast<std::size_t>(L + 1));
    H = grad_A = grad_H = A;
    H[0] = X;
    for (Index k = 1; k <= L; ++k) {
      of(A, k) = of(W, k) * of(H, k - 1) + of(b, k) * Matrix<Real>::Ones(1, m);
      if (k < L) of(H, k) = of(A, k).unaryExpr(reference_activation(net.hidden(k).name).g);
    }
    const ReferenceOutput out =
        reference_output(net.loss().name, net.loss().parameter.value, of(A, L), Y);
    of(H, L) = out.Y_hat;
    of(grad_A, L) = out.grad_A;
    of(grad_H, L) = out.grad_Y_hat;
    for (Index j = 0; j < m; ++j) {
      const Real share = shares[static_cast<std::size_t>(j)];
      loss += share * out.losses[static_cast<std::size_t>(j)];
      of(grad_A, L).col(j) *= share;
      of(grad_H, L).col(j) *= share;
    }
    for (Index k = L - 1; k >= 1; --k) {
      of(grad_H, k) = of(W, k + 1).transpose() * of(grad_A, k + 1);
      of(grad_A, k) = of(grad_H, k).cwiseProduct(
          of(A, k).unaryExpr(reference_activation(net.hidden(k).name).derivative));
    }
    for (Index k = 1; k <= L; ++k) {
      const Matrix<Real> grad_W = of(grad_A, k) * of(H, k - 1).transpose();
      const Matrix<Real> grad_b = of(grad_A, k).rowwise().sum();
      for (Index i = 0; i < grad_W.rows(); ++i) {
        for (Index j = 0; j < grad_W.cols(); ++j)
          of(grad_theta, layout.w(k) + i * grad_W.cols() + j) = grad_W(i, j);
        of(grad_theta, layout.b(k) + i) = grad_b(i, 0);
      }
    }
  }

  /// How close the network comes to a point where a derivative jumps: an a of 0 or +-1 in a hidden
  /// layer, an output on its target.
  Real distance_from_kinks(const Matrix<Real>& Y) const {
    Real least = (A.back() - Y).cwiseAbs().minCoeff();
    for (std::size_t k = 1; k + 1 < A.size(); ++k) {
      least = std::min(least, A[k].cwiseAbs().minCoeff());
      least = std::min(least, (A[k].cwiseAbs().array() - 1).abs().minCoeff());
    }
    return least;
  }
};

}  // namespace test
