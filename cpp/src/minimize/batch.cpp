#include "nablafit/batch.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "evaluate/compiled_likelihood.hpp"
#include "nablafit/error.hpp"
#include "util/array_size.hpp"
#include "util/polled_run.hpp"

namespace nablafit {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
/// Fits that a thread takes at a time: few, for fits differ in length.
constexpr std::size_t chunk_size = 4;

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

/// One thread's fits: its own copy of the data, exchanged in place, and its own minimiser.
class FitWorker {
 public:
  FitWorker(const Model& model, const FitManyArguments& arguments, const FitManyOptions& options)
      : arguments_(arguments),
        options_(options),
        data_(std::make_shared<detail::CompiledLikelihood>(model, standard_data(model))),
        minimizer_(likelihood_of(data_), options.minimize) {}

  /// Throws Interrupted, and leaves the fit undone, if it was stopped.
  void fit(std::size_t i, FitManyResult& result) {
    try {
      set_data(i);
      result.constant[i] = data_->constant;
      const std::size_t n = data_->model.n_parameters();
      copy_row(arguments_.starts, i, n, problem_.start);
      copy_row(arguments_.fixed, i, n, problem_.fixed);
      copy_row(arguments_.lower, i, n, problem_.lower);
      copy_row(arguments_.upper, i, n, problem_.upper);
      store(detail::uninterrupted(minimizer_.minimize(problem_)), i, result);
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

  void store(const MinimizeSummary& summary, std::size_t i, FitManyResult& result) const {
    result.status[i] = static_cast<FitStatus>(summary.status);
    result.value[i] = summary.value;
    result.edm[i] = summary.edm;
    result.iterations[i] = summary.iterations;
    result.n_gradients[i] = summary.n_gradients;
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
