// The one place where theta changes.
//
// An optimizer at work (`Optimizer<T>`) has theta, its state beside it and the constants of the
// present step. It takes a gradient in one of two ways, with bitwise the same result:
//   - update(): from memory, the open way of a step;
//   - multiply_and_update(): as the sums of grad_A H^T leave the registers, for steps in which
//     nothing stands between the gradient and its use, an L2 penalty apart. The gradient is then
//     never written to memory.
//
// The second way has two forms. Plain descent has so little to do that each packet of sums is used
// at once. The others wait for memory and for the divider: a root and a quotient take two thirds of
// the time of an example's sums, and a sixth of it from the multipliers. So the packets of a tile
// are updated one by one between the examples of the next tile, where one after another they would
// wait for each other. That takes registers beside the sums; with 16 of them a tile is updated at
// once.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "backprop/backward.hpp"
#include "backprop/optimizer.hpp"

BACKPROP_NAMESPACE_BEGIN

/// theta, and the arrays in its layout that an optimizer keeps.
template <class T>
struct Parameters {
  T* theta = nullptr;
  T* state[2] = {};
  Index n_states = 0;

  /// Asks for the memory of a packet. It must be inlined: a function that does nothing else counts
  /// as one without effect, and GCC 12 drops its calls.
  BACKPROP_INLINE void prefetch(Index at) const {
    __builtin_prefetch(theta + at, 1);
    for (Index i = 0; i < n_states; ++i) __builtin_prefetch(state[i] + at, 1);
  }
};

namespace detail {

template <class T, class O>
using ConstantsOf = typename O::template Constants<T>;

/// Calls f(place, count) for the packets of a row of numbers: count is lanes<T> for all but the
/// last.
template <class T, class F>
BACKPROP_INLINE void for_each_of_row(Index n, F&& f) {
  Index i = 0;
  // Two at a time, as tiles are wide: the chains of one hide the waits of the other.
  for (; i + 2 * lanes<T> <= n; i += 2 * lanes<T>) {
    f(i, lanes<T>);
    f(i + lanes<T>, lanes<T>);
  }
  for (; i < n; i += lanes<T>) f(i, std::min(lanes<T>, n - i));
}

/// Updates `count` parameters from `at` on; gradient(theta) is theirs.
template <class O, class T, class Gradient>
BACKPROP_INLINE void update_packet(T* thetas, T* const* states, Index at, Index count,
                                   const ConstantsOf<T, O>& constants, Gradient&& gradient) {
  constexpr int n_states = static_cast<int>(O::state.size());
  Packet<T> theta = load_part(thetas + at, count), s[2];
  const Packet<T> g = gradient(theta);
  for (int i = 0; i < n_states; ++i) s[i] = load_part(states[i] + at, count);
  O::update(theta, g, s, constants);
  for (int i = 0; i < n_states; ++i) store_part(states[i] + at, s[i], count);
  store_part(thetas + at, theta, count);
}

}  // namespace detail

/// A sink that keeps the gradient, in theta's layout.
template <class T>
struct StoreGradient {
  static constexpr Takes takes = Takes::packets;
  T* gradient;

  BACKPROP_INLINE void prefetch(Index at) const { __builtin_prefetch(gradient + at, 1); }
  BACKPROP_INLINE void packet(Index at, const Packet<T>& sums, Index count) const {
    store_part(gradient + at, sums, count);
  }
};

namespace detail {

/// The arrays of n states; none take no room.
template <class T, std::size_t n>
struct States {
  explicit States(T* const* from) { std::copy_n(from, n, arrays); }
  T* const* data() const { return arrays; }
  T* arrays[n];
};
template <class T>
struct States<T, 0> {
  explicit States(T* const*) {}
  T* const* data() const { return nullptr; }
};

}  // namespace detail

/// A sink that updates each packet at once. For plain descent it fits in two registers, so that it
/// reaches the product without a detour through memory.
template <class T, class O>
struct UpdatePackets : private detail::States<T, O::state.size()> {
  static constexpr Takes takes = Takes::packets;
  T* theta;
  detail::ConstantsOf<T, O> constants;

  UpdatePackets(const Parameters<T>& parameters, const detail::ConstantsOf<T, O>& constants_)
      : detail::States<T, O::state.size()>(parameters.state),
        theta(parameters.theta),
        constants(constants_) {}

