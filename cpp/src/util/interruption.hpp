/// \file
/// What long loops call so that a PollScope can stop them.
#ifndef NABLAFIT_SRC_UTIL_INTERRUPTION_HPP
#define NABLAFIT_SRC_UTIL_INTERRUPTION_HPP

#include <cstddef>

#include "nablafit/interruption.hpp"

namespace nablafit::detail {

/// Operations on numbers, 0.1 ms or so, after which the time is looked at.
constexpr std::size_t operations_between_checks = std::size_t{1} << 17U;

/// About as many as readers and compilers take for an item with a name.
constexpr std::size_t operations_per_name = 1024;

using nablafit::check_interruption;

/// After an item that takes that long by itself.
inline void check_interruption() { nablafit::check_interruption(operations_between_checks); }

/// The scope of a thread, and whether the thread may ask it.
struct PollState {
  PollScope* scope = nullptr;
  bool asks = false;
  std::size_t operations = 0;  ///< since the last check
};

/// Of the calling thread.
PollState& poll_state() noexcept;

/// Gives a helper thread the scope of the thread that it works for; it never asks.
class InheritedScope {
 public:
  explicit InheritedScope(PollScope* scope) noexcept : before_(poll_state()) {
    poll_state() = {scope, false, 0};
  }
  ~InheritedScope() { poll_state() = before_; }
  InheritedScope(const InheritedScope&) = delete;
  InheritedScope& operator=(const InheritedScope&) = delete;

 private:
  PollState before_;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_INTERRUPTION_HPP
