/// \file
/// Seeded random models, data and points: everything a ModelSpec can say, in odd combinations.
#ifndef NABLAFIT_TESTS_RANDOM_SPEC_HPP
#define NABLAFIT_TESTS_RANDOM_SPEC_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nablafit/likelihood.hpp"
#include "nablafit/model.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::testing {

/// Uniform numbers that are the same on every platform (SplitMix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits();
  double uniform(double lower, double upper);
  /// 0 .. n - 1.
  std::size_t below(std::size_t n);
  bool chance(double probability) { return uniform(0.0, 1.0) < probability; }
  template <typename T>
  const T& pick(const std::vector<T>& items) {
    return items[below(items.size())];
  }

 private:
  std::uint64_t state_;
};

/// A valid model. Between them, the seeds cover all modifiers, interpolation codes, constraints,
/// pulls and floors; parameters shared across channels and modifier types, or twice in one sample;
/// bins with zero nominal in one or all samples; fixed gammas; several gammas in one bin; shape
/// factors shared across channels.
ModelSpec random_spec(std::uint64_t seed);

/// Counts (integer or not, zero in empty bins) near the nominal yields, and shifted global
/// observables.
Data random_measurement(const Model& model, std::uint64_t seed);

struct NamedPoint {
  std::string name;
  std::vector<double> x;
};

/// Initial and interior points, one with parameters on kinks and at zero, one on bounds, some far
/// outside, one with a NaN.
std::vector<NamedPoint> random_points(const Model& model, std::uint64_t seed);

}  // namespace nablafit::testing

#endif  // NABLAFIT_TESTS_RANDOM_SPEC_HPP
