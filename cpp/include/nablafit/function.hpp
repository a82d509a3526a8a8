/// \file
/// Functions written in C++ as factors of a model.
///
///     struct Falling {  // exp(-slope x)
///       template <typename T>
///       T operator()(const T* a) const {
///         using std::exp;
///         return exp(-a[0] * a[1]);
///       }
///     };
///
///     FormulaFactor factor{"falling", "", {"slope"}, {{"x", {0.5, 1.5, 2.5}}}};
///     factor.function = make_function(2, Falling());
///
/// A function replaces the expression of a FormulaFactor: its arguments are the parameters of the
/// factor, then its variables. Models with functions exist only in the program that has the code:
/// they cannot be written to files and have no digest.
#ifndef NABLAFIT_FUNCTION_HPP
#define NABLAFIT_FUNCTION_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include "nablafit/export.hpp"
#include "nablafit/hyper_dual.hpp"

namespace nablafit {

/// A function of n_arguments() numbers with its derivatives. All members are called from any number
/// of threads at once and must return the same for the same arguments. Exceptions propagate to the
/// caller of the evaluation; values that are not finite give EvaluationStatus::not_finite.
class NABLAFIT_API Function {
 public:
  virtual ~Function();

  virtual std::size_t n_arguments() const noexcept = 0;
  virtual double value(const double* arguments) const = 0;
  /// Value, and derivatives: `gradient` has n_arguments() entries; `hessian`, which may be null,
  /// n_arguments() squared.
  virtual double derivatives(const double* arguments, double* gradient, double* hessian) const = 0;
};

namespace detail {

/// Second derivatives of `f` where it takes HyperDual, else central differences of `gradient`.
template <typename F, typename Gradient>
void second_derivatives(const F& f, std::size_t n, const double* arguments,
                        const Gradient& gradient, double* hessian) {
  if constexpr (std::is_invocable_v<const F&, const HyperDual*>) {
    std::vector<double> unused(n);
    differentiate(f, n, arguments, unused.data(), hessian);
  } else {
    const double step = std::cbrt(std::numeric_limits<double>::epsilon());
    std::vector<double> point(arguments, arguments + n), right(n), left(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double width = step * std::max(1.0, std::abs(arguments[i]));
      point[i] = arguments[i] + width;
      gradient(point.data(), right.data());
      point[i] = arguments[i] - width;
      gradient(point.data(), left.data());
      point[i] = arguments[i];
      for (std::size_t j = 0; j < n; ++j) {
        hessian[i * n + j] = (right[j] - left[j]) / (2.0 * width);
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        hessian[i * n + j] = hessian[j * n + i] = 0.5 * (hessian[i * n + j] + hessian[j * n + i]);
      }
    }
  }
}

template <typename F>
class ForwardFunction final : public Function {
 public:
  ForwardFunction(std::size_t n, F f) : n_(n), f_(std::move(f)) {}
  std::size_t n_arguments() const noexcept override { return n_; }
  double value(const double* arguments) const override { return f_(arguments); }
  double derivatives(const double* arguments, double* gradient, double* hessian) const override {
    return differentiate(f_, n_, arguments, gradient, hessian);
  }

 private:
  std::size_t n_;
  F f_;
};

template <typename F, typename Pullback>
class PullbackFunction final : public Function {
 public:
  PullbackFunction(std::size_t n, F f, Pullback pullback)
      : n_(n), f_(std::move(f)), pullback_(std::move(pullback)) {}
  std::size_t n_arguments() const noexcept override { return n_; }
  double value(const double* arguments) const override { return f_(arguments); }
  double derivatives(const double* arguments, double* gradient, double* hessian) const override {
    const auto pull_back = [this](const double* point, double* adjoints) {
      std::fill_n(adjoints, n_, 0.0);
      pullback_(point, 1.0, adjoints);
    };
    pull_back(arguments, gradient);
    if (hessian != nullptr) second_derivatives(f_, n_, arguments, pull_back, hessian);
    return value(arguments);
  }

 private:
  std::size_t n_;
  F f_;
  Pullback pullback_;
};

template <typename Active, typename F>
class TapedFunction final : public Function {
 public:
  TapedFunction(std::size_t n, F f) : n_(n), f_(std::move(f)) {}
  std::size_t n_arguments() const noexcept override { return n_; }
  double value(const double* arguments) const override { return f_(arguments); }
  double derivatives(const double* arguments, double* gradient, double* hessian) const override {
    const auto record = [this](const double* point, double* adjoints) {
      // There is one tape for the whole program.
      static std::mutex one_at_a_time;  // NOLINT(misc-const-correctness): it is locked
      const std::lock_guard<std::mutex> lock(one_at_a_time);
      auto& tape = Active::getTape();
      std::vector<Active> inputs(point, point + n_);
      tape.setActive();
      for (Active& input : inputs) tape.registerInput(input);
      Active result = f_(static_cast<const Active*>(inputs.data()));
      tape.registerOutput(result);
      tape.setPassive();
      result.setGradient(1.0);
      tape.evaluate();
      for (std::size_t i = 0; i < n_; ++i) adjoints[i] = inputs[i].getGradient();
      tape.reset();
    };
    record(arguments, gradient);
    if (hessian != nullptr) second_derivatives(f_, n_, arguments, record, hessian);
    return value(arguments);
  }

 private:
  std::size_t n_;
  F f_;
};

}  // namespace detail

/// A function whose call operator takes a pointer to any scalar: exact first and second derivatives
/// in forward mode, by HyperDual. First derivatives cost n_arguments evaluations, second ones half
/// of n_arguments squared.
template <typename F>
std::shared_ptr<const Function> make_function(std::size_t n_arguments, F f) {
  return std::make_shared<detail::ForwardFunction<F>>(n_arguments, std::move(f));
}

/// A function with its own pullback, written by hand or by Clad: `pullback(arguments, seed,
/// adjoints)` adds seed times the derivatives to n_arguments adjoints. Second derivatives are exact
/// if `f` takes a pointer to any scalar, else central differences of the pullback with steps of
/// 6e-6 max(1, |argument|).
template <typename F, typename Pullback>
std::shared_ptr<const Function> make_function(std::size_t n_arguments, F f, Pullback pullback) {
  return std::make_shared<detail::PullbackFunction<F, Pullback>>(n_arguments, std::move(f),
                                                                 std::move(pullback));
}

/// The same as the first, but with first derivatives in reverse mode over a tape: `Active` is a
/// type of CoDiPack such as codi::RealReverse, whose headers the program includes. Worthwhile from
/// about ten arguments. Threads wait for each other to use the tape.
template <typename Active, typename F>
std::shared_ptr<const Function> make_taped_function(std::size_t n_arguments, F f) {
  return std::make_shared<detail::TapedFunction<Active, F>>(n_arguments, std::move(f));
}

}  // namespace nablafit

#endif  // NABLAFIT_FUNCTION_HPP
