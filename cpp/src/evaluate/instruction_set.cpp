#include "evaluate/instruction_set.hpp"

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "evaluate/sweep.hpp"
#include "nablafit/error.hpp"

namespace nablafit::detail {

namespace sweep_baseline {
extern const SweepFunctions functions;
}
#ifdef NABLAFIT_SWEEP_X86
namespace sweep_avx2 {
extern const SweepFunctions functions;
}
namespace sweep_avx512 {
extern const SweepFunctions functions;
}
#endif

namespace {

/// Fastest first; terminated by null.
const SweepFunctions* const* available_sweeps() {
  static const SweepFunctions* sweeps[4] = {};
  static const bool filled = [] {
    int n = 0;
#ifdef NABLAFIT_SWEEP_X86
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512) sweeps[n++] = &sweep_avx512::functions;
    if (avx2) sweeps[n++] = &sweep_avx2::functions;
#endif
    sweeps[n] = &sweep_baseline::functions;
    return true;
  }();
  static_cast<void>(filled);
  return sweeps;
}

}  // namespace

const SweepFunctions* find_sweep(const char* name) {
  for (const SweepFunctions* const* sweep = available_sweeps(); *sweep != nullptr; ++sweep) {
    if (std::strcmp((*sweep)->name, name) == 0) return *sweep;
  }
  return nullptr;
}

std::vector<std::string> sweep_names() {
  std::vector<std::string> names;
  for (const SweepFunctions* const* sweep = available_sweeps(); *sweep != nullptr; ++sweep) {
    names.emplace_back((*sweep)->name);
  }
  return names;
}

const SweepFunctions& sweep_functions() {
  static const SweepFunctions& chosen = []() -> const SweepFunctions& {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char* wanted = std::getenv("NABLAFIT_INSTRUCTION_SET");
    if (wanted == nullptr || *wanted == '\0') return *available_sweeps()[0];
    if (const SweepFunctions* found = find_sweep(wanted)) return *found;
    std::string known;
    for (const std::string& name : sweep_names()) known += (known.empty() ? "" : ", ") + name;
    throw ArgumentError("found '" + std::string(wanted) +
                            "', expected one of those that this processor has: " + known +
                            "; or unset the variable",
                        "NABLAFIT_INSTRUCTION_SET");
  }();
  return chosen;
}

}  // namespace nablafit::detail
