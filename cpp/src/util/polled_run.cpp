#include "util/polled_run.hpp"

#include <algorithm>
#include <atomic>
#include <optional>

#include "util/interruption.hpp"
#include "util/threads.hpp"

namespace nablafit::detail {
namespace {

std::size_t n_chunks(std::size_t n_items, std::size_t chunk_size) {
  return n_items / chunk_size + (n_items % chunk_size == 0 ? 0 : 1);
}

}  // namespace

std::size_t n_workers(std::size_t n_items, std::size_t chunk_size, const RunOptions& options) {
  const std::size_t most = std::max<std::size_t>(1, n_chunks(n_items, chunk_size));
  return std::min(usable_threads(options.n_threads), most);
}

bool run_items(std::size_t n_items, std::size_t chunk_size, const RunOptions& options,
               const std::function<void(std::size_t item, std::size_t worker)>& work) {
  std::atomic<std::size_t> n_done{0};
  std::atomic<bool> complete{true};
  std::optional<PollScope> scope;
  if (options.poll) {
    scope.emplace([&] { return options.poll(n_done.load(std::memory_order_relaxed)); });
  }
  const auto work_on_chunk = [&](std::size_t chunk, std::size_t worker) {
    const std::size_t end = chunk_size * chunk + std::min(chunk_size, n_items - chunk_size * chunk);
    try {
      for (std::size_t item = chunk * chunk_size; item < end; ++item) {
        check_interruption();
        work(item, worker);
        n_done.fetch_add(1, std::memory_order_relaxed);
      }
    } catch (const Interrupted&) {
      complete = false;
    }
  };
  parallel_for(n_chunks(n_items, chunk_size), n_workers(n_items, chunk_size, options),
               work_on_chunk);
  if (scope) scope->ask();
  return complete;
}

}  // namespace nablafit::detail
