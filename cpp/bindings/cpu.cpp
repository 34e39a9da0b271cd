// backprop._cpu: which instruction-set levels this processor and its system can run, best last.
#include <pybind11/pybind11.h>

namespace py = pybind11;

PYBIND11_MODULE(_cpu, m) {
  m.def("levels", [] {
    py::list levels;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v2")) levels.append("x86_64_v2");
    if (__builtin_cpu_supports("x86-64-v3")) levels.append("x86_64_v3");
    if (__builtin_cpu_supports("x86-64-v4")) levels.append("x86_64_v4");
#else
    levels.append("portable");
#endif
    return levels;
  });
}
