#include "nablafit/batch.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "batch/other_minima.hpp"
#include "evaluate/compiled_likelihood.hpp"
#include "nablafit/error.hpp"
#include "util/array_size.hpp"
#include "util/polled_run.hpp"

namespace nablafit {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
/// Fits that a thread takes at a time: few, for fits differ in length.
constexpr std::size_t chunk_size = 4;
/// How often the search for other minima starts anew from a lower one.
constexpr int most_rounds = 3;
/// Differences of -log L that tell two minima apart; more where that is large.
constexpr double smallest_difference = 1e-5;

/// Stored global observables and no events: valid data to begin with.
Data standard_data(const Model& model) {
  return {std::vector<double>(model.n_bins(), 0.0), detail::stored_observables(model)};
}

template <typename T>
void copy_row(const Rows<T>& rows, std::size_t fit, std::size_t length, std::vector<T>& target) {
  const T* row = rows.row(fit, length);
  if (row == nullptr) return;
  target.assign(row, row + length);
}

bool differ(double a, double b) {
  return std::abs(a - b) > smallest_difference * (1.0 + 1e-3 * std::min(std::abs(a), std::abs(b)));
}

/// A seed for data, the same wherever they are in a batch.
std::uint64_t seed_of(const Data& data, std::uint64_t seed) {
  const auto mix = [&seed](double number) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &number, sizeof bits);
    seed = (seed ^ bits) * 0x9E3779B97F4A7C15U;
    seed ^= seed >> 32U;
  };
  for (const double number : data.counts) mix(number);
  for (const double number : data.global_observables) mix(number);
  return seed;
}

/// The lowest of the minima that one fit leads to from several starts.
class Lowest {
 public:
  void begin(const MinimizeSummary& own) {
    best_ = &own;
    own_value_ = is_minimum(own.status) ? own.value : infinity;
    highest_ = is_found() ? own.value : -infinity;
    n_starts_ = 1;
    iterations_ = own.iterations;
    n_gradients_ = own.n_gradients;
  }

  /// True if this is the lowest, or the first.
  bool add(const MinimizeSummary& other) {
    ++n_starts_;
    iterations_ += other.iterations;
    n_gradients_ += other.n_gradients;
    if (!is_minimum(other.status)) return false;
    highest_ = std::max(highest_, other.value);
    if (is_found() && !(other.value < best_->value && differ(other.value, best_->value))) {
      return false;
    }
    copy_ = other;
    best_ = &copy_;
    return true;
  }

  /// What own fits refer to is about to change.
  void keep() {
    if (best_ == &copy_) return;
    copy_ = *best_;
    best_ = &copy_;
  }

  bool is_found() const { return is_minimum(best_->status); }
  const MinimizeSummary& best() const { return *best_; }

  void write(std::size_t i, FitManyResult& result) const {
    result.iterations[i] = iterations_;
    result.n_gradients[i] = n_gradients_;
    result.n_starts[i] = n_starts_;
    result.lowered[i] = is_found() ? own_value_ - best_->value : infinity;
    const bool is_apart = is_found() && differ(highest_, best_->value);
    result.apart[i] = is_apart ? highest_ - best_->value : 0.0;
  }

 private:
  const MinimizeSummary* best_ = nullptr;
  MinimizeSummary copy_;
  double own_value_ = 0.0;  ///< infinite if the own start led to no minimum
  double highest_ = 0.0;    ///< of the minima; not finite without any
  std::int32_t n_starts_ = 0, iterations_ = 0, n_gradients_ = 0;
};

/// One thread's fits: its own copy of the data, exchanged in place, and its own minimiser.
class FitWorker {
 public:
  FitWorker(const Model& model, const FitManyArguments& arguments, const FitManyOptions& options)
      : arguments_(arguments),
        options_(options),
        data_(std::make_shared<detail::CompiledLikelihood>(model, standard_data(model))),
        minimizer_(likelihood_of(data_), options.minimize) {
    const FurtherStarts& elsewhere = options.elsewhere;
    if (elsewhere.sides.empty() && !elsewhere.look_around) return;
    others_ = std::make_unique<detail::OtherMinima>(minimizer_.likelihood(), elsewhere);
  }

