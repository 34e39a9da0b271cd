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

inline const ReferenceActivation& reference_activation(const std::string& name) {
  static const ReferenceActivation table[] = {
      {"relu", [](Real a) { return a > 0 || std::isnan(a) ? a : Real(0); },
       [](Real a) { return Real(a > 0); }},
      {"sigmoid", [](Real a) { return logistic(a); },
       [](Real a) { return logistic(a) * logistic(-a); }},
      {"tanh", [](Real a) { return std::tanh(a); },
       [](Real a) { return 4 * logistic(2 * a) * logistic(-2 * a); }},
      {"linear", [](Real a) { return a; }, [](Real) { return Real(1); }},
  };
  for (const auto& row : table)
    if (name == row.name) return row;
  FAIL("no reference for the activation " << name << ": add it to cpp/tests/reference.hpp");
  return table[0];
}

/// Y_hat = O(A_L), the losses of the examples and grad_A_L for 1/m = 1.
struct ReferenceOutput {
  Matrix<Real> Y_hat, grad_A;
  std::vector<Real> losses;
};

/// A_L and the targets Y (both p x m) through the output called `output`, with its matched loss.
inline ReferenceOutput reference_output(const std::string& output, const Matrix<Real>& A,
                                        const Matrix<Real>& Y) {
  ReferenceOutput out{A, A, {}};
  for (Index j = 0; j < A.cols(); ++j) {
    Real loss = 0;
    if (output == "softmax") {
      const Real maximum = A.col(j).maxCoeff();
      Real sum = 0;
      for (Index i = 0; i < A.rows(); ++i) sum += std::exp(A(i, j) - maximum);
      for (Index i = 0; i < A.rows(); ++i) {
        out.Y_hat(i, j) = std::exp(A(i, j) - maximum) / sum;
        loss += Y(i, j) * (std::log(sum) + (maximum - A(i, j)));
      }
      out.grad_A.col(j) = Y.col(j).sum() * out.Y_hat.col(j) - Y.col(j);
    } else if (output == "sigmoid") {
      for (Index i = 0; i < A.rows(); ++i) {
        const Real a = A(i, j);
        out.Y_hat(i, j) = logistic(a);
        loss += (std::max(a, Real(0)) - a * Y(i, j)) + std::log1p(std::exp(-std::abs(a)));
      }
      out.grad_A.col(j) = out.Y_hat.col(j) - Y.col(j);
    } else {
      REQUIRE(output == "linear");
      out.grad_A.col(j) = A.col(j) - Y.col(j);
      loss = out.grad_A.col(j).squaredNorm() / 2;
    }
    out.losses.push_back(loss);
  }
  return out;
}

/// Everything section 5.2 computes for one batch, indexed as in the note (place 0 of A, grad_A,
/// grad_H stays empty).
struct Reference {
  std::vector<Matrix<Real>> A, H, grad_A, grad_H;
  std::vector<Real> grad_theta;
  Real loss = 0;

  /// X is n x m and Y p x m; theta in the engine's layout.
  template <class T>
  Reference(const backprop::Network<T>& net, const Matrix<Real>& X, const Matrix<Real>& Y)
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
    const ReferenceOutput out = reference_output(net.loss().output, of(A, L), Y);
    for (const Real example : out.losses) loss += example / static_cast<Real>(m);
    of(H, L) = out.Y_hat;
    of(grad_A, L) = out.grad_A / static_cast<Real>(m);
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

  /// How close the hidden layers come to a = 0, where ReLU's derivative jumps.
  Real distance_from_kinks() const {
    Real least = std::numeric_limits<Real>::infinity();
    for (std::size_t k = 1; k + 1 < A.size(); ++k)
      least = std::min(least, A[k].cwiseAbs().minCoeff());
    return least;
  }
};

}  // namespace test