  BACKPROP_INLINE void prefetch(Index at) const {
    __builtin_prefetch(theta + at, 1);
    for (std::size_t i = 0; i < O::state.size(); ++i) __builtin_prefetch(this->data()[i] + at, 1);
  }
  BACKPROP_INLINE void packet(Index at, const Packet<T>& sums, Index count) const {
    detail::update_packet<O>(theta, this->data(), at, count, constants,
                             [&](const Packet<T>&) { return sums; });
  }
};

/// A sink that updates tiles of a W, where there is room in the registers each while the next is
/// summed. It adds the penalty's part l2 W to the gradient if it has one.
template <class T, class O, bool has_l2>
class UpdateTiles {
 public:
  static constexpr int n_states = static_cast<int>(O::state.size());
  static constexpr Takes takes = n_states > 0 && many_registers ? Takes::tiles_later : Takes::tiles;

  UpdateTiles(const Parameters<T>& parameters, const detail::ConstantsOf<T, O>& constants, T l2)
      : parameters_(parameters), constants_(constants), l2_(l2) {}
  UpdateTiles(const UpdateTiles&) = delete;

  const Parameters<T>& parameters() const { return parameters_; }

  /// sum l2 W^2 / 2 over the weights updated, before their update.
  double penalty() const { return penalty_; }

  void tile(const GradientTile<T>& tile) {
    // Most tiles are whole: a width known to the compiler leaves no loop within a row.
    if (tile.columns == panel_width<T>)
      update_rows(tile, std::integral_constant<Index, panel_width<T>>{});
    else
      update_rows(tile, tile.columns);
  }

  /// Keeps a tile a panel wide until the next is summed; its sums go to where this points.
  T* wait(Index at, Index row_stride, Index rows) {
    waiting_at_ = at;
    waiting_row_stride_ = row_stride;
    waiting_packets_ = 2 * rows;
    return waiting_sums_;
  }

  /// Goes through the tile that waits, packet by packet; `next` is where the one after it lies.
  class Waiting {
   public:
    Waiting(UpdateTiles& sink, Index next)
        : sink_(sink),
          theta_(sink.parameters_.theta),
          gradient_(sink.waiting_sums_),
          at_(sink.waiting_at_),
          distance_(next - sink.waiting_at_),
          to_next_row_(sink.waiting_row_stride_ - lanes<T>),
          packets_(sink.waiting_packets_),
          squares_(T(0)) {
      for (int i = 0; i < n_states; ++i) states_[i] = sink.parameters_.state[i];
      sink.waiting_packets_ = 0;
    }
    Waiting(const Waiting&) = delete;
    ~Waiting() {
      if constexpr (has_l2) sink_.add_penalty(squares_);
    }

    Index packets() const { return packets_; }

    /// Asks for the same packet of the tile that will wait next. No nearer than the second cache:
    /// the sums would drive it out of the first before its turn comes.
    BACKPROP_INLINE void prefetch_next() const {
      __builtin_prefetch(theta_ + at_ + distance_, 0, 2);
      for (int i = 0; i < n_states; ++i) __builtin_prefetch(states_[i] + at_ + distance_, 0, 2);
    }

    /// Updates one packet. The constants come from memory each time, as the registers are full of
    /// sums.
    BACKPROP_INLINE void take() {
      detail::update_packet<O>(theta_, states_, at_, lanes<T>, sink_.constants_,
                               [&](const Packet<T>& theta) {
                                 const Packet<T> g = load(gradient_);
                                 if constexpr (!has_l2) return g;
                                 squares_ = fma(theta, theta, squares_);
                                 return fma(sink_.l2_, theta, g);
                               });
      gradient_ += lanes<T>;
      at_ += packets_ % 2 == 0 ? lanes<T> : to_next_row_;
      --packets_;
    }

   private:
    UpdateTiles& sink_;
    T* theta_;
    T* states_[2];
    const T* gradient_;
    Index at_, distance_, to_next_row_, packets_;
    Packet<T> squares_;
  };
  Waiting waiting(Index next) { return Waiting(*this, next); }

  /// Updates the last tile of a block.
  void finish() {
    for (Waiting last(*this, 0); last.packets() > 0;) last.take();
  }

