/// \file
/// Processing of many items in threads, with interruption.
#ifndef NABLAFIT_SRC_UTIL_POLLED_RUN_HPP
#define NABLAFIT_SRC_UTIL_POLLED_RUN_HPP

#include <cstddef>
#include <functional>

#include "nablafit/batch.hpp"
#include "nablafit/interruption.hpp"

namespace nablafit::detail {

/// Threads that `run_items` will use.
std::size_t n_workers(std::size_t n_items, std::size_t chunk_size, const RunOptions& options);

/// Calls work(item, worker) for items below n_items, worker < n_workers(...). Each thread takes
/// `chunk_size` items at a time, in ascending order. Returns false if the call was stopped; some
/// items are then not processed, those whose `work` throws Interrupted included.
bool run_items(std::size_t n_items, std::size_t chunk_size, const RunOptions& options,
               const std::function<void(std::size_t item, std::size_t worker)>& work);

/// Passes a minimisation on; throws Interrupted if it was stopped.
inline const MinimizeSummary& uninterrupted(const MinimizeSummary& summary) {
  if (summary.status == MinimizeStatus::interrupted) throw Interrupted();
  return summary;
}
const MinimizeSummary& uninterrupted(MinimizeSummary&&) = delete;

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_POLLED_RUN_HPP
