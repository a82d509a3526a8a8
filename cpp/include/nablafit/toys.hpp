/// \file
/// Pseudo-experiments.
#ifndef NABLAFIT_TOYS_HPP
#define NABLAFIT_TOYS_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nablafit/batch.hpp"
#include "nablafit/export.hpp"
#include "nablafit/model.hpp"
#include "nablafit/span.hpp"

namespace nablafit {

struct ToyOptions {
  /// Draw the global observables from their constraint terms too (the frequentist choice);
  /// otherwise they are `global_observables`.
  bool randomize_global_observables = true;
  /// Used if they are not drawn, n_constrained values; empty: those stored with the model.
  std::vector<double> global_observables;
};

/// Data sets, row-major.
struct Toys {
  std::size_t n = 0;  ///< number of complete toys: fewer than requested if the call was stopped
  std::vector<double> counts;              ///< [toy * n_bins + bin]
  std::vector<double> global_observables;  ///< [toy * n_constrained + i]
};

/// Draws toys number `start` to `start + n - 1` at the parameters `x` (n_parameters values). Counts
/// are Poisson, exact for any mean. Global observables follow the density of their constraint term:
/// Gaussian (within its range if that has one), Poisson with mean tau times the parameter,
/// LogNormal with the parameter as median, Gamma: Poisson with mean parameter / scale.
///
/// Toy i depends only on (seed, i) and x, so shards of any size can be made anywhere and joined.
/// Throws ArgumentError where the model is not defined at x (a negative or infinite yield, a
/// parameter outside the support of its constraint), with the bin or parameter.
NABLAFIT_API Toys generate_toys(const Model& model, Span<const double> x, std::size_t n,
                                std::uint64_t seed, std::uint64_t start = 0,
                                const ToyOptions& options = {}, const RunOptions& run = {});
/// The same, trusting that `x` points to n_parameters values.
NABLAFIT_API Toys generate_toys(const Model& model, const double* x, std::size_t n,
                                std::uint64_t seed, std::uint64_t start = 0,
                                const ToyOptions& options = {}, const RunOptions& run = {});

}  // namespace nablafit

#endif  // NABLAFIT_TOYS_HPP
