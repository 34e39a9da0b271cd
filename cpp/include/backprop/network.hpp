// A network: its layout, its activations and its parameters theta.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backprop/activation.hpp"
#include "backprop/layout.hpp"
#include "backprop/loss.hpp"
#include "backprop/memory.hpp"
#include "backprop/multiply.hpp"

BACKPROP_NAMESPACE_BEGIN

template <class T>
class Network {
 public:
  Network(std::vector<Index> layer_sizes, const std::vector<std::string>& hidden,
          const std::string& output, const std::string& loss,
          std::optional<double> loss_parameter = std::nullopt)
      : layout_(std::move(layer_sizes)), loss_(find_loss<T>(output, loss, loss_parameter)) {
    if (static_cast<Index>(hidden.size()) != layout_.n_layers() - 1)
      throw std::invalid_argument("`hidden` must name one activation for each of the " +
                                  std::to_string(layout_.n_layers() - 1) + " hidden layers, got " +
                                  std::to_string(hidden.size()));
    for (const auto& name : hidden) hidden_.push_back(&find_activation<T>(name));
    // The products read whole packets, past the last parameter too.
    theta_ = Buffer<T>(layout_.n_parameters() + overread<T>);
  }

  const Layout& layout() const { return layout_; }
  const Loss<T>& loss() const { return loss_; }
  /// g_k, k = 1..L-1
  const Activation<T>& hidden(Index k) const { return *hidden_[static_cast<std::size_t>(k - 1)]; }

  T* theta() { return theta_.data(); }
  const T* theta() const { return theta_.data(); }
  const T* W(Index k) const { return theta_.data() + layout_.w(k); }
  const T* b(Index k) const { return theta_.data() + layout_.b(k); }

 private:
  Layout layout_;
  std::vector<const Activation<T>*> hidden_;
  Loss<T> loss_;
  Buffer<T> theta_;
};

BACKPROP_NAMESPACE_END
