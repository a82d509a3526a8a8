/// \file
/// Constraints of bin-by-bin parameters: staterror and shapesys modifiers.
#ifndef NABLAFIT_SRC_IO_HS3_GAMMAS_HPP
#define NABLAFIT_SRC_IO_HS3_GAMMAS_HPP

#include <string>
#include <vector>

#include "io/hs3/constraints.hpp"

namespace nablafit::io {

/// Meaning of the numbers in `vals` of a shapesys, where tau = 1 / sigma^2.
enum class Hs3Vals {
  relative,  ///< relative uncertainties sigma: ROOT since 6.32, and always for Gaussian ones
  absolute,  ///< uncertainties in events: pyhs3
  tau        ///< expected auxiliary counts: ROOT before 6.32, Poisson only
};

/// A shapesys as it is in the document: one entry per parameter.
struct Hs3ShapeSys {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<double> vals;
  std::vector<double> nominal;  ///< yields of the sample in the bins of the vals
  Hs3ConstraintType type = Hs3ConstraintType::poisson;
  JsonValue where;
};

/// The staterror modifiers of one channel that share parameters.
struct Hs3StatErrors {
  std::vector<std::string> parameters;
  std::vector<double> sum;          ///< yields of the samples
  std::vector<double> sum_squares;  ///< of their uncertainties
  Hs3ConstraintType type = Hs3ConstraintType::poisson;
  JsonValue where;
};

class Hs3Gammas {
 public:
  Hs3Gammas(const Hs3Index& index, Hs3Parameters& parameters, Hs3Notes& notes)
      : index_(index), parameters_(parameters), notes_(notes) {}

  /// Constrains the parameters and returns the relative uncertainties, 0 where there is none.
  std::vector<double> constrain(const Hs3ShapeSys& shapesys);
  /// Constrains the parameters and returns the corrections of the uncertainties: 1, or the ratio of
  /// the unrounded to the stated one.
  std::vector<double> constrain(const Hs3StatErrors& staterrors);

 private:
  Hs3Vals decide(const Hs3ShapeSys& shapesys);
  bool fits_nominal_values(const Hs3ShapeSys& shapesys, Hs3Vals vals, bool& has_evidence) const;
  bool fits_ranges(const Hs3ShapeSys& shapesys, Hs3Vals vals, bool& has_evidence) const;
  /// Returns the relative uncertainty, unrounded where the document keeps it.
  double constrain_gamma(const std::string& name, Hs3ConstraintType type, double relative,
                         JsonValue where);

  const Hs3Index& index_;
  Hs3Parameters& parameters_;
  Hs3Notes& notes_;
};

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_GAMMAS_HPP
