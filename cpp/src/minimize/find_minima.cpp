#include "nablafit/find_minima.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "nablafit/interruption.hpp"

namespace nablafit {
namespace {

/// Differences in units of the error that tell two minima apart.
constexpr double telling_difference = 0.1;
/// Difference of a parameter between two minima in units of the error of the first; 0 where
/// unknown.
double significance(const MinimizeSummary& lowest, const MinimizeSummary& other, std::size_t j) {
  const double difference = std::abs(other.x[j] - lowest.x[j]);
  if (difference == 0.0 || j >= lowest.errors.size()) return 0.0;
  const double error = std::max(lowest.errors[j], j < other.errors.size() ? other.errors[j] : 0.0);
  if (!std::isfinite(error)) return 0.0;
  return error > 0.0 ? difference / error : difference;
}

bool is_same(const MinimizeSummary& a, const MinimizeSummary& b, const MinimaOptions& options) {
  if (2.0 * std::abs(a.value - b.value) > options.height_tolerance) return false;
  for (std::size_t j = 0; j < a.x.size(); ++j) {
    if (significance(a, b, j) > options.parameter_tolerance) return false;
  }
  return true;
}

std::vector<std::size_t> telling_parameters(const MinimizeSummary& lowest,
                                            const MinimizeSummary& other) {
  std::vector<std::size_t> result;
  for (std::size_t j = 0; j < lowest.x.size(); ++j) {
    if (significance(lowest, other, j) >= telling_difference) result.push_back(j);
  }
  std::sort(result.begin(), result.end(), [&](std::size_t a, std::size_t b) {
    const double first = significance(lowest, other, a);
    const double second = significance(lowest, other, b);
    return first != second ? first > second : a < b;
  });
  return result;
}

/// Puts fixed parameters of all starts where the given start has them.
void hold_fixed(const Model& model, const MinimizeArguments& arguments,
                std::vector<double>& starts) {
  const std::vector<char>& fixed = arguments.fixed.empty() ? model.fixed() : arguments.fixed;
  const std::vector<double>& given = arguments.start.empty() ? model.initial() : arguments.start;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::size_t parameter = i % model.n_parameters();
    if (fixed[parameter] != 0) starts[i] = given[parameter];
  }
}

/// Fits from many starts in threads; the values of all parameters are kept.
FitManyResult fit_from(const Likelihood& likelihood, const std::vector<double>& starts,
                       std::size_t n_starts, const MinimizeArguments& arguments,
                       const RunOptions& run) {
  const auto row = [](const auto& values) {
    using Value = typename std::decay_t<decltype(values)>::value_type;
    return Rows<Value>{values.data(), values.empty() ? std::size_t{0} : std::size_t{1}};
  };
  FitManyArguments fits;
  fits.n_fits = n_starts;
  fits.counts = row(likelihood.data().counts);
  fits.global_observables = row(likelihood.data().global_observables);
  fits.starts = {starts.data(), n_starts};
  fits.fixed = row(arguments.fixed);
  fits.lower = row(arguments.lower);
  fits.upper = row(arguments.upper);
  FitManyOptions options;
  options.minimize.covariance = CovarianceKind::none;
  options.elsewhere.n_retries = 0;
  return fit_many(likelihood.model(), fits, options, run);
}

/// None if it is stopped before the first fit.
FitManyResult fit_from_draws(const Likelihood& likelihood, const MinimizeArguments& arguments,
                             const MinimaOptions& options, const RunOptions& run) {
  try {
    std::vector<double> starts = draw_starts(likelihood.model(), likelihood.data(),
                                             options.n_starts, options.seed, options.spread);
    hold_fixed(likelihood.model(), arguments, starts);
    return fit_from(likelihood, starts, options.n_starts, arguments, run);
  } catch (const Interrupted&) {
    FitManyResult none;
    none.complete = false;
    return none;
  }
}

/// Fits up to the last that was done.
std::size_t n_begun(const FitManyResult& fits) {
  std::size_t n = fits.n_fits;
  while (n > 0 && fits.status[n - 1] == FitStatus::not_fitted) --n;
  return n;
}

/// What is known of a fit before its errors are.
MinimizeSummary without_errors(const FitManyResult& fits, std::size_t i) {
  MinimizeSummary summary;
  summary.status = static_cast<MinimizeStatus>(fits.status[i]);
  const double* x = fits.x.data() + i * fits.n_kept;
  summary.x.assign(x, x + fits.n_kept);
  summary.value = fits.value[i];
  summary.edm = fits.edm[i];
  summary.iterations = fits.iterations[i];
  summary.n_gradients = fits.n_gradients[i];
  return summary;
}

}  // namespace

