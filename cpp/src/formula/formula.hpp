/// \file
/// A FormulaFactor ready for evaluation.
#ifndef NABLAFIT_SRC_FORMULA_FORMULA_HPP
#define NABLAFIT_SRC_FORMULA_FORMULA_HPP

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <vector>

#include "formula/bundle.hpp"
#include "formula/expression_tape.hpp"
#include "nablafit/function.hpp"
#include "nablafit/spec.hpp"
#include "util/plain_number.hpp"

namespace nablafit::detail {

/// Scratch memory of one thread for formulas; grows to what the largest needs, and is kept.
template <typename T>
struct FormulaScratch {
  ExpressionTape<T> tape;
  std::vector<T> seeds;                          ///< per lane
  std::vector<T> parameters, adjoints, rows;     ///< of a Hessian
  std::vector<double> arguments, first, second;  ///< of a function in C++
  std::vector<T> shifts;                         ///< of its parameters from the expansion point
};

/// Number of directions in which second derivatives are computed at once.
using HessianNumber = Bundle<4>;

/// The parsed expression of a factor; throws SpecError as Expression does.
std::shared_ptr<const Expression> parse_expression(const FormulaFactor& factor);

/// The factors of all bins of a sample, or the one that is the same for all: weighted sums of one
/// expression, or of one function in C++, over the nodes of each bin. Immutable.
///
/// T is a number type of ExpressionTape. Expressions have derivatives of any order; functions have
/// two: they are replaced by their second-order expansion about the point.
class Formula {
 public:
  /// Throws SpecError as Expression does.
  Formula(const FormulaFactor& factor, std::size_t n_bins);

  std::size_t n_parameters() const noexcept { return n_parameters_; }
  /// One per bin, or 1.
  std::size_t n_values() const noexcept { return n_values_; }
  /// True for a function in C++.
  bool is_function() const noexcept { return function_ != nullptr; }

  /// `values` has n_values() entries.
  template <typename T>
  void evaluate(const T* parameters, FormulaScratch<T>& scratch, T* values) const;

  /// The factor of a single bin, with its own memory.
  template <typename T>
  T evaluate_at(const T* parameters, std::size_t bin) const;

  /// Values, and `slopes` [n_values()][n_parameters()].
  void differentiate(const double* parameters, FormulaScratch<double>& scratch, double* values,
                     double* slopes) const;

  /// Adds derivatives of sum_b adjoints[b] value_b to `gradient` [n_parameters()].
  template <typename T>
  void pull_back(const T* parameters, FormulaScratch<T>& scratch, const T* adjoints,
                 T* gradient) const;

  /// Second derivatives of the same into `hessian` [n_parameters()][n_parameters()].
  void hessian(const double* parameters, FormulaScratch<HessianNumber>& scratch,
               const double* adjoints, double* hessian) const;

 private:
  std::size_t n_places() const noexcept { return n_values_ * n_nodes_; }
  double weight(std::size_t place) const { return weights_.empty() ? 1.0 : weights_[place]; }

  /// Calls `use(first, n, values)` for blocks of the places from `begin` to `end`.
  template <typename T, typename Use>
  void for_each_block(ExpressionTape<T>& tape, std::size_t begin, std::size_t end,
                      const Use& use) const {
    for (std::size_t first = begin; first < end; first += tape.n_lanes()) {
      const std::size_t n = std::min(tape.n_lanes(), end - first);
      use(first, n, tape.forward(variables_.data() + first, n_places(), n));
    }
  }

  /// Calls `use(l, bin)` for the n places from `first` on.
  template <typename Use>
  void for_each_place(std::size_t first, std::size_t n, const Use& use) const {
    std::size_t bin = first / n_nodes_, node = first % n_nodes_;
    for (std::size_t l = 0; l < n; ++l) {
      use(l, bin);
      if (++node < n_nodes_) continue;
      node = 0;
      ++bin;
    }
  }

  /// Adds weight times value of the places from `begin` to `end` to `values`, which begin with the
  /// bin of the first.
  template <typename T>
  void add_values(const T* parameters, ExpressionTape<T>& tape, std::size_t begin, std::size_t end,
                  T* values) const;
  template <typename T>
  void pull_back_expression(const T* parameters, FormulaScratch<T>& scratch, const T* adjoints,
                            T* gradient) const;

  /// Calls `use(bin, arguments, weight)` for each node of the bins from `begin` to `end` of a
  /// function.
  template <typename T, typename Use>
  void for_each_node(const T* parameters, FormulaScratch<T>& scratch, std::size_t begin,
                     std::size_t end, const Use& use) const;
  template <typename T>
  void evaluate_function(const T* parameters, FormulaScratch<T>& scratch, std::size_t begin,
                         std::size_t end, T* values) const;
  template <typename T>
  void pull_back_function(const T* parameters, FormulaScratch<T>& scratch, const T* adjoints,
                          T* gradient) const;

