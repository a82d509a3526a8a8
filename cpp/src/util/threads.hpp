/// \file
/// Threads that live as long as one call, so that none is left when the process forks.
#ifndef NABLAFIT_SRC_UTIL_THREADS_HPP
#define NABLAFIT_SRC_UTIL_THREADS_HPP

#include <cstddef>
#include <functional>

namespace nablafit::detail {

/// Threads that a call may use: `requested` if it is not 0; else the environment variable
/// NABLAFIT_NUM_THREADS; else the processors that this process may run on. Always 1 in a thread
/// that works for parallel_for, so that nested calls do not multiply.
std::size_t usable_threads(std::size_t requested = 0);

/// Calls task(i, worker) for every i < n_tasks, worker < n_threads, from n_threads threads of which
/// the caller is one. Threads take the tasks in ascending order. The first exception is rethrown
/// when all threads have ended; tasks not yet begun are skipped.
void parallel_for(std::size_t n_tasks, std::size_t n_threads,
                  const std::function<void(std::size_t task, std::size_t worker)>& task);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_THREADS_HPP