 private:
  template <class Columns>
  BACKPROP_INLINE void update_rows(const GradientTile<T>& tile, Columns columns) {
    // Local, so that the compiler knows that no store to theta changes them.
    const detail::ConstantsOf<T, O> constants = constants_;
    const Packet<T> l2 = l2_;
    Packet<T> squares = T(0);
    T* thetas = parameters_.theta + tile.at;
    T* states[2] = {};
    for (int i = 0; i < n_states; ++i) states[i] = parameters_.state[i] + tile.at;
    const T* sums = tile.sums;
    const Index rows = tile.rows, row_stride = tile.row_stride, stride = tile.sums_stride;
    for (Index r = 0; r < rows; ++r) {
      detail::for_each_of_row<T>(columns, [&](Index column, Index count) {
        detail::update_packet<O>(thetas, states, column, count, constants,
                                 [&](const Packet<T>& theta) {
                                   const Packet<T> g = load_part(sums + column, count);
                                   if constexpr (!has_l2) return g;
                                   squares = fma(theta, theta, squares);
                                   return fma(l2, theta, g);
                                 });
      });
      thetas += row_stride;
      for (int i = 0; i < n_states; ++i) states[i] += row_stride;
      sums += stride;
    }
    if constexpr (has_l2) add_penalty(squares);
  }

  void add_penalty(const Packet<T>& squares) {
    penalty_ += l2_ / 2 * static_cast<double>(sum(squares));
  }

  const Parameters<T> parameters_;
  const detail::ConstantsOf<T, O>& constants_;
  const T l2_;
  double penalty_ = 0;
  EIGEN_ALIGN_MAX T waiting_sums_[max_tile_rows * panel_width<T>];
  Index waiting_at_ = 0, waiting_row_stride_ = 0, waiting_packets_ = 0;
};

/// Scales the rows of W (row-major) that are longer than `limit` down to it.
template <class T>
void limit_rows(T* W, Index rows, Index columns, double limit) {
  for (Index r = 0; r < rows; ++r) {
    T* row = W + r * columns;
    Packet<T> square = T(0);
    detail::for_each_of_row<T>(columns, [&](Index c, Index count) {
      const Packet<T> w = load_part(row + c, count);
      square = fma(w, w, square);
    });
    const double norm = std::sqrt(static_cast<double>(sum(square)));
    if (!(norm > limit)) continue;
    const Packet<T> scale = static_cast<T>(limit / norm);
    detail::for_each_of_row<T>(columns, [&](Index c, Index count) {
      store_part(row + c, scale * load_part(row + c, count), count);
    });
  }
}

/// The same for the rows of a block.
template <class T>
void limit_block(Network<T>& net, const RowBlock& block, double max_norm) {
  if (max_norm == std::numeric_limits<double>::infinity()) return;
  const Index columns = net.layout().size(block.k - 1);
  limit_rows(net.theta() + net.layout().w(block.k) + block.begin * columns, block.end - block.begin,
             columns, max_norm);
}

/// The strengths of the penalties of one layer in one step.
template <class T>
struct Strengths {
  T l1 = 0, l2 = 0;
};

/// An optimizer at work on the parameters of one network.
template <class T>
class Optimizer {
 public:
  Optimizer(T* theta, Index n_parameters, const char* const* state_names, Index n_states)
      : state_names_(state_names) {
    parameters_.theta = theta;
    parameters_.n_states = n_states;
    for (Index i = 0; i < n_states; ++i) {
      state_[i] = Buffer<T>(n_parameters);
      parameters_.state[i] = state_[i].data();
    }
  }
  Optimizer(const Optimizer&) = delete;
  virtual ~Optimizer() = default;

  /// What it keeps, in theta's layout, under these names.
  Index n_states() const { return parameters_.n_states; }
  const char* state_name(Index i) const { return state_names_[i]; }
  T* state(Index i) { return state_[i].data(); }

  /// Computes the constants of step t, counted from 1.
  virtual void begin_step(double t, double lr) = 0;

  /// Updates `count` parameters from `at` on, all of a W or all of a b, by `gradient`, which lies
  /// in theta's layout, times `scale`.
  virtual void update(bool of_W, Index at, Index count, const T* gradient, T scale) = 0;

  /// Updates blocks by their gradients (see block_gradient) and limits the rows of their weights to
  /// max_norm. `strengths` are the penalties of the layers, whose l1 must be 0; the penalty of the
  /// i-th block before its update goes to penalties[i].
  virtual void multiply_and_update(Network<T>& net, Workspace<T>& ws, Index m,
                                   const std::vector<RowBlock>& blocks,
                                   const std::vector<Strengths<T>>& strengths, double max_norm,
                                   int threads, std::vector<double>& penalties) = 0;

 protected:
  Parameters<T> parameters_;

 private:
  const char* const* state_names_;
  Buffer<T> state_[2];
};

