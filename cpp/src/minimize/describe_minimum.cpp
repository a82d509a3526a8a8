// The sentence that explains a MinimizeSummary.
#include <algorithm>
#include <cstdio>
#include <string>

#include "nablafit/minimize.hpp"

namespace nablafit {
namespace {

constexpr std::size_t most_names = 5;

std::string number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3g", value);
  return buffer;
}

std::string listed(const std::vector<std::size_t>& indices, const Model& model) {
  std::string text;
  for (std::size_t i = 0; i < std::min(indices.size(), most_names); ++i) {
    text += (i == 0 ? "" : ", ") + model.parameter_names()[indices[i]];
  }
  if (indices.size() > most_names) {
    text += " and " + std::to_string(indices.size() - most_names) + " more";
  }
  return text;
}

std::string bins_named(const std::vector<std::size_t>& bins, const Model& model) {
  std::string text;
  for (std::size_t i = 0; i < std::min(bins.size(), most_names); ++i) {
    const std::size_t bin = bins[i];
    const auto& offsets = model.channel_offsets();
    const auto after = std::upper_bound(offsets.begin(), offsets.end(), bin);
    const auto channel = static_cast<std::size_t>(after - offsets.begin()) - 1;
    text += (text.empty() ? "" : ", ") + ("bin " + std::to_string(bin - offsets[channel])) +
            " of channel " + model.spec().channels[channel].name;
  }
  if (bins.size() > most_names) {
    text += " and " + std::to_string(bins.size() - most_names) + " more";
  }
  return text;
}

std::string outcome(const MinimizeSummary& summary, const Model& model,
                    std::string_view limit_option) {
  switch (summary.status) {
    case MinimizeStatus::converged:
      return "Minimum found in " + std::to_string(summary.iterations) + " iterations, EDM " +
             number(summary.edm) + ".";
    case MinimizeStatus::converged_at_kink:
      if (summary.at_kink.empty()) {
        return "Minimum found at a kink, where a yield or factor reaches the least value that it "
               "may "
               "have.";
      }
      return "Minimum found at a kink of the piecewise interpolation of " +
             listed(summary.at_kink, model) + "; a smooth interpolation code avoids it.";
    case MinimizeStatus::converged_at_zero_yield:
      return "Minimum found where the expected yield of " +
             bins_named(summary.zero_yield_bins, model) +
             " is zero: the likelihood ends there. Errors do not hold at such a border; scan the "
             "likelihood, or restrict the parameters.";
    case MinimizeStatus::iteration_limit:
      return "Stopped after " + std::to_string(summary.iterations) + " iterations with EDM " +
             number(summary.edm) + ": continue from here" +
             (limit_option.empty() ? "" : ", or raise ") + std::string(limit_option) + ".";
    case MinimizeStatus::stalled:
      return "No step lowers the value although EDM is " + number(summary.edm) +
             ": try another start, or fix the parameters named as weak.";
    case MinimizeStatus::saddle_point:
      return "Stationary point with negative curvature, and nothing lower nearby: start elsewhere.";
    case MinimizeStatus::unbounded:
      return "The value falls without limit: give finite bounds to the unconstrained parameters.";
    case MinimizeStatus::interrupted:
      return "Interrupted after " + std::to_string(summary.iterations) + " iterations with EDM " +
             number(summary.edm) +
             ": the point is the best one so far, not the minimum; continue "
             "from here.";
    case MinimizeStatus::infeasible_start:
      break;
  }
  return "";
}

/// Where the likelihood vanishes at a point, in words.
std::string infeasibility(const MinimizeSummary& summary, const Model& model) {
  std::string where;
  if (!summary.zero_yield_bins.empty()) {
    where = ": the expected yield is negative, or zero with events observed, in " +
            bins_named(summary.zero_yield_bins, model);
  } else if (!summary.outside_support.empty()) {
    where = ": parameter " + model.parameter_names()[summary.outside_support.front()] +
            " is outside the support of its constraint term";
  }
  return "The likelihood is zero at the start and at every point tried nearby" + where +
         ". Start from other values, or free or widen the parameters that scale it.";
}

}  // namespace

std::string describe(const MinimizeSummary& summary, const Model& model,
                     std::string_view limit_option) {
  if (summary.status == MinimizeStatus::infeasible_start) return infeasibility(summary, model);
  std::string text = outcome(summary, model, limit_option);
  if (!summary.without_effect.empty()) {
    text += " Without effect on the likelihood, left at their start: " +
            listed(summary.without_effect, model) + ".";
  }
  if (!summary.active_bounds.empty()) {
    std::vector<std::size_t> parameters;
    parameters.reserve(summary.active_bounds.size());
    for (const ActiveBound& bound : summary.active_bounds) parameters.push_back(bound.parameter);
    text += " At a bound: " + listed(parameters, model) + ".";
  }
  for (const WeakDirection& direction : summary.weak_directions) {
    const bool is_flat = direction.curvature == 0.0;
    text += " Weakly determined combination (curvature " + number(direction.curvature) +
            (is_flat ? ", errors infinite" : "") + "): " + listed(direction.parameters, model) +
            "; fix or constrain one of them.";
  }
  return text;
}

}  // namespace nablafit
