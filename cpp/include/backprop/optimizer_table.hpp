// The optimizers by name, with their options and what the trainer calls.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "backprop/backward.hpp"
#include "backprop/deferred.hpp"
#include "backprop/optimizer.hpp"
#include "backprop/update.hpp"

BACKPROP_NAMESPACE_BEGIN

/// An optimizer as the trainer calls it.
template <class T>
struct Optimizer {
  const char* name;
  const char* const* state;
  Index n_states;
  const Option* options;
  Index n_options;
  void (*numbers)(const double* options, double t, double lr, double decay, double* c);
  UpdateTile<T> bare, whole, measured;
  /// Does what block_gradient does with `rule`, only faster; for no penalty, and for L2 alone.
  void (*update_block[2])(const Network<T>&, Workspace<T>&, Index m, const RowBlock&,
                          const TileRule<T>& rule);
};

namespace detail {

template <class T, class O, bool has_l2>
void update_block(const Network<T>& net, Workspace<T>& ws, Index m, const RowBlock& block,
                  const TileRule<T>& rule) {
  if constexpr (!O::state.empty() && many_registers) {
    WaitingTile<T> tile;
    block_gradient(net, ws, m, block, DeferredRule<T, O, has_l2>(rule, tile));
  } else {
    block_gradient(net, ws, m, block, rule);
  }
}

template <class T, class O>
constexpr Optimizer<T> optimizer_row() {
  return {O::name,
          O::state.data(),
          static_cast<Index>(O::state.size()),
          O::options.data(),
          static_cast<Index>(O::options.size()),
          &O::numbers,
          &update_tile<T, O, Source::bare>,
          &update_tile<T, O, Source::whole>,
          &update_tile<T, O, Source::measured>,
          {&update_block<T, O, false>, &update_block<T, O, true>}};
}

}  // namespace detail

template <class T>
constexpr Optimizer<T> optimizers[] = {
    detail::optimizer_row<T, Sgd>(),
    detail::optimizer_row<T, Velocity<false>>(),
    detail::optimizer_row<T, Velocity<true>>(),
    detail::optimizer_row<T, AdaGrad>(),
    detail::optimizer_row<T, RmsProp>(),
    detail::optimizer_row<T, AdamRule<false>>(),
    detail::optimizer_row<T, AdamRule<true>>(),
    detail::optimizer_row<T, Lion>(),
};

template <class T>
const Optimizer<T>& find_optimizer(const std::string& name) {
  std::string known;
  for (const auto& optimizer : optimizers<T>) {
    if (name == optimizer.name) return optimizer;
    known += std::string(known.empty() ? "" : ", ") + optimizer.name;
  }
  throw std::invalid_argument("`optimizer` must be one of " + known + ", got '" + name + "'");
}

/// The options of an optimizer, those given in place of the defaults.
template <class T>
std::vector<double> find_options(const Optimizer<T>& optimizer,
                                 const std::map<std::string, double>& given) {
  std::vector<double> values;
  std::string known;
  auto unknown = given;
  for (Index i = 0; i < optimizer.n_options; ++i) {
    const Option& option = optimizer.options[i];
    known += (known.empty() ? "" : ", ") + std::string(option.name);
    const auto found = unknown.extract(option.name);
    values.push_back(found.empty() ? option.value : found.mapped());
    if (!option.valid(values.back()))
      throw std::invalid_argument("`" + std::string(option.name) + "` must be " + option.rule +
                                  ", got " + std::to_string(values.back()));
  }
  if (!unknown.empty())
    throw std::invalid_argument("`options` of " + std::string(optimizer.name) + " must be " +
                                (known.empty() ? "left out" : "among " + known) + ", got '" +
                                unknown.begin()->first + "'");
  return values;
}

BACKPROP_NAMESPACE_END
