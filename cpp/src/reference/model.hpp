/// \file
/// A ModelSpec with its names resolved, for the plain reference evaluator.
#ifndef NABLAFIT_SRC_REFERENCE_MODEL_HPP
#define NABLAFIT_SRC_REFERENCE_MODEL_HPP

#include <cstddef>
#include <optional>
#include <vector>

#include "formula/formula.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::detail {

struct ReferenceModifier {
  const Modifier* modifier;
  /// Index of the parameter; of one parameter per bin for StatError, ShapeSys and ShapeFactor; of
  /// the arguments for FormulaFactor.
  std::vector<std::size_t> parameters;
  std::optional<Formula> formula;  ///< of a FormulaFactor
};

struct ReferenceSample {
  const Sample* sample;
  std::vector<ReferenceModifier> modifiers;
};

struct ReferenceChannel {
  const Channel* channel;
  std::size_t first_bin;
  std::vector<ReferenceSample> samples;
};

/// Owns a copy of the specification, to which its parts point; immutable.
class ReferenceModel {
 public:
  /// Throws SpecError as `validate` does.
  explicit ReferenceModel(ModelSpec spec);
  ReferenceModel(const ReferenceModel&) = delete;
  ReferenceModel& operator=(const ReferenceModel&) = delete;

  const ModelSpec& spec() const noexcept { return spec_; }
  const std::vector<ReferenceChannel>& channels() const noexcept { return channels_; }
  /// Indices of the parameters with a constraint term, ascending.
  const std::vector<std::size_t>& constrained() const noexcept { return constrained_; }
  std::size_t n_parameters() const noexcept { return spec_.parameters.size(); }
  std::size_t n_bins() const noexcept { return n_bins_; }
  std::size_t n_rows() const noexcept { return n_rows_; }

 private:
  const ModelSpec spec_;
  std::vector<ReferenceChannel> channels_;
  std::vector<std::size_t> constrained_;
  std::size_t n_bins_ = 0;
  std::size_t n_rows_ = 0;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_REFERENCE_MODEL_HPP