  /// Throws Interrupted, and leaves the fit undone, if it was stopped.
  void fit(std::size_t i, FitManyResult& result) {
    try {
      set_data(i);
      result.constant[i] = data_->constant;
      const std::size_t n = data_->model.n_parameters();
      problem_.start.clear();
      copy_row(arguments_.starts, i, n, problem_.start);
      copy_row(arguments_.fixed, i, n, problem_.fixed);
      copy_row(arguments_.lower, i, n, problem_.lower);
      copy_row(arguments_.upper, i, n, problem_.upper);
      lowest_.begin(detail::uninterrupted(minimizer_.minimize(problem_)));
      if (lowest_.best().status != MinimizeStatus::unbounded) start_elsewhere();
      store(lowest_.best(), i, result);
      lowest_.write(i, result);
    } catch (const ArgumentError&) {
      result.status[i] = FitStatus::invalid_input;
    } catch (const Interrupted&) {
      result.constant[i] = not_a_number;
      throw;
    }
  }

 private:
  static Likelihood likelihood_of(const std::shared_ptr<detail::CompiledLikelihood>& data) {
    detail::compile_data(*data);
    return Likelihood(std::shared_ptr<const detail::CompiledLikelihood>(data));
  }

  void set_data(std::size_t i) {
    const double* counts = arguments_.counts.row(i, data_->data.counts.size());
    const double* observables =
        arguments_.global_observables.row(i, data_->data.global_observables.size());
    if (counts == counts_ && observables == observables_) return;
    counts_ = nullptr;
    std::copy_n(counts, data_->data.counts.size(), data_->data.counts.begin());
    if (observables != nullptr) {
      std::copy_n(observables, data_->data.global_observables.size(),
                  data_->data.global_observables.begin());
    }
    detail::compile_data(*data_);
    counts_ = counts;
    observables_ = observables;
  }

  void start_elsewhere() {
    const FurtherStarts& elsewhere = options_.elsewhere;
    const std::size_t n_retries = lowest_.is_found() ? 0 : elsewhere.n_retries;
    const std::size_t n_random = elsewhere.n_random + n_retries;
    if (n_random > 0) {
      lowest_.keep();
      const Model& model = data_->model;
      own_start_ = problem_.start.empty() ? model.initial() : problem_.start;
      if (n_retries > 0 && own_start_ != model.initial()) fit_from(model.initial().data());
      const std::vector<double> starts = draw_starts(
          model, data_->data, n_random, seed_of(data_->data, elsewhere.seed), elsewhere.spread);
      for (std::size_t k = 0; k < n_random; ++k) {
        if (k >= elsewhere.n_random && lowest_.is_found()) break;
        fit_from(starts.data() + k * own_start_.size());
      }
    }
    int n_rounds = 0;
    while (others_ && lowest_.is_found() && n_rounds < most_rounds && try_others()) ++n_rounds;
  }

  /// True if this leads to a lower minimum. What is fixed stays.
  bool fit_from(const double* start) {
    problem_.start.assign(start, start + data_->model.n_parameters());
    const std::vector<char>& fixed = fixed_flags();
    for (std::size_t p = 0; p < fixed.size(); ++p) {
      if (fixed[p] != 0) problem_.start[p] = own_start_[p];
    }
    return lowest_.add(detail::uninterrupted(minimizer_.minimize(problem_)));
  }

  /// From the lowest minimum. True if this finds a lower one.
  bool try_others() {
    const auto& starts =
        others_->find(lowest_.best(), of_model(problem_.lower, data_->model.lower()),
                      of_model(problem_.upper, data_->model.upper()), fixed_flags());
    if (starts.empty()) return false;
    lowest_.keep();
    own_start_ = lowest_.best().x;
    bool is_lower = false;
    for (const std::vector<double>& start : starts) is_lower |= fit_from(start.data());
    return is_lower;
  }

  template <typename T>
  static const std::vector<T>& of_model(const std::vector<T>& given, const std::vector<T>& model) {
    return given.empty() ? model : given;
  }
  const std::vector<char>& fixed_flags() const {
    return of_model(problem_.fixed, data_->model.fixed());
  }

  void store(const MinimizeSummary& summary, std::size_t i, FitManyResult& result) const {
    result.status[i] = static_cast<FitStatus>(summary.status);
    result.value[i] = summary.value;
    result.edm[i] = summary.edm;
    const bool has_errors = !result.errors.empty() && !summary.errors.empty();
    for (std::size_t k = 0; k < result.n_kept; ++k) {
      const std::size_t p = options_.kept_parameters[k];
      result.x[i * result.n_kept + k] = summary.x[p];
      if (has_errors) result.errors[i * result.n_kept + k] = summary.errors[p];
    }
  }

