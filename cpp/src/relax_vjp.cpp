// Derivatives of a scalar function of relaxed histograms with respect to their inputs.
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

/// Where derivatives go. Those of an event are written by one task each; edges and a bandwidth of
/// all events are summed per task.
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

/// Sums over tasks, groups and, for one bandwidth of all, events: in ascending order.
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
