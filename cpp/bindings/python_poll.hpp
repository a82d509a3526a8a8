/// \file
/// Ctrl-C and progress during long calls.
#ifndef NABLAFIT_BINDINGS_PYTHON_POLL_HPP
#define NABLAFIT_BINDINGS_PYTHON_POLL_HPP

#include <pybind11/pybind11.h>

#include <cstddef>
#include <utility>

#include "nablafit/batch.hpp"
#include "nablafit/interruption.hpp"

namespace nablafit::bindings {

namespace py = pybind11;

/// What a Python thread that works for another one calls, to learn whether it is to stop: signals
/// reach the main thread alone. Null, or a function that raises then.
inline PyObject*& stop_of_thread() {
  thread_local PyObject* function = nullptr;
  return function;
}

/// Handles signals and calls a progress function while threads work without the GIL. Only the
/// calling thread polls.
class PythonPoll {
 public:
  PythonPoll(std::size_t n_threads, py::object progress) : progress_(std::move(progress)) {
    options_.n_threads = n_threads;
    options_.poll = [this](std::size_t n_done) { return poll(n_done); };
  }

  /// Calls `work()` without the GIL; Ctrl-C stops what it does.
  template <typename Work>
  auto run(Work&& work) {
    const py::gil_scoped_release release;
    const PollScope scope([this] { return poll(0); });
    return work();
  }
  const RunOptions& options() const noexcept { return options_; }
  /// The exception that stopped the run, or None.
  py::object exception() const { return exception_; }
  /// Raises it, if there is one.
  void raise() const {
    if (exception_.is_none()) return;
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception_.ptr())), exception_.ptr());
    throw py::error_already_set();
  }

 private:
  bool poll(std::size_t n_done) {
    if (stopped_) return false;
    const py::gil_scoped_acquire acquire;
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      const py::handle stop = stop_of_thread();
      if (stop) stop();
      if (!progress_.is_none()) progress_(n_done);
    } catch (py::error_already_set& error) {
      exception_ = error.value();
      stopped_ = true;
    }
    return !stopped_;
  }

  RunOptions options_;
  py::object progress_;
  py::object exception_ = py::none();
  bool stopped_ = false;
};

/// Calls `work()` without the GIL; raises what a signal handler raised if that stopped it.
template <typename Work>
auto interruptible(Work&& work) {
  PythonPoll poll(0, py::none());
  try {
    return poll.run(work);
  } catch (const Interrupted&) {
    poll.raise();
    throw;
  }
}

}  // namespace nablafit::bindings

#endif  // NABLAFIT_BINDINGS_PYTHON_POLL_HPP