MinimaSummary distinguish_minima(const std::vector<MinimizeSummary>& summaries,
                                 const MinimaOptions& options) {
  MinimaSummary result;
  std::vector<std::size_t> order(summaries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const double first = summaries[a].value;
    const double second = summaries[b].value;
    return first != second ? first < second : a < b;
  });
  for (const std::size_t i : order) {
    if (!is_minimum(summaries[i].status)) {
      ++result.n_failed;
      continue;
    }
    auto found = std::find_if(result.minima.begin(), result.minima.end(), [&](const auto& minimum) {
      return is_same(minimum.summary, summaries[i], options);
    });
    if (found == result.minima.end()) {
      DistinctMinimum minimum{summaries[i], 0.0, {}, {}};
      if (!result.minima.empty()) {
        const MinimizeSummary& lowest = result.minima.front().summary;
        minimum.height = 2.0 * (summaries[i].value - lowest.value);
        minimum.differing_parameters = telling_parameters(lowest, summaries[i]);
      }
      found = result.minima.insert(result.minima.end(), std::move(minimum));
    }
    found->starts.push_back(i);
  }
  result.from_given_start = result.minima.size();
  for (std::size_t k = 0; k < result.minima.size(); ++k) {
    auto& starts = result.minima[k].starts;
    std::sort(starts.begin(), starts.end());
    if (starts.front() == 0) result.from_given_start = k;
  }
  return result;
}

MinimaSummary find_minima(const Likelihood& likelihood, const MinimizeArguments& arguments,
                          const MinimaOptions& options, const MinimizeOptions& minimize_options,
                          const RunOptions& run) {
  const Model& model = likelihood.model();
  MinimizeOptions with_errors = minimize_options;
  if (with_errors.covariance == CovarianceKind::none) {
    with_errors.covariance = CovarianceKind::errors;
  }
  std::optional<PollScope> scope;
  if (run.poll) scope.emplace([&] { return run.poll(0); });
  Minimizer minimizer(likelihood, with_errors);
  std::vector<MinimizeSummary> summaries{minimizer.minimize(arguments)};
  const FitManyResult fits = fit_from_draws(likelihood, arguments, options, run);
  MinimizeArguments again = arguments;
  bool complete = fits.complete;
  for (std::size_t i = 0; i < n_begun(fits); ++i) {
    summaries.emplace_back();
    summaries.back().status = MinimizeStatus::stalled;
    if (!is_minimum(fits.status[i])) continue;
    const auto x = fits.x.begin() + static_cast<std::ptrdiff_t>(i * model.n_parameters());
    again.start.assign(x, x + static_cast<std::ptrdiff_t>(model.n_parameters()));
    if (fits.complete) summaries.back() = minimizer.minimize(again);
    if (summaries.back().status == MinimizeStatus::interrupted || !fits.complete) {
      summaries.back() = without_errors(fits, i);
      complete = false;
    }
  }
  MinimaSummary result = distinguish_minima(summaries, options);
  for (DistinctMinimum& minimum : result.minima) {
    minimum.summary.message = describe(minimum.summary, model);
  }
  result.complete = complete;
  return result;
}

}  // namespace nablafit
