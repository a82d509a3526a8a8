#include "roundings.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>

#include "reference/nll.hpp"

namespace nablafit::testing {

namespace {

class Rounder {
 public:
  explicit Rounder(unsigned seed) : random_(seed) {}

  void apply(Sample& sample) {
    for (Modifier& modifier : sample.modifiers) {
      if (auto* factors = std::get_if<NormSys>(&modifier)) {
        vary({&factors->low, &factors->high}, 1.0);
      } else if (auto* templates = std::get_if<HistoSys>(&modifier)) {
        for (std::size_t bin = 0; bin < sample.nominal.size(); ++bin) {
          vary({&templates->low[bin], &templates->high[bin]}, sample.nominal[bin]);
        }
      }
    }
    for (double& yield : sample.nominal) vary({&yield}, 0.0);
  }

 private:
  /// Changes the numbers by roundings of the largest of them and of `other`.
  void vary(std::initializer_list<double*> numbers, double other) {
    double largest = std::fabs(other);
    for (const double* number : numbers) largest = std::max(largest, std::fabs(*number));
    for (double* number : numbers) {
      const double count = 50.0 + static_cast<double>(random_() % 16);
      const double sign = random_() % 2 == 0 ? 1.0 : -1.0;
      *number += sign * count * std::numeric_limits<double>::epsilon() * largest;
    }
  }

  std::mt19937 random_;
};

/// Decimal exponents of the factors of a sample, without their signs. A zero is none: it stays zero
/// in any order.
class Decades {
 public:
  Decades(const ModelSpec& spec, const std::vector<double>& x) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Parameter& parameter = spec.parameters[i];
      points_[parameter.name] = {x[i], detail::reference_transformed(parameter, x[i])};
    }
  }

  double sum(const Sample& sample) const {
    double result = std::max(largest(sample.nominal), of(sample.yield_floor.value_or(0.0))) +
                    of(sample.factor_floor.value_or(0.0));
    for (const Modifier& modifier : sample.modifiers) {
      result += std::visit([this](const auto& m) { return this->of(m); }, modifier);
    }
    return result;
  }

 private:
  struct Point {
    double value, transformed;
  };

  static double of(double number) {
    return number == 0.0 ? 0.0 : std::fabs(std::log10(std::fabs(number)));
  }
  static double largest(const std::vector<double>& numbers) {
    double result = 0.0;
    for (const double number : numbers) result = std::max(result, of(number));
    return result;
  }

  double of(const NormFactor& m) const { return of(points_.at(m.parameter).value); }
  double of(const Lumi& m) const { return of(points_.at(m.parameter).value); }

  /// StatError, ShapeSys and ShapeFactor.
  template <typename PerBin>
  double of(const PerBin& m) const {
    double result = 0.0;
    for (const std::string& name : m.parameters) {
      result = std::max(result, of(points_.at(name).value));
    }
    return result;
  }

  double of(const NormSys& m) const {
    return variation(m.interpolation, std::max(of(m.low), of(m.high)), m.parameter);
  }
  double of(const HistoSys& m) const {
    return variation(m.interpolation, std::max(largest(m.low), largest(m.high)), m.parameter);
  }

  /// Of a variation that has `decades` at -1 and +1: between them it can cancel to a
  /// rounding, beyond them it is a power or a multiple.
  double variation(Interpolation code, double decades, const std::string& parameter) const {
    const double size = std::max(1.0, std::fabs(points_.at(parameter).transformed));
    const double beyond = is_additive(code) ? decades + of(size) : decades * size;
    return beyond - std::log10(std::numeric_limits<double>::epsilon());
  }

  /// Powers up to the tenth and an exponential of each parameter.
  double of(const FormulaFactor& m) const {
    double result = largest(m.weights);
    for (const BinVariable& variable : m.variables) result += largest(variable.values);
    for (const std::string& name : m.parameters) {
      const double value = points_.at(name).value;
      result += 10.0 * of(value) + std::fabs(value);
    }
    return result;
  }

  std::unordered_map<std::string, Point> points_;
};

}  // namespace

ModelSpec with_roundings(ModelSpec spec, unsigned seed) {
  Rounder rounder(seed);
  for (Channel& channel : spec.channels) {
    for (Sample& sample : channel.samples) rounder.apply(sample);
  }
  return spec;
}

bool stays_in_range(const ModelSpec& spec, const std::vector<double>& x) {
  const Decades decades(spec, x);
  for (const Channel& channel : spec.channels) {
    for (const Sample& sample : channel.samples) {
      if (!(decades.sum(sample) < std::numeric_limits<double>::max_exponent10)) return false;
    }
  }
  return true;
}

}  // namespace nablafit::testing
