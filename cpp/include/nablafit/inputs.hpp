/// \file
/// The numbers of a model as one vector, which can be exchanged and differentiated.
#ifndef NABLAFIT_INPUTS_HPP
#define NABLAFIT_INPUTS_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nablafit/export.hpp"
#include "nablafit/model.hpp"
#include "nablafit/span.hpp"

namespace nablafit {

namespace detail {
struct InputStructure;
}

enum class InputKind {
  nominal,        ///< Sample::nominal, events
  histosys_low,   ///< HistoSys::low, events
  histosys_high,  ///< HistoSys::high, events
  normsys_low,    ///< NormSys::low
  normsys_high,   ///< NormSys::high
  staterror,      ///< StatError::uncertainties, events
  shapesys,       ///< ShapeSys::uncertainties, events
  width,          ///< sigma, tau, kappa or scale of a parameter's constraint
};

/// "nominal", "histosys_low", ...
NABLAFIT_API std::string_view to_string(InputKind kind) noexcept;

/// Consecutive inputs: one per bin, or a single one for normsys and width.
struct InputBlock {
  InputKind kind;
  std::string channel, sample;  ///< empty for a width
  std::string name;             ///< of the modifier; of the parameter for a width
  std::size_t begin, size;
};

/// The inputs of a model, in the order of its specification: sample by sample the nominal yields,
/// then the numbers of its modifiers; widths of constraints last.
///
/// Uncertainties of StatError and ShapeSys are inputs where the widths of the constraints follow
/// from them by HistFactory's rule, relative = sqrt(sum of squares) / sum of nominal yields over
/// the samples that share the parameter, sigma = relative or tau = 1 / relative^2 (to 1e-9). Such a
/// width changes with uncertainties and nominal yields; every other width is an input itself.
/// Global observables of Poisson terms that are equal to tau follow it. Immutable; copies share.
class NABLAFIT_API Inputs {
 public:
  explicit Inputs(const Model& model);

  std::size_t size() const noexcept { return values_.size(); }
  const std::vector<InputBlock>& blocks() const noexcept;
  /// Those of the model.
  const std::vector<double>& values() const noexcept { return values_; }

  /// A model with the same structure and other inputs (size() values), without recompiling: copies
  /// the arrays. Throws ArgumentError for a span of another length and SpecError for values that
  /// `validate` refuses: not finite, negative factors of a NormSys, widths that are not positive.
  Model exchange(Span<const double> inputs) const;

 private:
  std::shared_ptr<const detail::InputStructure> structure_;
  std::vector<double> values_;
};

}  // namespace nablafit

#endif  // NABLAFIT_INPUTS_HPP
