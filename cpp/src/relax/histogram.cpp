// Relaxed histograms and their derivatives along a direction.
#include <utility>
#include <vector>

#include "nablafit/relax.hpp"
#include "relax/arguments.hpp"
#include "relax/spread.hpp"
#include "util/threads.hpp"

namespace nablafit {
namespace {

using detail::EventSpread;
using detail::HistogramShape;
using detail::HistogramTask;
using detail::SpreadBlock;

/// Runs `add(spread, event, task, partial)` for all events, where `partial` are the task's rows of
/// n_edges + 1 bins, and adds the results of the chunks in ascending order.
template <typename Add>
std::vector<double> accumulate(const HistogramInputs& inputs, const HistogramShape& shape,
                               const HistogramOptions& options, const Add& add) {
  const std::size_t n_full = shape.n_edges + 1;
  std::vector<std::vector<double>> partials(shape.n_tasks());
  const auto work = [&](std::size_t index, std::size_t) {
    const HistogramTask task(shape, index);
    std::vector<double>& partial = partials[index];
    partial.assign(shape.histograms_per_group() * n_full, 0.0);
    const double* values = inputs.values.data() + task.group * shape.n_events;
    SpreadBlock block(inputs.edges, options.kernel);
    for (std::size_t begin = task.begin; begin < task.end;) {
      const std::size_t n = block.fill(values, inputs.bandwidths, begin, task.end);
      for (std::size_t i = 0; i < n; ++i) add(block[i], begin + i, task, partial.data());
      begin += n;
    }
  };
  detail::parallel_for(shape.n_tasks(), detail::usable_threads(options.n_threads), work);
  std::vector<double> full(shape.n_histograms * n_full);
  for (std::size_t index = 0; index < partials.size(); ++index) {
    const HistogramTask task(shape, index);
    double* rows = full.data() + task.first_histogram * n_full;
    for (std::size_t i = 0; i < partials[index].size(); ++i) rows[i] += partials[index][i];
  }
  return detail::reduce_outside(std::move(full), shape.n_edges, options.outside);
}

void check_directions(const HistogramInputs& inputs, const HistogramDirections& directions) {
  const auto check = [](Span<const double> direction, Span<const double> input, const char* name) {
    if (!direction.empty()) detail::require_size(direction.size(), input.size(), name);
  };
  check(directions.values, inputs.values, "directions.values");
  check(directions.weights, inputs.weights, "directions.weights");
  check(directions.edges, inputs.edges, "directions.edges");
  check(directions.bandwidths, inputs.bandwidths, "directions.bandwidth");
}

/// Change of C at each edge that an event touches.
class CrossingRates {
 public:
  CrossingRates(const HistogramDirections& directions, std::size_t n_events)
      : directions_(directions), n_events_(n_events) {}

  /// Change of C at the touched edge `j`, counted from spread.first.
  double operator()(const EventSpread& spread, std::size_t event, std::size_t group,
                    std::size_t j) const {
    const double edge = at(directions_.edges, spread.first + j);
    const double value = at(directions_.values, group * n_events_ + event);
    const bool one = directions_.bandwidths.size() == 1;
    const double bandwidth = at(directions_.bandwidths, one ? 0 : event);
    return spread.slopes[j] * (edge - value - spread.distances[j] * bandwidth);
  }

 private:
  static double at(Span<const double> direction, std::size_t i) {
    return direction.empty() ? 0.0 : direction[i];
  }

  HistogramDirections directions_;
  std::size_t n_events_;
};

using detail::EventSpread;
using detail::HistogramShape;
using detail::HistogramTask;
using detail::SpreadBlock;

/// Accumulates derivatives. Those of an event are written by a single task; those of edges and of a
/// bandwidth common to all events are summed per task.
struct Adjoints {
  HistogramGradients gradients;
  std::vector<double> event_bandwidths;  ///< [group * n_events + event]
  std::vector<std::vector<double>> edges;
};

class Backward {
 public:
  Backward(const HistogramInputs& inputs, const HistogramShape& shape,
           const std::vector<double>& cotangents, Adjoints& adjoints)
      : inputs_(inputs), shape_(shape), cotangents_(cotangents), adjoints_(adjoints) {}

  void run(std::size_t index, SmoothingKernel kernel) {
    const HistogramTask task(shape_, index);
    std::vector<double>& edges = adjoints_.edges[index];
    edges.assign(shape_.n_edges, 0.0);
    SpreadBlock block(inputs_.edges, kernel);
    const double* values = inputs_.values.data() + task.group * shape_.n_events;
    for (std::size_t begin = task.begin; begin < task.end;) {
      const std::size_t n = block.fill(values, inputs_.bandwidths, begin, task.end);
      for (std::size_t i = 0; i < n; ++i) add(block[i], begin + i, task, edges.data());
      begin += n;
    }
  }

