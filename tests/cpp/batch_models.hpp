/// \file
/// A small model with every constraint type, for tests of batches and toys.
#ifndef NABLAFIT_TESTS_BATCH_MODELS_HPP
#define NABLAFIT_TESTS_BATCH_MODELS_HPP

#include <vector>

#include "nablafit/model.hpp"

namespace nablafit::tests {

/// Two channels; a free signal strength, one parameter of each constraint type.
inline ModelSpec batch_spec() {
  ModelSpec spec;
  spec.name = "batch";
  Sample signal{"signal", {6.0, 14.0, 3.0}, {NormFactor{"mu", "mu"}}, {}, {}, {}};
  Sample background{"background", {60.0, 45.0, 30.0}, {}, {}, {}, {}};
  background.modifiers = {
      NormSys{"scale", "scale", 0.9, 1.12},
      HistoSys{"shape", "shape", {57.0, 46.0, 31.5}, {64.0, 44.0, 28.0}},
      ShapeSys{"bins", {"gamma0", "gamma1", "gamma2"}, {3.0, 2.5, 2.0}},
      NormFactor{"luminosity", "luminosity"},
  };
  Sample other{"other", {200.0}, {}, {}, {}, {}};
  other.modifiers = {NormSys{"scale", "scale", 0.95, 1.06}, NormFactor{"k", "k"},
                     NormFactor{"beta", "beta"}};
  spec.channels = {{"signal_region", {signal, background}, {}, {}}, {"control", {other}, {}, {}}};
  spec.parameters = {
      {"mu", 1.0, -5.0, 10.0, false, Unconstrained{}, IdentityTransformation{}, ""},
      {"scale", 0.0, -5.0, 5.0, false, GaussianConstraint{0.0, 1.0, {}}, IdentityTransformation{},
       ""},
      {"shape", 0.0, -5.0, 5.0, false, GaussianConstraint{0.0, 1.0, Range{-3.0, 3.0}},
       IdentityTransformation{}, ""},
      {"gamma0", 1.0, 1e-10, 10.0, false, PoissonConstraint{400.0, 400.0}, IdentityTransformation{},
       ""},
      {"gamma1", 1.0, 1e-10, 10.0, false, PoissonConstraint{324.0, 324.0}, IdentityTransformation{},
       ""},
      {"gamma2", 1.0, 1e-10, 10.0, false, PoissonConstraint{225.0, 225.0}, IdentityTransformation{},
       ""},
      {"luminosity", 1.0, 0.5, 1.5, false, GaussianConstraint{1.0, 0.02, {}},
       IdentityTransformation{}, ""},
      {"k", 1.0, 0.1, 5.0, false, LogNormalConstraint{1.0, 1.1}, IdentityTransformation{}, ""},
      {"beta", 1.0, 0.01, 10.0, false, GammaConstraint{100.0, 0.01}, IdentityTransformation{}, ""},
  };
  return spec;
}

}  // namespace nablafit::tests

#endif  // NABLAFIT_TESTS_BATCH_MODELS_HPP
