#include <cstdio>
#include <random>
#include <vector>

#include "backprop/predict.hpp"
#include "backprop/trainer.hpp"

int main() {
  backprop::Network<float> net({2, 8, 1}, {"tanh"}, "sigmoid", "binary_cross_entropy");

  // All parameters are 0 at first, which training cannot leave: draw the weights.
  std::mt19937 random(0);
  std::normal_distribution<float> normal;
  for (int k : {1, 2})
    for (auto i = net.layout().w(k); i < net.layout().b(k); ++i) net.theta()[i] = normal(random);

  // Four examples of two features, and one target each.
  const std::vector<float> X = {0, 0, 0, 1, 1, 0, 1, 1}, Y = {0, 1, 1, 0};
  const backprop::Examples<float> examples{X.data(), 4, 2, 2, 1};
  const backprop::Targets<float> targets{nullptr, 0, {Y.data(), 4, 1, 1, 1}};

  backprop::Trainer<float> trainer(net, 4);
  for (int epoch = 0; epoch < 2000; ++epoch)
    trainer.epoch(examples, targets, {nullptr, 4}, 0.5, [] { return false; });

  backprop::Workspace<float> workspace(net, 4, backprop::Keep::output);
  std::vector<float> Y_hat(4);
  backprop::predict(net, workspace, examples, 1, Y_hat.data());
  for (int j = 0; j < 4; ++j) std::printf("%g xor %g: %.2f\n", X[2 * j], X[2 * j + 1], Y_hat[j]);
}
