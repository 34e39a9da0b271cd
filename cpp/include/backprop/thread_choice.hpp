// How many threads a step takes, decided by timing both ways: small steps lose more by meeting than
// they gain, and how much depends on the machine and on who else is using it. The choice changes no
// result (every sum has its order), so it may be made anew at any time.
//
//     try_together -> try_alone -> settled -> probing -> settled -> probing -> ...
//
// Each state lasts a number of steps. Both ways are tried; the faster one is settled on; then the
// other is probed, in case a neighbour took a core or left it. As long as the same way stays the
// faster, each settled state lasts twice as long as the one before.
#pragma once

#include <algorithm>
#include <limits>

#include "backprop/common.hpp"
#include "backprop/layout.hpp"
#include "backprop/parallel.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Floating-point operations of a step, to a factor that does not matter.
inline double step_work(const Layout& layout, Index batch_size) {
  return 6.0 * static_cast<double>(layout.n_parameters()) * static_cast<double>(batch_size);
}

class ThreadChoice {
 public:
  /// `work`: floating-point operations of a step.
  explicit ThreadChoice(double work) : work_(work) {}

  /// The number of threads of the next step, of at most `threads`.
  int choose(int threads) {
    if (threads == 1 || work_ < least_work_together) return 1;
    if (work_ > always_together) return threads;
    if (steps_left_ == 0) enter_next_state();
    --steps_left_;
    return together_ ? threads : 1;
  }

  /// Whether the duration of a step is wanted.
  bool timed(int threads) const {
    return threads > 1 && work_ >= least_work_together && work_ <= always_together;
  }

  void record(double seconds) {
    // The first step together wakes the threads.
    if (waking_) {
      waking_ = false;
      return;
    }
    spent_ += seconds;
    ++steps_;
    mean_[together_] = spent_ / static_cast<double>(steps_);
    // Another process took a core: do not wait for the end of the state.
    if (together_ && steps_ >= 4 && mean_[1] > 1.1 * mean_[0]) steps_left_ = 0;
  }

 private:
  enum class State { start, try_together, try_alone, settled, probing };

  /// A step of this much work always gains by more threads.
  static constexpr double always_together = 1e9;
  /// Steps of a settled state.
  static constexpr Index shortest = 64, longest = 4096;

  /// Steps that tell how long one takes: a long one on a single thread would be dear to repeat.
  Index trial() const { return mean_[1] > 2e-4 ? 1 : 4; }

  void enter_next_state() {
    const bool were_together = together_, together_is_faster = mean_[1] < mean_[0];
    switch (state_) {
      case State::start:
        enter(State::try_together, true, trial());
        break;
      case State::try_together:
        enter(State::try_alone, false, trial());
        break;
      case State::settled:
        if (together_ == together_is_faster) {
          enter(State::probing, !together_, trial());
          break;
        }
        [[fallthrough]];
      case State::try_alone:
      case State::probing:
        settled_for_ =
            together_is_faster == last_faster_ ? std::min(2 * settled_for_, longest) : shortest;
        last_faster_ = together_is_faster;
        enter(State::settled, together_is_faster, settled_for_);
    }
    spent_ = 0;
    steps_ = 0;
    waking_ = together_ && !were_together;
    steps_left_ += waking_;
  }

  void enter(State state, bool together, Index steps) {
    state_ = state;
    together_ = together;
    steps_left_ = steps;
  }

  double work_, spent_ = 0;
  /// Seconds of a step alone, and together.
  double mean_[2] = {std::numeric_limits<double>::infinity(), 0};
  Index steps_ = 0, steps_left_ = 0, settled_for_ = shortest;
  State state_ = State::start;
  bool together_ = false, last_faster_ = true, waking_ = false;
};

BACKPROP_NAMESPACE_END
