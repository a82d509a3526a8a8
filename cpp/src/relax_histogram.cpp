// Relaxed histograms and their derivatives along a direction.
#include <utility>
#include <vector>

#include "nablafit/relax.hpp"
#include "relax_arguments.hpp"
#include "relax_spread.hpp"
#include "threads.hpp"

namespace nablafit {
namespace {

using detail::EventSpread;
using detail::HistogramShape;
using detail::HistogramTask;
using detail::SpreadBlock;

/// Runs `add(spread, event, task, partial)` for all events, where `partial` are the task's rows of
/// n_edges + 1 bins, and adds what the chunks gave in ascending order.
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

}  // namespace nablafit