template <class T, class O>
class OptimizerOf final : public Optimizer<T> {
 public:
  OptimizerOf(T* theta, Index n_parameters, std::vector<double> options)
      : Optimizer<T>(theta, n_parameters, O::state.data(), static_cast<Index>(O::state.size())),
        options_(std::move(options)) {}

  void begin_step(double t, double lr) override {
    of_W_ = O::template constants<T>(options_.data(), {t, lr, true});
    of_b_ = O::template constants<T>(options_.data(), {t, lr, false});
  }

  void update(bool of_W, Index at, Index count, const T* gradient, T scale) override {
    const detail::ConstantsOf<T, O> constants = of_W ? of_W_ : of_b_;
    const Packet<T> factor = scale;
    const Parameters<T> p = this->parameters_;
    detail::for_each_of_row<T>(count, [&](Index i, Index n) {
      detail::update_packet<O>(p.theta, p.state, at + i, n, constants, [&](const Packet<T>&) {
        return factor * load_part(gradient + at + i, n);
      });
    });
  }

  void multiply_and_update(Network<T>& net, Workspace<T>& ws, Index m,
                           const std::vector<RowBlock>& blocks,
                           const std::vector<Strengths<T>>& strengths, double max_norm, int threads,
                           std::vector<double>& penalties) override {
    const UpdatePackets<T, O> of_W(this->parameters_, of_W_), of_b(this->parameters_, of_b_);
    ThreadPool::instance().run(static_cast<Index>(blocks.size()), threads, [&](Index task, int) {
      const RowBlock& block = blocks[static_cast<std::size_t>(task)];
      const T l2 = strengths[static_cast<std::size_t>(block.k - 1)].l2;
      double penalty = 0;
      if (l2 != T(0))
        penalty = update_tiles<true>(net, ws, m, block, l2, of_b);
      else if constexpr (O::state.empty())
        block_gradient(net, ws, m, block, of_W, of_b);
      else
        update_tiles<false>(net, ws, m, block, l2, of_b);
      limit_block(net, block, max_norm);
      penalties[static_cast<std::size_t>(task)] = penalty;
    });
  }

 private:
  template <bool has_l2>
  double update_tiles(const Network<T>& net, Workspace<T>& ws, Index m, const RowBlock& block, T l2,
                      const UpdatePackets<T, O>& of_b) {
    UpdateTiles<T, O, has_l2> of_W(this->parameters_, of_W_, l2);
    block_gradient(net, ws, m, block, of_W, of_b);
    return of_W.penalty();
  }

  std::vector<double> options_;
  detail::ConstantsOf<T, O> of_W_{}, of_b_{};
};

/// An optimizer by name: its facts, and how to put it to work.
template <class T>
struct OptimizerRow {
  const char* name;
  const Option* options;
  Index n_options;
  std::unique_ptr<Optimizer<T>> (*make)(T* theta, Index n_parameters, std::vector<double> options);
};

namespace detail {

template <class T, class O>
constexpr OptimizerRow<T> optimizer_row() {
  return {O::name, O::options.data(), static_cast<Index>(O::options.size()),
          [](T* theta, Index n_parameters,
             std::vector<double> options) -> std::unique_ptr<Optimizer<T>> {
            return std::make_unique<OptimizerOf<T, O>>(theta, n_parameters, std::move(options));
          }};
}

}  // namespace detail

template <class T>
constexpr OptimizerRow<T> optimizers[] = {
    detail::optimizer_row<T, Sgd>(),
    detail::optimizer_row<T, Velocity<false>>(),
    detail::optimizer_row<T, Velocity<true>>(),
    detail::optimizer_row<T, AdaGrad>(),
    detail::optimizer_row<T, RmsProp>(),
    detail::optimizer_row<T, AdamOf<false>>(),
    detail::optimizer_row<T, AdamOf<true>>(),
    detail::optimizer_row<T, Lion>(),
};

template <class T>
const OptimizerRow<T>& find_optimizer(const std::string& name) {
  std::string known;
  for (const auto& optimizer : optimizers<T>) {
    if (name == optimizer.name) return optimizer;
    known += std::string(known.empty() ? "" : ", ") + optimizer.name;
  }
  throw std::invalid_argument("`optimizer` must be one of " + known + ", got '" + name + "'");
}

/// The options of an optimizer, those given in place of the defaults.
template <class T>
std::vector<double> find_options(const OptimizerRow<T>& optimizer,
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
