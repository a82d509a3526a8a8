/// \file
/// What every fuzz target asks of a specification that a reader has accepted.
#ifndef NABLAFIT_TESTS_EVALUATE_EVERYWHERE_HPP
#define NABLAFIT_TESTS_EVALUATE_EVERYWHERE_HPP

#include <vector>

#include "nablafit/spec.hpp"

namespace nablafit::testing {

/// Compiles `spec`, takes each data set that fits it (the nominal yields if none does), and
/// evaluates value, gradient, Hessian and Hessian-vector product at the initial point, on both
/// bounds, five units off and far away. Stops the program (std::abort, after a message on stderr)
/// where the evaluators break their contract: an `ok` with a number that is not finite, another
/// status with a value that is not +infinity, a NaN anywhere, or a fused value that is not the
/// reference's although rounding cannot explain it. A SpecError or ArgumentError ends the check: a
/// refusal is a valid answer.
void evaluate_everywhere(const ModelSpec& spec, const std::vector<Observations>& datasets);

}  // namespace nablafit::testing

#endif  // NABLAFIT_TESTS_EVALUATE_EVERYWHERE_HPP
