/// \file
/// Mapping between the numbers of a specification and its inputs.
#ifndef NABLAFIT_SRC_COMPILE_INPUT_LAYOUT_HPP
#define NABLAFIT_SRC_COMPILE_INPUT_LAYOUT_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nablafit/inputs.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::detail {

inline constexpr std::uint32_t no_input = 0xFFFFFFFFU;

/// First inputs of one sample.
struct SampleInputs {
  std::uint32_t nominal;
  std::vector<std::uint32_t> modifiers;  ///< no_input for modifiers without inputs
};

/// How the width of one constraint follows from the inputs.
struct WidthRule {
  /// A sample that shares the parameter, by its inputs.
  struct Part {
    std::uint32_t nominal, uncertainty;
  };
  std::uint32_t input = no_input;  ///< the width itself, unless it follows from `parts`
  std::vector<Part> parts;
  bool is_tau = false;            ///< 1 / relative^2 instead of relative
  bool observed_follows = false;  ///< the stored global observable is tau
};

struct InputLayout {
  std::vector<InputBlock> blocks;
  std::size_t size = 0;
  std::vector<SampleInputs> samples;  ///< channel by channel
  std::vector<WidthRule> widths;      ///< per constrained parameter, in order
};

InputLayout make_input_layout(const ModelSpec& spec);

/// The inputs of `spec`.
std::vector<double> input_values(const ModelSpec& spec, const InputLayout& layout);

/// `spec` with other inputs.
ModelSpec spec_with_inputs(const ModelSpec& spec, const InputLayout& layout,
                           const std::vector<double>& inputs,
                           const std::vector<Constraint>& constraints);

/// sigma, tau, kappa or scale; none without a term.
double* width_of(Constraint& constraint);
double width_of(const Constraint& constraint);

/// Width from the inputs; adds its derivatives times `adjoint` to `gradient` if that is not null.
double width_from_inputs(const WidthRule& rule, const double* inputs);
void add_width_gradient(const WidthRule& rule, const double* inputs, double adjoint,
                        double* gradient);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_COMPILE_INPUT_LAYOUT_HPP
