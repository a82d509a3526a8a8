#include "util/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace nablafit::detail {
namespace {

thread_local bool is_worker = false;

class WorkerMark {
 public:
  WorkerMark() : before_(is_worker) { is_worker = true; }
  ~WorkerMark() { is_worker = before_; }
  WorkerMark(const WorkerMark&) = delete;
  WorkerMark& operator=(const WorkerMark&) = delete;

 private:
  bool before_;
};

std::size_t n_processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  }
#endif
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

std::size_t usable_threads(std::size_t requested) {
  if (is_worker) return 1;
  if (requested > 0) return requested;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
  if (const char* text = std::getenv("NABLAFIT_NUM_THREADS")) {
    char* end = nullptr;
    const long number = std::strtol(text, &end, 10);
    if (end != text && *end == '\0' && number > 0) return static_cast<std::size_t>(number);
  }
  return n_processors();
}

void parallel_for(std::size_t n_tasks, std::size_t n_threads,
                  const std::function<void(std::size_t, std::size_t)>& task) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr error;
  std::mutex error_mutex;
  const auto work = [&](std::size_t worker) {
    const WorkerMark mark;
    try {
      for (std::size_t i = next++; i < n_tasks; i = next++) task(i, worker);
    } catch (...) {
      next = n_tasks;
      const std::lock_guard<std::mutex> lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  const std::size_t n_helpers = std::min(n_threads, n_tasks);
  try {
    for (std::size_t worker = 1; worker < n_helpers; ++worker) threads.emplace_back(work, worker);
  } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
    // No more threads are available; those that run do all the work.
  }
  work(0);
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace nablafit::detail
