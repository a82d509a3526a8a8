#include "util/interruption.hpp"

#include <utility>

namespace nablafit {
namespace {

/// Between two questions.
constexpr std::chrono::milliseconds poll_interval{25};

thread_local detail::PollState state_of_thread;

}  // namespace

PollScope::PollScope(std::function<bool()> poll)
    : poll_(std::move(poll)),
      asked_(Clock::now()),
      outer_(state_of_thread.scope),
      asks_outer_(state_of_thread.asks) {
  state_of_thread = {this, true, 0};
}

PollScope::~PollScope() { state_of_thread = {outer_, asks_outer_, 0}; }

void PollScope::ask() {
  try {
    if (!poll_()) stopped_ = true;
  } catch (...) {
    stopped_ = true;
    throw;
  }
  asked_ = Clock::now();
}

bool PollScope::is_stopped() const noexcept {
  return stopped_.load(std::memory_order_relaxed) || (outer_ != nullptr && outer_->is_stopped());
}

void PollScope::ask_if_due() {
  if (!stopped_.load(std::memory_order_relaxed) && Clock::now() - asked_ >= poll_interval) ask();
  if (asks_outer_) outer_->ask_if_due();
}

namespace detail {

PollState& poll_state() noexcept { return state_of_thread; }

}  // namespace detail

void check_interruption(std::size_t operations) {
  detail::PollState& state = state_of_thread;
  if (state.scope == nullptr) return;
  state.operations += operations;
  if (state.operations < detail::operations_between_checks) return;
  state.operations = 0;
  if (state.asks) state.scope->ask_if_due();
  if (state.scope->is_stopped()) throw Interrupted();
}

}  // namespace nablafit
