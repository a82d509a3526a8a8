/// \file
/// Interpolation codes of HS3: ROOT's numbers, pyhf's and the standard's names, and the structured
/// form {"type", "in", "out"}.
#ifndef NABLAFIT_SRC_IO_HS3_INTERPOLATION_HPP
#define NABLAFIT_SRC_IO_HS3_INTERPOLATION_HPP

#include <string_view>

#include "io/json/reader.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::io {

enum class Hs3Interpolated { normsys, histosys };

/// The code that `value` states. Numbers mean different things for the two kinds: 4 is
/// polynomial_exponential for a normsys (FlexibleInterpVar), polynomial_linear for a histosys
/// (PiecewiseInterpolation). Throws for anything but a known code.
Interpolation read_hs3_interpolation(JsonValue value, Hs3Interpolated kind);

/// The default for a modifier that states no code: 4 in ROOT's numbers.
Interpolation default_hs3_interpolation(Hs3Interpolated kind) noexcept;

/// The structured form of a code; `out` is empty for null.
struct Hs3InterpolationForm {
  std::string_view type, in, out;
};
Hs3InterpolationForm hs3_interpolation_form(Interpolation code) noexcept;

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_INTERPOLATION_HPP