  const FitManyArguments& arguments_;
  const FitManyOptions& options_;
  std::shared_ptr<detail::CompiledLikelihood> data_;
  Minimizer minimizer_;
  MinimizeArguments problem_;
  Lowest lowest_;
  std::unique_ptr<detail::OtherMinima> others_;  ///< of the same data, if they are asked for
  std::vector<double> own_start_;
  const double* counts_ = nullptr;  ///< rows that data_ holds; null if it holds neither
  const double* observables_ = nullptr;
};

void check_rows(const char* name, std::size_t n_rows, std::size_t n_fits) {
  if (n_rows <= 1 || n_rows == n_fits) return;
  throw ArgumentError("has " + std::to_string(n_rows) + " rows, expected 1 or one per fit, " +
                          std::to_string(n_fits),
                      name);
}

void check_arguments(const Model& model, const FitManyArguments& arguments,
                     const FitManyOptions& options) {
  const std::size_t n = arguments.n_fits;
  if (arguments.counts.n_rows == 0 && n > 0) throw ArgumentError("must be given", "counts");
  check_rows("counts", arguments.counts.n_rows, n);
  check_rows("global_observables", arguments.global_observables.n_rows, n);
  check_rows("starts", arguments.starts.n_rows, n);
  check_rows("fixed", arguments.fixed.n_rows, n);
  check_rows("lower", arguments.lower.n_rows, n);
  check_rows("upper", arguments.upper.n_rows, n);
  for (const TwoSided& bent : options.elsewhere.sides) {
    const bool is_parameter = bent.parameter < model.n_parameters();
    const bool fits = bent.even.empty() || bent.even.size() == model.n_bins();
    if (is_parameter && bent.width > 0.0 && fits) continue;
    throw ArgumentError("expected parameters of the model, widths > 0 and a number per bin",
                        "sides");
  }
  for (const std::size_t p : options.kept_parameters) {
    if (p < model.n_parameters()) continue;
    throw ArgumentError("has no parameter number " + std::to_string(p) + ", expected less than " +
                            std::to_string(model.n_parameters()),
                        "kept_parameters");
  }
}

FitManyResult empty_result(std::size_t n_fits, const FitManyOptions& options) {
  FitManyResult result;
  result.n_fits = n_fits;
  result.n_kept = options.kept_parameters.size();
  detail::array_size(n_fits, 2 * result.n_kept + 5, "n_fits");
  result.x.assign(n_fits * result.n_kept, not_a_number);
  if (options.minimize.covariance != CovarianceKind::none) {
    result.errors.assign(n_fits * result.n_kept, not_a_number);
  }
  result.value.assign(n_fits, not_a_number);
  result.constant.assign(n_fits, not_a_number);
  result.edm.assign(n_fits, not_a_number);
  result.status.assign(n_fits, FitStatus::not_fitted);
  result.iterations.assign(n_fits, 0);
  result.n_gradients.assign(n_fits, 0);
  result.n_starts.assign(n_fits, 0);
  result.lowered.assign(n_fits, not_a_number);
  result.apart.assign(n_fits, not_a_number);
  return result;
}

FitManyOptions completed(const Model& model, FitManyOptions options) {
  if (options.minimize.covariance == CovarianceKind::full) {
    options.minimize.covariance = CovarianceKind::errors;
  }
  if (options.kept_parameters.empty()) {
    for (std::size_t p = 0; p < model.n_parameters(); ++p) options.kept_parameters.push_back(p);
  }
  return options;
}

}  // namespace

std::string_view to_string(FitStatus status) noexcept {
  if (status == FitStatus::invalid_input) return "invalid_input";
  if (status == FitStatus::not_fitted) return "not_fitted";
  return to_string(static_cast<MinimizeStatus>(status));
}

bool is_minimum(FitStatus status) noexcept {
  return status < FitStatus::invalid_input && is_minimum(static_cast<MinimizeStatus>(status));
}

FitManyResult fit_many(const Model& model, const FitManyArguments& arguments,
                       const FitManyOptions& requested, const RunOptions& run) {
  check_arguments(model, arguments, requested);
  const FitManyOptions options = completed(model, requested);
  FitManyResult result = empty_result(arguments.n_fits, options);
  std::vector<std::unique_ptr<FitWorker>> workers(
      detail::n_workers(arguments.n_fits, chunk_size, run));
  result.complete = detail::run_items(
      arguments.n_fits, chunk_size, run, [&](std::size_t fit, std::size_t worker) {
        if (!workers[worker]) {
          workers[worker] = std::make_unique<FitWorker>(model, arguments, options);
        }
        workers[worker]->fit(fit, result);
      });
  return result;
}

}  // namespace nablafit
