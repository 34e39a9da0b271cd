// The thread pool: tasks are claimed one by one, so a thread that lost its core delays at most the
// task it holds; waiting threads spin briefly and then sleep, since users' machines are never idle.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "backprop/types.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sched.h>

#include <fstream>
#endif

BACKPROP_NAMESPACE_BEGIN

/// Denormal numbers cost a hundred cycles each and carry nothing in training: flush them to 0 for
/// the length of a computation, and give the thread its mode back.
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

/// Threads this process may use: its affinity, its cgroup's quota and OMP_NUM_THREADS.
inline int available_threads() {
  int n = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) n = CPU_COUNT(&set);
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  if (quota_file >> quota >> period && period > 0)
    n = std::min(n, static_cast<int>(quota / period + 0.999));
#endif
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int asked = std::atoi(text);
    if (asked > 0) n = std::min(n, asked);
  }
  return std::max(n, 1);
}

class ThreadPool {
 public:
  /// One pool a process; a forked child starts with a fresh one, as its threads stayed behind.
  static ThreadPool& instance() {
    static const bool registered = [] {
#if defined(__unix__) || defined(__APPLE__)
      pthread_atfork(nullptr, nullptr, [] {
        const int n = current()->n_threads();
        current() = new ThreadPool();
        current()->set_n_threads(n);
      });
#endif
      return true;
    }();
    (void)registered;
    return *current();
  }

  int n_threads() const { return n_threads_; }
  void set_n_threads(int n) { n_threads_ = n; }

  /// Calls f(task, thread) for every task in [0, n_tasks), on at most `threads` threads; returns
  /// when all are done. f must not throw. A pool in use by another caller is not waited for: the
  /// caller then does the work alone.
  template <class F>
  void run(Index n_tasks, int threads, const F& f) {
    threads = static_cast<int>(std::min<Index>(threads, n_tasks));
    std::unique_lock<std::mutex> in_use(in_use_, std::defer_lock);
    if (threads <= 1 || !in_use.try_lock()) {
      for (Index task = 0; task < n_tasks; ++task) f(task, 0);
      return;
    }
    start_workers(threads - 1);
    job_.call = [](const void* context, Index task, int thread) {
      (*static_cast<const F*>(context))(task, thread);
    };
    job_.context = &f;
    job_.n_tasks = n_tasks;
    job_.threads = threads;
    job_.next.store(0, std::memory_order_relaxed);
    open_.store(++generation_);
    if (sleepers_.load() > 0) {
      std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    work(0);
    open_.store(0);
    // Workers announce themselves before they look at open_, so none can enter after this point.
    for (int spins = 0; inside_.load() > 0; ++spins) {
      if (spins < spin_limit)
        pause();
      else
        std::this_thread::yield();
    }
  }

 private:
  static constexpr int spin_limit = 4000;  // some tens of microseconds

  struct Job {
    void (*call)(const void* context, Index task, int thread);
    const void* context;
    Index n_tasks;
    int threads;
    std::atomic<Index> next;
  };

  ThreadPool() = default;

  static ThreadPool*& current() {
    // Never destroyed: workers may outlive static destruction.
    static ThreadPool* pool = new ThreadPool();
    return pool;
  }

  static void pause() {
#if defined(__SSE2__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  void start_workers(int n) {
    while (n_workers_ < n) {
      const int id = n_workers_ + 1;
      try {
        std::thread([this, id] { serve(id); }).detach();
      } catch (const std::system_error&) {
        return;  // No more to be had: those there are share the work.
      }
      n_workers_ = id;
    }
  }

  void work(int thread) {
    for (Index task; (task = job_.next.fetch_add(1)) < job_.n_tasks;)
      job_.call(job_.context, task, thread);
  }

  void serve(int id) {
    FlushDenormals flush;
    std::uint64_t seen = 0;
    for (;;) {
      std::uint64_t open = await_job(seen);
      inside_.fetch_add(1);
      open = open_.load();
      if (open != 0 && id < job_.threads) work(id);
      inside_.fetch_sub(1);
      if (open != 0) seen = open;
    }
  }

  std::uint64_t await_job(std::uint64_t seen) {
    const auto is_new = [&] {
      const std::uint64_t open = open_.load();
      return open != 0 && open != seen;
    };
    for (int spins = 0; spins < spin_limit; ++spins) {
      if (is_new()) return open_.load();
      pause();
    }
    std::unique_lock<std::mutex> lock(sleep_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, is_new);
    sleepers_.fetch_sub(1);
    return open_.load();
  }

  std::atomic<int> n_threads_{available_threads()};
  int n_workers_ = 0;
  Job job_{};
  std::uint64_t generation_ = 0;
  alignas(64) std::atomic<std::uint64_t> open_{0};
  alignas(64) std::atomic<int> inside_{0};
  std::atomic<int> sleepers_{0};
  std::mutex in_use_, sleep_;
  std::condition_variable wake_;
};

BACKPROP_NAMESPACE_END
