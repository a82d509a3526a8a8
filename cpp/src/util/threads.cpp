#include "util/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "util/interruption.hpp"

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

/// The helpers of one call, and the first exception of all its threads.
class Team {
 public:
  /// Calls work(worker) for 1 <= worker < n_threads from helpers: as many as there is memory and
  /// permission for. Those that run do all the work.
  template <typename Work>
  void start(std::size_t n_threads, const Work& work) {
    try {
      for (std::size_t worker = 1; worker < n_threads; ++worker) {
        helpers_.reserve(worker);
        helpers_.emplace_back([this, &work, worker, scope = poll_state().scope] {
          const InheritedScope inherited(scope);
          work(worker);
          const std::lock_guard<std::mutex> lock(mutex_);
          ++n_finished_;
          finished_.notify_one();
        });
      }
    } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
    } catch (const std::bad_alloc&) {     // NOLINT(bugprone-empty-catch)
    }
  }

  void note_error() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }

  /// Waits for the helpers; they see on their own when they are to stop.
  void finish() {
    const PollState& state = poll_state();
    if (state.scope != nullptr && state.asks) wait_and_ask(*state.scope);
    for (std::thread& helper : helpers_) helper.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void wait_and_ask(PollScope& scope) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto are_finished = [this] { return n_finished_ == helpers_.size(); };
    while (!finished_.wait_for(lock, std::chrono::milliseconds(25), are_finished)) {
      lock.unlock();
      try {
        scope.ask_if_due();
      } catch (...) {
        note_error();
      }
      lock.lock();
    }
  }

  std::vector<std::thread> helpers_;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::size_t n_finished_ = 0;
  std::exception_ptr error_;
};

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
  Team team;
  std::atomic<std::size_t> next{0};
  const auto work = [&](std::size_t worker) {
    const WorkerMark mark;
    try {
      for (std::size_t i = next++; i < n_tasks; i = next++) task(i, worker);
    } catch (...) {
      next = n_tasks;
      team.note_error();
    }
  };
  team.start(std::min(n_threads, n_tasks), work);
  work(0);
  team.finish();
}

}  // namespace nablafit::detail
