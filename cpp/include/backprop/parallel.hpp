// The thread pool. Threads claim the tasks of a job one by one, so that a thread which lost its
// core delays at most the task it holds. Waiting threads spin briefly and then sleep, because
// users' machines are never idle.
//
// Each thread begins with a range of tasks of its own, the same in every job of as many tasks, so
// that it finds in its cache what it worked on last. Then it helps with the ranges of the others.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "backprop/available.hpp"
#include "backprop/panels.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

BACKPROP_NAMESPACE_BEGIN

/// Flushes denormal numbers to 0 for as long as it lives, and gives the thread its mode back. A
/// denormal number costs a hundred cycles and carries nothing in training.
class FlushDenormals {
 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
#if defined(__SSE2__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" ::"r"(saved_ | (std::uint64_t{1} << 24)));
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }

 private:
  std::uint64_t saved_;
#else
  FlushDenormals() = default;
#endif
};

/// Floating-point operations of a job below which meeting costs more time than other cores save.
constexpr double least_work_together = 2e6;

/// The place where one thread waits for others.
class alignas(64) Waiter {
 public:
  using Clock = std::chrono::steady_clock;

  /// Returns when done() is true, which reads atomics and becomes so before a wake(). Spins, then
  /// for as long as `yielding` offers its core to others, then sleeps.
  template <class F>
  void wait(const F& done, Clock::duration yielding = {}) {
    if (poll(done, patience, pause)) return;
    if (yielding > Clock::duration{} && poll(done, yielding, std::this_thread::yield)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    // Either the other thread, having changed what done() reads, sees that this one sleeps, or this
    // one sees the change: all four accesses are sequentially consistent.
    asleep_.store(true);
    changed_.wait(lock, done);
    asleep_.store(false);
  }

  void wake() {
    if (!asleep_.load()) return;
    // Between its last look and its sleep the thread holds the mutex.
    {
      const std::lock_guard<std::mutex> lock(mutex_);
    }
    changed_.notify_one();
  }

 private:
  /// How long a thread spins: between two jobs of a step lie a few microseconds, and waking from a
  /// sleep takes tens.
  static constexpr std::chrono::microseconds patience{100};

  template <class F>
  static bool poll(const F& done, Clock::duration longest, void (*between)()) {
    Clock::time_point end{};
    for (;;) {
      for (int i = 0; i < 64; ++i) {
        if (done()) return true;
        between();
      }
      const Clock::time_point now = Clock::now();
      if (end == Clock::time_point{}) end = now + longest;
      if (now >= end) return false;
    }
  }

  static void pause() {
#if defined(__SSE2__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  std::atomic<bool> asleep_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
};

class ThreadPool {
 public:
  /// One pool a process; a forked child starts with a fresh one, as its threads stayed behind.
  static ThreadPool& instance() {
    static const bool registered = [] {
#if defined(__unix__) || defined(__APPLE__)
      pthread_atfork(nullptr, nullptr, [] { current() = new ThreadPool(current()->n_threads_); });
#endif
      return true;
    }();
    (void)registered;
    return *current();
  }

  /// Threads that work which starts on the calling thread may take.
  int n_threads() const { return limit_here() > 0 ? limit_here() : n_threads_.load(); }
  /// Sets it in the whole process.
  void set_n_threads(int n) { n_threads_ = n; }

  /// Sets another number for the calling thread alone, or with 0 lifts that; returns the one
  /// before.
  static int limit_calling_thread(int n) { return std::exchange(limit_here(), n); }

  /// Calls f(task, thread) for every task in [0, n_tasks), on at most `threads` threads; returns
  /// when all are done. f must not throw. A pool in use by another caller is not waited for: the
  /// caller then does the work alone.
  template <class F>
  void run(Index n_tasks, int threads, const F& f) {
    threads = static_cast<int>(std::min({Index{threads}, n_tasks, Index{one_generation - 1}}));
    if (threads <= 1 || in_use_.exchange(true, std::memory_order_acquire)) {
      for (Index task = 0; task < n_tasks; ++task) f(task, 0);
      return;
    }
    threads = start_workers(threads);
    job_.call = [](const void* context, Index task, int thread) {
      (*static_cast<const F*>(context))(task, thread);
    };
    job_.context = &f;
    job_.n_tasks = n_tasks;
    job_.n_ranges = threads;
    for (Index i = 0; i < threads; ++i)
      ranges_[static_cast<std::size_t>(i)].next.store(job_.first(i), std::memory_order_relaxed);
    generation_ += one_generation;
    open_.store(generation_ + static_cast<std::uint64_t>(threads));
    for (int i = 0; i < threads - 1; ++i) workers_[static_cast<std::size_t>(i)]->wake();
    work(0);
    open_.store(0);
    // Workers announce themselves before they look at open_, so none can enter after this point.
    caller_.wait([this] { return inside_.load() == 0; }, uneven);
    in_use_.store(false, std::memory_order_release);
  }

 private:
  /// How far apart tasks of some milliseconds end. For so long the caller yields instead of
  /// sleeping, as its waking up would delay each job.
  static constexpr std::chrono::milliseconds uneven{1};

  /// open_ counts jobs in units of this, and holds the threads of the present one in the rest.
  static constexpr std::uint64_t one_generation = 1 << 16;

  struct Job {
    void (*call)(const void* context, Index task, int thread);
    const void* context;
    Index n_tasks;
    Index n_ranges;

    /// The first task of a range, and so the end of the one before.
    Index first(Index range) const { return range * n_tasks / n_ranges; }
  };

  struct alignas(64) TaskRange {
    std::atomic<Index> next{0};
  };

  explicit ThreadPool(int n_threads) : n_threads_(n_threads) {}

  static int& limit_here() {
    thread_local int limit = 0;
    return limit;
  }

  static ThreadPool*& current() {
    // Never destroyed: workers may outlive static destruction.
    static ThreadPool* pool = new ThreadPool(available_threads());
    return pool;
  }

  /// Returns how many threads can be had for a job, the caller's own among them.
  int start_workers(int threads) {
    try {
      const auto wanted = static_cast<std::size_t>(threads);
      if (ranges_.size() < wanted) ranges_ = std::vector<TaskRange>(wanted);
      while (workers_.size() + 1 < wanted) {
        workers_.reserve(workers_.size() + 1);
        auto waiter = std::make_unique<Waiter>();
        const std::uint64_t id = workers_.size() + 1;
        std::thread([this, id, &place = *waiter] { serve(id, place); }).detach();
        workers_.push_back(std::move(waiter));
      }
    } catch (const std::exception&) {
      // No more threads are to be had; those that there are do the work.
    }
    return static_cast<int>(
        std::min({static_cast<std::size_t>(threads), ranges_.size(), workers_.size() + 1}));
  }

  void work(int thread) {
    for (Index i = 0; i < job_.n_ranges; ++i) {
      const Index range = (thread + i) % job_.n_ranges, end = job_.first(range + 1);
      std::atomic<Index>& next = ranges_[static_cast<std::size_t>(range)].next;
      // It is read before it is raised: the cache line of a finished range then stays with all
      // threads.
      while (next.load() < end) {
        const Index task = next.fetch_add(1);
        if (task < end) job_.call(job_.context, task, thread);
      }
    }
  }

  void serve(std::uint64_t id, Waiter& waiter) {
    FlushDenormals flush;
    std::uint64_t seen = 0;
    const auto for_me = [id](std::uint64_t open) { return id < open % one_generation; };
    for (;;) {
      waiter.wait([&] {
        const std::uint64_t open = open_.load();
        return open != seen && for_me(open);
      });
      inside_.fetch_add(1);
      const std::uint64_t open = open_.load();
      if (for_me(open)) work(static_cast<int>(id));
      if (inside_.fetch_sub(1) == 1) caller_.wake();
      if (open != 0) seen = open;
    }
  }

  std::atomic<int> n_threads_;
  std::atomic<bool> in_use_{false};
  std::vector<std::unique_ptr<Waiter>> workers_;
  Job job_{};
  std::vector<TaskRange> ranges_ = std::vector<TaskRange>(1);
  std::uint64_t generation_ = 0;
  /// The job that may be entered, or 0.
  alignas(64) std::atomic<std::uint64_t> open_{0};
  alignas(64) std::atomic<int> inside_{0};
  Waiter caller_;
};

BACKPROP_NAMESPACE_END