  // Of the parameters, then the variables; one of the two is null.
  std::shared_ptr<const Expression> expression_;
  std::shared_ptr<const Function> function_;
  std::size_t n_parameters_, n_variables_;
  std::size_t n_values_, n_nodes_ = 1;
  std::vector<double> weights_;    ///< per place: (bin, node); empty if all are 1
  std::vector<double> variables_;  ///< [variable][place]
};

// --- expressions ---------------------------------------------------------------------------------

template <typename T>
void Formula::add_values(const T* parameters, ExpressionTape<T>& tape, std::size_t begin,
                         std::size_t end, T* values) const {
  tape.begin(*expression_, parameters, end - begin);
  for_each_block(tape, begin, end, [&](std::size_t first, std::size_t n, const T* found) {
    for_each_place(first, n, [&](std::size_t l, std::size_t bin) {
      T& value = values[bin - begin / n_nodes_];
      value = value + (weights_.empty() ? found[l] : T(found[l] * weights_[first + l]));
    });
  });
}

template <typename T>
void Formula::pull_back_expression(const T* parameters, FormulaScratch<T>& scratch,
                                   const T* adjoints, T* gradient) const {
  ExpressionTape<T>& tape = scratch.tape;
  tape.begin(*expression_, parameters, n_places());
  scratch.seeds.resize(ExpressionTape<T>::max_lanes, T(0.0));
  for_each_block(tape, 0, n_places(), [&](std::size_t first, std::size_t n, const T*) {
    for_each_place(first, n, [&](std::size_t l, std::size_t bin) {
      scratch.seeds[l] = adjoints[bin] * weight(first + l);
    });
    tape.backward(scratch.seeds.data(), n);
    for (std::size_t i = 0; i < n_parameters_; ++i) {
      const T* slopes = tape.adjoint(i);
      for (std::size_t l = 0; slopes != nullptr && l < n; ++l)
        gradient[i] = gradient[i] + slopes[l];
    }
  });
}

// --- functions in C++ ----------------------------------------------------------------------------

template <typename T, typename Use>
void Formula::for_each_node(const T* parameters, FormulaScratch<T>& scratch, std::size_t begin,
                            std::size_t end, const Use& use) const {
  const std::size_t n = n_parameters_, n_arguments = n + n_variables_;
  scratch.arguments.resize(n_arguments);
  scratch.first.resize(n_arguments);
  scratch.second.resize(n_arguments * n_arguments);
  scratch.shifts.resize(n, T(0.0));
  for (std::size_t i = 0; i < n; ++i) {
    scratch.arguments[i] = plain_number(parameters[i]);
    scratch.shifts[i] = parameters[i] - T(scratch.arguments[i]);
  }
  for (std::size_t place = begin * n_nodes_; place < end * n_nodes_; ++place) {
    for (std::size_t i = 0; i < n_variables_; ++i) {
      scratch.arguments[n + i] = variables_[i * n_places() + place];
    }
    use(place / n_nodes_, scratch.arguments.data(), weight(place));
  }
}

template <typename T>
void Formula::evaluate_function(const T* parameters, FormulaScratch<T>& scratch, std::size_t begin,
                                std::size_t end, T* values) const {
  const std::size_t n = n_parameters_, stride = n + n_variables_;
  for_each_node(parameters, scratch, begin, end,
                [&](std::size_t bin, const double* arguments, double weight) {
                  T& value = values[bin - begin];
                  if constexpr (std::is_same_v<T, double>) {
                    value += weight * function_->value(arguments);
                  } else {
                    const double* second = scratch.second.data();
                    T found = T(function_->derivatives(arguments, scratch.first.data(),
                                                       scratch.second.data()));
                    for (std::size_t i = 0; i < n; ++i) {
                      T slope = T(scratch.first[i]);
                      for (std::size_t j = 0; j < n; ++j) {
                        slope = slope + scratch.shifts[j] * (0.5 * second[i * stride + j]);
                      }
                      found = found + scratch.shifts[i] * slope;
                    }
                    value = value + found * weight;
                  }
                });
}

template <typename T>
void Formula::pull_back_function(const T* parameters, FormulaScratch<T>& scratch, const T* adjoints,
                                 T* gradient) const {
  constexpr bool is_plain = std::is_same_v<T, double>;
  const std::size_t n = n_parameters_, stride = n + n_variables_;
  for_each_node(parameters, scratch, 0, n_values_,
                [&](std::size_t bin, const double* arguments, double weight) {
                  double* second = is_plain ? nullptr : scratch.second.data();
                  function_->derivatives(arguments, scratch.first.data(), second);
                  for (std::size_t i = 0; i < n; ++i) {
                    T slope = T(scratch.first[i]);
                    for (std::size_t j = 0; !is_plain && j < n; ++j) {
                      slope = slope + scratch.shifts[j] * second[i * stride + j];
                    }
                    gradient[i] = gradient[i] + adjoints[bin] * slope * weight;
                  }
                });
}

// --- both ----------------------------------------------------------------------------------------

template <typename T>
void Formula::evaluate(const T* parameters, FormulaScratch<T>& scratch, T* values) const {
  std::fill_n(values, n_values_, T(0.0));
  if (function_ != nullptr) return evaluate_function(parameters, scratch, 0, n_values_, values);
  add_values(parameters, scratch.tape, 0, n_places(), values);
}

template <typename T>
T Formula::evaluate_at(const T* parameters, std::size_t bin) const {
  const std::size_t b = n_values_ == 1 ? 0 : bin;
  FormulaScratch<T> scratch;
  T value = T(0.0);
  if (function_ != nullptr) {
    evaluate_function(parameters, scratch, b, b + 1, &value);
  } else {
    add_values(parameters, scratch.tape, b * n_nodes_, (b + 1) * n_nodes_, &value);
  }
  return value;
}

template <typename T>
void Formula::pull_back(const T* parameters, FormulaScratch<T>& scratch, const T* adjoints,
                        T* gradient) const {
  if (function_ != nullptr) return pull_back_function(parameters, scratch, adjoints, gradient);
  pull_back_expression(parameters, scratch, adjoints, gradient);
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_FORMULA_FORMULA_HPP
