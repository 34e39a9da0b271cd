// The thread pool: every task once, whoever calls, however often, and after a fork.
#include "backprop/parallel.hpp"

#include <chrono>
#include <numeric>

#include "support.hpp"

#if defined(__unix__)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace backprop;
using test::Index;

namespace {

/// Runs n tasks and counts how often each was done.
bool each_once(Index n, int threads) {
  std::vector<std::atomic<int>> done(static_cast<std::size_t>(n));
  ThreadPool::instance().run(n, threads, [&](Index task, int) {
    done[static_cast<std::size_t>(task)].fetch_add(1, std::memory_order_relaxed);
  });
  return std::all_of(done.begin(), done.end(), [](const auto& count) { return count == 1; });
}

/// Two tasks that both wait for the other to have begun.
bool two_tasks_meet() {
  std::atomic<int> here{0};
  std::atomic<bool> met{true};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  ThreadPool::instance().run(2, 2, [&](Index, int) {
    here.fetch_add(1);
    while (here.load() < 2 && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    if (here.load() < 2) met.store(false);
  });
  return met.load();
}

}  // namespace

TEST_CASE("every task runs exactly once, for any number of tasks and threads") {
  for (int threads = 1; threads <= 8; ++threads)
    for (const Index n : {0, 1, 2, 3, 7, 8, 9, 64, 1000}) {
      CAPTURE(threads);
      CAPTURE(n);
      CHECK(each_once(n, threads));
    }
}

TEST_CASE("a thread number is in range and never used by two tasks at once") {
  for (int threads = 1; threads <= 6; ++threads) {
    std::vector<std::atomic<int>> inside(static_cast<std::size_t>(threads));
    std::atomic<int> faults{0};
    for (int job = 0; job < 200; ++job)
      ThreadPool::instance().run(20, threads, [&](Index, int thread) {
        if (thread < 0 || thread >= threads) {
          ++faults;
          return;
        }
        auto& mine = inside[static_cast<std::size_t>(thread)];
        faults += mine.fetch_add(1) != 0;
        for (volatile int i = 0; i < 100; ++i) {
        }
        mine.fetch_sub(1);
      });
    CHECK(faults == 0);
  }
}

TEST_CASE("tasks really run at the same time, also when the threads had gone to sleep") {
  for (int round = 0; round < 5; ++round) {
    CHECK(two_tasks_meet());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST_CASE("what tasks wrote is visible after run, and what was written before it to the tasks") {
  // Plain memory, so that a missing synchronisation is a data race for the thread sanitizer.
  std::vector<Index> numbers(64);
  for (Index job = 0; job < 5000; ++job) {
    ThreadPool::instance().run(
        64, 3, [&](Index task, int) { numbers[static_cast<std::size_t>(task)] += task + job; });
    numbers[static_cast<std::size_t>(job % 64)] -= 1;
  }
  Index expected = 64 * (4999 * 5000 / 2) + 5000 * (63 * 64 / 2) - 5000;
  CHECK(std::accumulate(numbers.begin(), numbers.end(), Index{0}) == expected);
}

TEST_CASE("a hundred thousand tiny jobs neither hang nor lose a task") {
  for (const int threads : {2, 4}) {
    std::atomic<Index> done{0};
    for (int job = 0; job < 100000; ++job)
      ThreadPool::instance().run(2, threads, [&](Index, int) { done.fetch_add(1); });
    CHECK(done == 200000);
  }
}

TEST_CASE("jobs interleaved with sleep find their threads again") {
  for (int job = 0; job < 200; ++job) {
    CHECK(each_once(5, 3));
    if (job % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST_CASE("a caller that fell asleep over a long task is woken when it is done") {
  for (int job = 0; job < 20; ++job) {
    std::vector<int> done(8);
    ThreadPool::instance().run(8, 4, [&](Index task, int thread) {
      // Longer than the caller's patience, wherever it is not the caller that has the task.
      if (thread != 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
      done[static_cast<std::size_t>(task)] = 1;
    });
    CHECK(done == std::vector<int>(8, 1));
  }
}

TEST_CASE("a job may have fewer threads than one before, and more again") {
  for (int job = 0; job < 40; ++job)
    for (const int threads : {6, 2, 3}) {
      std::atomic<int> highest{0};
      ThreadPool::instance().run(12, threads, [&](Index, int thread) {
        // Long enough for a thread that still spins after the job before to come in.
        std::this_thread::sleep_for(std::chrono::microseconds(50));
        for (int seen = highest; seen < thread && !highest.compare_exchange_weak(seen, thread);) {
        }
      });
      CHECK(highest < threads);
    }
  CHECK(two_tasks_meet());
}

TEST_CASE("many callers at once all get their work done") {
  std::atomic<int> faults{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&, caller] {
      for (int job = 0; job < 2000; ++job) {
        Index sum = 0;
        std::atomic<Index> shared{0};
        const Index n = 1 + (job + caller) % 9;
        ThreadPool::instance().run(n, 1 + job % 3,
                                   [&](Index task, int) { shared.fetch_add(task + 1); });
        sum = shared.load();
        if (sum != n * (n + 1) / 2) ++faults;
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(faults == 0);
}

TEST_CASE("the number of threads may change while others compute") {
  std::atomic<bool> stop{false};
  const int saved = ThreadPool::instance().n_threads();
  std::thread changing([&] {
    for (int n = 1; !stop; n = n % 4 + 1) ThreadPool::instance().set_n_threads(n);
  });
  bool all_done = true;
  for (int job = 0; job < 2000; ++job)
    all_done = each_once(6, ThreadPool::instance().n_threads()) && all_done;
  stop = true;
  changing.join();
  ThreadPool::instance().set_n_threads(saved);
  CHECK(all_done);
}

// The thread sanitizer cannot follow a child that starts threads.
#if defined(__unix__) && !defined(__SANITIZE_THREAD__)
namespace {

/// Whether f returns true in a forked child, which is killed if it takes long.
template <class F>
bool in_child(F&& f) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    _exit(f() ? 0 : 1);
  }
  int status = 1;
  if (child < 0 || waitpid(child, &status, 0) != child) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a forked child computes with threads of its own, and so does its parent after") {
  ThreadPool& pool = ThreadPool::instance();
  const int saved = pool.n_threads();
  pool.set_n_threads(3);
  CHECK(each_once(100, 3));
  CHECK(in_child([] {
    return ThreadPool::instance().n_threads() == 3 && each_once(100, 3) && two_tasks_meet();
  }));
  CHECK(in_child([] { return in_child([] { return each_once(100, 2); }) && two_tasks_meet(); }));
  pool.set_n_threads(saved);
  CHECK(two_tasks_meet());
}

// The address sanitizer needs address space itself.
#ifndef __SANITIZE_ADDRESS__
TEST_CASE("work is done by the threads there are when the system grants no more") {
  CHECK(in_child([] {
    std::vector<int> done(100);
    const rlimit no_more_stacks{1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_AS, &no_more_stacks) != 0) return false;
    for (int job = 0; job < 2; ++job)
      ThreadPool::instance().run(100, 8,
                                 [&](Index task, int) { ++done[static_cast<std::size_t>(task)]; });
    return done == std::vector<int>(100, 2);
  }));
}
#endif

TEST_CASE("a child forked while another thread computes is not caught in that computation") {
  std::atomic<bool> stop{false};
  std::thread computing([&] {
    while (!stop) each_once(50, 2);
  });
  for (int fork_number = 0; fork_number < 20; ++fork_number)
    CHECK(in_child([] { return each_once(50, 2) && two_tasks_meet(); }));
  stop = true;
  computing.join();
}
#endif
