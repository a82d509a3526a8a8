#include "util/polled_run.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "util/threads.hpp"

namespace nablafit::detail {
namespace {

using Clock = std::chrono::steady_clock;

/// Between two calls of RunOptions::poll.
constexpr std::chrono::milliseconds poll_interval{25};

/// Counts items, and polls regularly from the calling thread, which is worker 0.
class Progress {
 public:
  explicit Progress(const RunOptions& options) : options_(options), last_(Clock::now()) {}

  bool stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }

  void note_item(std::size_t worker) {
    n_done_.fetch_add(1, std::memory_order_relaxed);
    if (worker != 0 || !options_.poll) return;
    const Clock::time_point now = Clock::now();
    if (now - last_ < poll_interval) return;
    poll();
    last_ = now;
  }

  void poll() {
    if (!options_.poll) return;
    if (!options_.poll(n_done_.load(std::memory_order_relaxed))) stopped_ = true;
  }

 private:
  const RunOptions& options_;
  Clock::time_point last_;
  std::atomic<std::size_t> n_done_{0};
  std::atomic<bool> stopped_{false};
};

std::size_t n_chunks(std::size_t n_items, std::size_t chunk_size) {
  return (n_items + chunk_size - 1) / chunk_size;
}

}  // namespace

std::size_t n_workers(std::size_t n_items, std::size_t chunk_size, const RunOptions& options) {
  const std::size_t most = std::max<std::size_t>(1, n_chunks(n_items, chunk_size));
  return std::min(usable_threads(options.n_threads), most);
}

bool run_items(std::size_t n_items, std::size_t chunk_size, const RunOptions& options,
               const std::function<void(std::size_t item, std::size_t worker)>& work) {
  Progress progress(options);
  std::atomic<std::size_t> n_left_out{0};
  const auto work_on_chunk = [&](std::size_t chunk, std::size_t worker) {
    const std::size_t end = std::min(n_items, (chunk + 1) * chunk_size);
    for (std::size_t item = chunk * chunk_size; item < end; ++item) {
      if (progress.stopped()) {
        n_left_out += end - item;
        return;
      }
      work(item, worker);
      progress.note_item(worker);
    }
  };
  parallel_for(n_chunks(n_items, chunk_size), n_workers(n_items, chunk_size, options),
               work_on_chunk);
  progress.poll();
  return n_left_out == 0;
}

}  // namespace nablafit::detail
