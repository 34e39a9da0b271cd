// How many threads this process may use: its affinity, its cgroups' quotas and OMP_NUM_THREADS.
#pragma once

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#include "backprop/common.hpp"

#if defined(__linux__)
#include <sched.h>
#endif

BACKPROP_NAMESPACE_BEGIN

namespace detail {

/// How many processors' time the cgroup in a folder grants; infinity where it sets no limit.
inline double quota_in(const std::string& folder) {
  double quota = 0, period = 0;
  // Version 2 has both in one file, version 1 has two files; no limit is "max" or -1.
  std::ifstream both(folder + "/cpu.max");
  if (!(both >> quota >> period)) {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : std::numeric_limits<double>::infinity();
}

/// The least quota of the cgroup at `path` and of those around it, since each of them binds it. In
/// a container the path may be the host's and lead nowhere; the mount itself is then the
/// container's.
inline double quota_along(const std::string& mount, std::string path) {
  double least = quota_in(mount);
  for (; path.size() > 1; path.erase(path.rfind('/')))
    least = std::min(least, quota_in(mount + path));
  return least;
}

/// The first number of OMP_NUM_THREADS, or 0 where that is none; its other numbers are for nested
/// regions.
inline int first_of_list(const char* text) {
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  while (std::isspace(static_cast<unsigned char>(*end))) ++end;
  if (n <= 0 || (*end != '\0' && *end != ',')) return 0;
  return static_cast<int>(std::min<long>(n, std::numeric_limits<int>::max()));
}

}  // namespace detail

/// How many processors' time the cgroups of this process grant. `root` is where the system's
/// folders /proc and /sys are.
inline double cgroup_quota(const std::string& root = "") {
  double least = std::numeric_limits<double>::infinity();
  std::ifstream cgroups(root + "/proc/self/cgroup");
  // A line a hierarchy, id:controllers:path; version 2 names no controllers.
  for (std::string line; std::getline(cgroups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    std::string mounts[] = {"", "/unified"};
    if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      mounts[0] = "/cpu";
      mounts[1] = "/" + controllers;
    } else if (!controllers.empty()) {
      continue;
    }
    for (const std::string& mount : mounts)
      least = std::min(least, detail::quota_along(root + "/sys/fs/cgroup" + mount, path));
  }
  return least;
}

/// Threads this process may use, at least one.
inline int available_threads() {
  int n = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) n = CPU_COUNT(&set);
#endif
  n = static_cast<int>(std::min<double>(n, std::ceil(cgroup_quota())));
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int asked = detail::first_of_list(text);
    if (asked > 0) n = std::min(n, asked);
  }
  return std::max(n, 1);
}

BACKPROP_NAMESPACE_END
