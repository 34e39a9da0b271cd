// What limits the threads of a process: quotas of nested cgroups, in files made up here, and
// OMP_NUM_THREADS.
#include "backprop/available.hpp"

#include <filesystem>

#include "support.hpp"

using namespace backprop;

namespace {

constexpr double unlimited = std::numeric_limits<double>::infinity();

/// A folder that stands for the root of the system.
class Root {
 public:
  Root() : folder_(std::filesystem::temp_directory_path() / "backprop_test_XXXXXX") {
    std::string name = folder_.string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  ~Root() { std::filesystem::remove_all(folder_); }

  Root& file(const std::string& path, const std::string& text) {
    const auto full = folder_ / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text << "\n";
    return *this;
  }
  double quota() const { return cgroup_quota(folder_.string()); }

 private:
  std::filesystem::path folder_;
};

}  // namespace

TEST_CASE("no cgroup, or one without a quota, is no limit") {
  CHECK(Root().quota() == unlimited);
  CHECK(Root().file("proc/self/cgroup", "0::/").quota() == unlimited);
  CHECK(
      Root().file("proc/self/cgroup", "0::/").file("sys/fs/cgroup/cpu.max", "max 100000").quota() ==
      unlimited);
  CHECK(Root()
            .file("proc/self/cgroup", "3:cpu:/")
            .file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
            .file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
            .quota() == unlimited);
}

TEST_CASE("version 2: the least quota of the process's own cgroup and all around it") {
  Root root;
  root.file("proc/self/cgroup", "0::/user.slice/job/step");
  root.file("sys/fs/cgroup/user.slice/job/other/cpu.max", "10000 100000");
  CHECK(root.quota() == unlimited);
  root.file("sys/fs/cgroup/user.slice/cpu.max", "400000 100000");
  CHECK(root.quota() == 4);
  root.file("sys/fs/cgroup/user.slice/job/step/cpu.max", "150000 100000");
  CHECK(root.quota() == 1.5);
  root.file("sys/fs/cgroup/user.slice/job/cpu.max", "50000 100000");
  CHECK(root.quota() == 0.5);
  root.file("sys/fs/cgroup/cpu.max", "25000 100000");
  CHECK(root.quota() == 0.25);
}

TEST_CASE("version 1: the hierarchy of the processor, whatever it is called") {
  for (const std::string name : {"cpu", "cpu,cpuacct", "cpuacct,cpu"}) {
    CAPTURE(name);
    Root root;
    root.file("proc/self/cgroup", "9:name=systemd:/\n4:cpuset:/\n2:" + name + ":/docker/a\n0::/");
    root.file("sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "100000");
    root.file("sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000");
    CHECK(root.quota() == unlimited);
    // Inside a container its own quota is at the mount, and the path is the host's.
    root.file("sys/fs/cgroup/" + name + "/cpu.cfs_quota_us", "300000");
    root.file("sys/fs/cgroup/" + name + "/cpu.cfs_period_us", "100000");
    CHECK(root.quota() == 3);
    root.file("sys/fs/cgroup/" + name + "/docker/a/cpu.cfs_quota_us", "50000");
    root.file("sys/fs/cgroup/" + name + "/docker/a/cpu.cfs_period_us", "25000");
    CHECK(root.quota() == 2);
  }
}

TEST_CASE("both versions side by side, the second one mounted as unified") {
  Root root;
  root.file("proc/self/cgroup", "1:cpuset:/\n0::/job");
  root.file("sys/fs/cgroup/unified/job/cpu.max", "700000 100000");
  CHECK(root.quota() == 7);
}

TEST_CASE("files that make no sense are no limit") {
  for (const std::string text : {"", "nonsense", "0 0", "-5 100000", "100000", "100000 0"}) {
    CAPTURE(text);
    Root root;
    root.file("proc/self/cgroup", "0::/").file("sys/fs/cgroup/cpu.max", text);
    CHECK(root.quota() == unlimited);
  }
  for (const std::string text : {"", ":", "::", "0::", "0::job", "nonsense"}) {
    CAPTURE(text);
    Root root;
    root.file("proc/self/cgroup", text).file("sys/fs/cgroup/cpu.max", "max 100000");
    CHECK(root.quota() == unlimited);
  }
}

TEST_CASE("the threads available are at least one and at most OMP_NUM_THREADS") {
  const char* const before = std::getenv("OMP_NUM_THREADS");
  const std::string saved = before ? before : "";
  unsetenv("OMP_NUM_THREADS");
  const int all = available_threads();
  CHECK(all >= 1);
  for (const char* text : {"1", " 1 ", "1,4", "1 , 4,2"}) {
    CAPTURE(text);
    setenv("OMP_NUM_THREADS", text, 1);
    CHECK(available_threads() == 1);
  }
  for (const char* text : {"0", "-3", "many", "", " ", "1many", "1.5", ",1", "1000000",
                           "99999999999999999999", "1000000,1"}) {
    CAPTURE(text);
    setenv("OMP_NUM_THREADS", text, 1);
    CHECK(available_threads() == all);
  }
  if (before)
    setenv("OMP_NUM_THREADS", saved.c_str(), 1);
  else
    unsetenv("OMP_NUM_THREADS");
}