 private:
  void add(const EventSpread& spread, std::size_t event, const HistogramTask& task, double* edges) {
    jumps_.assign(spread.last - spread.first, 0.0);
    for (std::size_t h = task.first_histogram; h < task.last_histogram; ++h) {
      const double* row = cotangents_.data() + h * (shape_.n_edges + 1) + spread.first;
      const std::size_t i = h * shape_.n_events + event;
      const double weight = inputs_.weights[i];
      double mean = spread.shares[0] * row[0];
      for (std::size_t j = 0; j < jumps_.size(); ++j) {
        mean += spread.shares[j + 1] * row[j + 1];
        jumps_[j] += weight * (row[j] - row[j + 1]);
      }
      adjoints_.gradients.weights[i] = mean;
    }
    double by_value = 0.0;
    double by_bandwidth = 0.0;
    for (std::size_t j = 0; j < jumps_.size(); ++j) {
      const double by_edge = jumps_[j] * spread.slopes[j];
      edges[spread.first + j] += by_edge;
      by_value -= by_edge;
      by_bandwidth -= by_edge * spread.distances[j];
    }
    const std::size_t i = task.group * shape_.n_events + event;
    adjoints_.gradients.values[i] = by_value;
    adjoints_.event_bandwidths[i] = by_bandwidth;
  }

  const HistogramInputs& inputs_;
  const HistogramShape& shape_;
  const std::vector<double>& cotangents_;
  Adjoints& adjoints_;
  std::vector<double> jumps_;
};

/// Sums over tasks, groups and, for a common bandwidth, events: in ascending order.
HistogramGradients collect(Adjoints&& adjoints, const HistogramInputs& inputs,
                           const HistogramShape& shape) {
  HistogramGradients gradients = std::move(adjoints.gradients);
  gradients.edges.assign(shape.n_edges, 0.0);
  for (const std::vector<double>& edges : adjoints.edges) {
    for (std::size_t j = 0; j < edges.size(); ++j) gradients.edges[j] += edges[j];
  }
  gradients.bandwidths.assign(inputs.bandwidths.size(), 0.0);
  const bool one = inputs.bandwidths.size() == 1;
  for (std::size_t i = 0; i < adjoints.event_bandwidths.size(); ++i) {
    gradients.bandwidths[one ? 0 : i % shape.n_events] += adjoints.event_bandwidths[i];
  }
  return gradients;
}

}  // namespace

std::vector<double> soft_histogram(const HistogramInputs& inputs, const HistogramOptions& options) {
  const HistogramShape shape(inputs);
  const double* weights = inputs.weights.data();
  const auto add = [&](const EventSpread& spread, std::size_t event, const HistogramTask& task,
                       double* partial) {
    const std::size_t n_touched = spread.last - spread.first + 1;
    double* bins = partial + spread.first;
    for (std::size_t h = task.first_histogram; h < task.last_histogram; ++h) {
      const double weight = weights[h * shape.n_events + event];
      for (std::size_t k = 0; k < n_touched; ++k) bins[k] += weight * spread.shares[k];
      bins += shape.n_edges + 1;
    }
  };
  return accumulate(inputs, shape, options, add);
}

std::vector<double> soft_histogram_jvp(const HistogramInputs& inputs,
                                       const HistogramDirections& directions,
                                       const HistogramOptions& options) {
  const HistogramShape shape(inputs);
  check_directions(inputs, directions);
  const double* weights = inputs.weights.data();
  const bool has_weights = !directions.weights.empty();
  const CrossingRates rate(directions, shape.n_events);
  const auto add = [&](const EventSpread& spread, std::size_t event, const HistogramTask& task,
                       double* partial) {
    double below = 0.0;
    for (std::size_t k = 0; k <= spread.last - spread.first; ++k) {
      const bool has_edge = spread.first + k < spread.last;
      const double above = has_edge ? rate(spread, event, task.group, k) : 0.0;
      double* bin = partial + spread.first + k;
      for (std::size_t h = task.first_histogram; h < task.last_histogram; ++h) {
        const std::size_t i = h * shape.n_events + event;
        *bin += weights[i] * (above - below);
        if (has_weights) *bin += directions.weights[i] * spread.shares[k];
        bin += shape.n_edges + 1;
      }
      below = above;
    }
  };
  return accumulate(inputs, shape, options, add);
}

HistogramGradients soft_histogram_vjp(const HistogramInputs& inputs, Span<const double> cotangents,
                                      const HistogramOptions& options) {
  const HistogramShape shape(inputs);
  const std::size_t n_bins = n_histogram_bins(shape.n_edges, options.outside);
  detail::require_size(cotangents.size(), shape.n_histograms * n_bins, "cotangents");
  const std::vector<double> full =
      detail::expand_outside(cotangents, shape.n_edges, options.outside);
  Adjoints adjoints;
  adjoints.gradients.values.resize(inputs.values.size());
  adjoints.gradients.weights.resize(inputs.weights.size());
  adjoints.event_bandwidths.resize(inputs.values.size());
  adjoints.edges.resize(shape.n_tasks());
  const auto work = [&](std::size_t task, std::size_t) {
    Backward(inputs, shape, full, adjoints).run(task, options.kernel);
  };
  detail::parallel_for(shape.n_tasks(), detail::usable_threads(options.n_threads), work);
  return collect(std::move(adjoints), inputs, shape);
}

}  // namespace nablafit
