/// \file
/// Stopping what takes long: Ctrl-C, a button, a time limit.
#ifndef NABLAFIT_INTERRUPTION_HPP
#define NABLAFIT_INTERRUPTION_HPP

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>

#include "nablafit/error.hpp"
#include "nablafit/export.hpp"

namespace nablafit {

/// Leaves a call that was stopped and has no way to return a part of its result.
class NABLAFIT_EXCEPTION Interrupted : public Error {
 public:
  Interrupted() : Error("stopped before the end") {}
};

/// While it lives, long calls of its thread, and the threads that they start, can be stopped: about
/// every 25 ms, and from its thread alone, they ask `poll` whether to go on. Once it answers false,
/// minimisations return what they have with MinimizeStatus::interrupted, batches what is done with
/// `complete` false, and everything else (a Hessian, a covariance, reading and compiling a model)
/// throws Interrupted. Exceptions that `poll` throws propagate to the caller. Calls that are over
/// sooner do not ask. Scopes nest: the inner and the outer one are asked.
class NABLAFIT_API PollScope {
 public:
  explicit PollScope(std::function<bool()> poll);
  ~PollScope();
  PollScope(const PollScope&) = delete;
  PollScope& operator=(const PollScope&) = delete;

  /// Asks now; from its thread only.
  void ask();
  /// Whether this or an outer scope was stopped; from any thread.
  bool is_stopped() const noexcept;
  /// Asks this and outer scopes whose last answer is old.
  void ask_if_due();

 private:
  using Clock = std::chrono::steady_clock;

  std::function<bool()> poll_;
  Clock::time_point asked_;
  std::atomic<bool> stopped_{false};
  PollScope* outer_;
  bool asks_outer_;  ///< whether the outer scope is of this thread
};

/// Throws Interrupted if the scope of this thread was stopped; for long loops, also of functions
/// that are handed to nablafit. Cheap enough for inner ones: the scope is asked, and looked at,
/// once there was enough work. `operations`: about how many on numbers there were since the last
/// call.
NABLAFIT_API void check_interruption(std::size_t operations);

}  // namespace nablafit

#endif  // NABLAFIT_INTERRUPTION_HPP
