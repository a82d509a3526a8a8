#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/spec.hpp"
#include "util/nearest_name.hpp"

using namespace nablafit;

namespace {

Parameter parameter(const std::string& name, const Constraint& constraint = Unconstrained{}) {
  Parameter result;
  result.name = name;
  result.initial = 1.0;
  result.lower = 0.0;
  result.upper = 10.0;
  result.constraint = constraint;
  return result;
}

/// A valid model with one of everything.
ModelSpec valid_spec() {
  Sample signal;
  signal.name = "signal";
  signal.nominal = {5.0, 6.0};
  signal.uncertainties = {0.1, 0.2};
  signal.modifiers = {NormFactor{"mu", "mu"},
                      Lumi{"lumi", "lumi"},
                      NormSys{"xs", "alpha", 0.9, 1.1},
                      HistoSys{"jes", "alpha", {4.0, 5.0}, {6.0, 7.0}},
                      StatError{"stat", {"g0", "g1"}, {0.1, 0.2}},
                      ShapeSys{"shape", {"g0", "g1"}, {0.1, 0.2}},
                      ShapeFactor{"free", {"g0", "g1"}},
                      FormulaFactor{"formula", "1 + 0.1*mu", {"mu"}}};
  Channel channel;
  channel.name = "SR";
  channel.samples = {signal};
  channel.axes = {{"mass", {0.0, 1.0, 2.0}}};
  ModelSpec spec;
  spec.name = "model";
  spec.channels = {channel};
  spec.parameters = {parameter("mu"),
                     parameter("lumi", GaussianConstraint{1.0, 0.02, Range{0.5, 1.5}}),
                     parameter("alpha", GaussianConstraint{}),
                     parameter("g0", PoissonConstraint{100.0, 100.0}),
                     parameter("g1", GammaConstraint{4.0, 0.25}),
                     parameter("l", LogNormalConstraint{1.0, 1.1})};
  spec.parameters_of_interest = {"mu", "absent"};
  spec.parameter_points = {{"best", {{"mu", 1.2}}}};
  return spec;
}

using Change = std::function<void(ModelSpec&)>;

Sample& sample(ModelSpec& spec) { return spec.channels[0].samples[0]; }

template <typename M>
M& modifier(ModelSpec& spec) {
  for (Modifier& m : sample(spec).modifiers) {
    if (auto* found = std::get_if<M>(&m)) return *found;
  }
  throw std::logic_error("no such modifier");
}

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

struct Mistake {
  Change change;
  std::string location;
  std::string message;  ///< part of it
};

void check_mistakes(const std::vector<Mistake>& mistakes) {
  for (const Mistake& mistake : mistakes) {
    ModelSpec spec = valid_spec();
    mistake.change(spec);
    CAPTURE(mistake.location);
    CAPTURE(mistake.message);
    try {
      validate(spec);
      FAIL_CHECK("no error");
    } catch (const SpecError& error) {
      CHECK(error.location() == mistake.location);
      CHECK_MESSAGE(std::string(error.what()).find(mistake.message) != std::string::npos,
                    error.what());
    }
  }
}

}  // namespace

TEST_CASE("a valid specification passes") { CHECK_NOTHROW(validate(valid_spec())); }

TEST_CASE("modifiers say what they are") {
  const ModelSpec spec = valid_spec();
  std::vector<std::string> types;
  for (const Modifier& m : spec.channels[0].samples[0].modifiers) types.emplace_back(type_name(m));
  CHECK(types == std::vector<std::string>{"normfactor", "lumi", "normsys", "histosys", "staterror",
                                          "shapesys", "shapefactor", "formula"});
  CHECK(name_of(spec.channels[0].samples[0].modifiers[3]) == "jes");
}

TEST_CASE("constraints have observed values unless they are flat") {
  CHECK_FALSE(is_constrained(parameter("p")));
  CHECK_FALSE(is_constrained(parameter("p", UniformConstraint{})));
  CHECK_FALSE(observed_value(parameter("p", UniformConstraint{})).has_value());
  CHECK(is_constrained(parameter("p", GaussianConstraint{})));
  CHECK(observed_value(parameter("p", GaussianConstraint{0.3, 1.0, {}})) == 0.3);
  CHECK(observed_value(parameter("p", PoissonConstraint{4.0, 4.0})) == 4.0);
  CHECK(observed_value(parameter("p", LogNormalConstraint{1.5, 1.1})) == 1.5);
  CHECK(observed_value(parameter("p", GammaConstraint{9.0, 0.1})) == 9.0);
}

TEST_CASE("specifications compare member by member") {
  CHECK(valid_spec() == valid_spec());
  const std::vector<Change> changes{
      [](ModelSpec& s) { s.name = "other"; },
      [](ModelSpec& s) { s.channels[0].name = "other"; },
      [](ModelSpec& s) { s.channels[0].axes[0].edges[1] = 0.5; },
      [](ModelSpec& s) { s.channels[0].yield_floor = 0.0; },
      [](ModelSpec& s) { sample(s).nominal[0] = 1.0; },
      [](ModelSpec& s) { sample(s).factor_floor = 0.0; },
      [](ModelSpec& s) { sample(s).modifiers.pop_back(); },
      [](ModelSpec& s) { std::swap(sample(s).modifiers[0], sample(s).modifiers[1]); },
      [](ModelSpec& s) { modifier<NormSys>(s).high = 1.2; },
      [](ModelSpec& s) { modifier<HistoSys>(s).interpolation = Interpolation::piecewise_linear; },
      [](ModelSpec& s) { modifier<StatError>(s).uncertainties[0] = 0.3; },
      [](ModelSpec& s) { s.parameters[0].fixed = true; },
      [](ModelSpec& s) { s.parameters[0].transformation = GammaTransformation{0.1}; },
      [](ModelSpec& s) { s.parameters[2].constraint = GaussianConstraint{0.0, 1.0, Range{-1, 1}}; },
      [](ModelSpec& s) { s.parameters[2].constraint = UniformConstraint{}; },
      [](ModelSpec& s) { s.parameters_of_interest.clear(); },
      [](ModelSpec& s) { s.parameter_points[0].values[0].value = 3.0; }};
  for (const Change& change : changes) {
    ModelSpec spec = valid_spec();
    change(spec);
    CHECK(spec != valid_spec());
  }
}

TEST_CASE("mistakes in channels and samples are found") {
  check_mistakes({
      {[](ModelSpec& s) { s.channels.clear(); }, "channels", "found none, expected at least one"},
      {[](ModelSpec& s) { s.channels[0].name.clear(); }, "channels[0].name", "an empty name"},
      {[](ModelSpec& s) { s.channels.push_back(s.channels[0]); }, "channels[1].name",
       "found 'SR', the name of entry 0 too"},
      {[](ModelSpec& s) { s.channels[0].samples.clear(); }, "channels[0].samples", "found none"},
      {[](ModelSpec& s) { sample(s).nominal.clear(); }, "channels[0].samples[0]", "without bins"},
      {[](ModelSpec& s) { s.channels[0].samples.push_back(sample(s)); },
       "channels[0].samples[1].name", "found 'signal'"},
      {[](ModelSpec& s) { s.channels[0].samples.push_back({"b", {1.0}, {}, {}, {}, {}}); },
       "channels[0].samples[1].nominal", "found 1 value, expected 2"},
      {[](ModelSpec& s) { sample(s).nominal[1] = nan; }, "channels[0].samples[0].nominal[1]",
       "found nan, expected a finite number (channel 'SR', sample 'signal')"},
      {[](ModelSpec& s) { sample(s).uncertainties.pop_back(); },
       "channels[0].samples[0].uncertainties", "found 1 value, expected 2"},
      {[](ModelSpec& s) { sample(s).uncertainties[0] = -1.0; },
       "channels[0].samples[0].uncertainties[0]", "not negative"},
      {[](ModelSpec& s) { sample(s).yield_floor = infinity; }, "channels[0].samples[0].yield_floor",
       "found inf"},
      {[](ModelSpec& s) { s.channels[0].yield_floor = nan; }, "channels[0].yield_floor", "nan"},
      {[](ModelSpec& s) { s.channels[0].axes[0].edges = {0.0, 1.0}; }, "channels[0].axes",
       "found 1 bin, expected 2"},
      {[](ModelSpec& s) { s.channels[0].axes[0].edges = {0.0, 2.0, 1.0}; },
       "channels[0].axes[0].edges[2]", "found 1, expected an edge above the one before it, 2"},
      {[](ModelSpec& s) { s.channels[0].axes[0].edges = {0.0}; }, "channels[0].axes[0].edges",
       "found 1 edge"},
  });
}

TEST_CASE("mistakes in modifiers are found") {
  const std::string modifiers = "channels[0].samples[0].modifiers";
  check_mistakes({
      {[](ModelSpec& s) { modifier<NormFactor>(s).parameter = "mi"; }, modifiers + "[0].parameter",
       "found 'mi', expected the name of one of the model's 6 parameters; did you mean 'mu'? "
       "(channel 'SR', sample 'signal', modifier 'mu')"},
      {[](ModelSpec& s) { modifier<NormFactor>(s).name.clear(); }, modifiers + "[0].name",
       "an empty name"},
      {[](ModelSpec& s) { modifier<Lumi>(s).parameter = "absent"; }, modifiers + "[1].parameter",
       "found 'absent'"},
      {[](ModelSpec& s) { modifier<NormSys>(s).low = -0.1; }, modifiers + "[2].low",
       "found -0.1, expected a number that is not negative"},
      {[](ModelSpec& s) { modifier<NormSys>(s).high = infinity; }, modifiers + "[2].high", "inf"},
      {[](ModelSpec& s) { modifier<NormSys>(s).interpolation = static_cast<Interpolation>(3); },
       modifiers + "[2].interpolation", "found code 3"},
      {[](ModelSpec& s) { modifier<HistoSys>(s).low.pop_back(); }, modifiers + "[3].low",
       "found 1 value"},
      {[](ModelSpec& s) { modifier<HistoSys>(s).high[1] = nan; }, modifiers + "[3].high[1]", "nan"},
      {[](ModelSpec& s) { modifier<HistoSys>(s).interpolation = static_cast<Interpolation>(7); },
       modifiers + "[3].interpolation", "found code 7"},
      {[](ModelSpec& s) { modifier<StatError>(s).parameters.pop_back(); },
       modifiers + "[4].parameters", "found 1 value, expected 2"},
      {[](ModelSpec& s) { modifier<StatError>(s).parameters[1] = "g9"; },
       modifiers + "[4].parameters[1]", "found 'g9'"},
      {[](ModelSpec& s) { modifier<ShapeSys>(s).uncertainties[1] = nan; },
       modifiers + "[5].uncertainties[1]", "nan"},
      {[](ModelSpec& s) { modifier<ShapeFactor>(s).parameters.emplace_back("mu"); },
       modifiers + "[6].parameters", "found 3 values"},
      {[](ModelSpec& s) { modifier<FormulaFactor>(s).expression = "1 + nu"; },
       modifiers + "[7].expression", "found 'nu' at column 5"},
      {[](ModelSpec& s) { modifier<FormulaFactor>(s).parameters = {"mu", "mu"}; },
       modifiers + "[7].parameters[1]", "found 'mu', the name of entry 0 too"},
      {[](ModelSpec& s) { modifier<FormulaFactor>(s).parameters[0] = "absent"; },
       modifiers + "[7].parameters[0]", "found 'absent'"},
  });
}

TEST_CASE("mistakes in parameters are found") {
  const auto constrain = [](const Constraint& constraint) -> Change {
    return [constraint](ModelSpec& s) { s.parameters[2].constraint = constraint; };
  };
  const std::string constraint = "parameters[2].constraint";
  check_mistakes({
      {[](ModelSpec& s) { s.parameters[1].name = "mu"; }, "parameters[1].name", "found 'mu'"},
      {[](ModelSpec& s) { s.parameters[1].name.clear(); }, "parameters[1].name", "an empty name"},
      {[](ModelSpec& s) { s.parameters[0].initial = nan; }, "parameters[0].initial",
       "found nan, expected a finite number (parameter 'mu')"},
      {[](ModelSpec& s) { s.parameters[0].lower = nan; }, "parameters[0].lower", "nan"},
      {[](ModelSpec& s) { s.parameters[0].upper = -1.0; }, "parameters[0]", "the range [0, -1]"},
      {[](ModelSpec& s) { s.parameters[0].upper = 0.0; }, "parameters[0]", "fix a parameter"},
      {constrain(GaussianConstraint{nan, 1.0, {}}), constraint + ".observed", "nan"},
      {constrain(GaussianConstraint{0.0, 0.0, {}}), constraint + ".sigma", "a number above 0"},
      {constrain(GaussianConstraint{0.0, 1.0, Range{1.0, 1.0}}), constraint + ".observable_range",
       "lower below upper"},
      {constrain(GaussianConstraint{2.0, 1.0, Range{0.0, 1.0}}), constraint + ".observed",
       "within observable_range, [0, 1]"},
      {constrain(GaussianConstraint{0.0, 1.0, Range{0.0, infinity}}),
       constraint + ".observable_range.upper", "inf"},
      {constrain(PoissonConstraint{-1.0, 1.0}), constraint + ".observed", "not negative"},
      {constrain(PoissonConstraint{1.0, 0.0}), constraint + ".tau", "above 0"},
      {constrain(LogNormalConstraint{0.0, 1.1}), constraint + ".observed", "above 0"},
      {constrain(LogNormalConstraint{1.0, 1.0}), constraint + ".kappa", "above 1"},
      {constrain(GammaConstraint{-1.0, 1.0}), constraint + ".observed", "not negative"},
      {constrain(GammaConstraint{1.0, -1.0}), constraint + ".scale", "above 0"},
      {[](ModelSpec& s) { s.parameters[2].transformation = GammaTransformation{0.0}; },
       "parameters[2].transformation.relative", "above 0"},
      {[](ModelSpec& s) { s.parameters[2].transformation = LogNormalTransformation{nan}; },
       "parameters[2].transformation.relative", "nan"},
      {[](ModelSpec& s) { s.parameters_of_interest = {"mu", "mu"}; }, "parameters_of_interest[1]",
       "found 'mu'"},
      {[](ModelSpec& s) { s.parameter_points.push_back(s.parameter_points[0]); },
       "parameter_points[1].name", "found 'best'"},
      {[](ModelSpec& s) { s.parameter_points[0].values[0].parameter = "absent"; },
       "parameter_points[0].values[0].parameter", "found 'absent'"},
      {[](ModelSpec& s) { s.parameter_points[0].values[0].value = nan; },
       "parameter_points[0].values[0].value", "nan"},
  });
}

TEST_CASE("a fixed parameter may have a range of one point") {
  ModelSpec spec = valid_spec();
  spec.parameters[0].lower = spec.parameters[0].upper = 1.0;
  spec.parameters[0].fixed = true;
  CHECK_NOTHROW(validate(spec));
}

TEST_CASE("the nearest name is close or absent") {
  const std::vector<std::string> known{"alpha_JES", "alpha_JER", "mu"};
  CHECK(detail::nearest_name("alpha_JE", known) == "alpha_JES");
  CHECK(detail::nearest_name("alhpa_JER", known) == "alpha_JER");
  CHECK(detail::nearest_name("nu", known) == "mu");
  CHECK(detail::nearest_name("x", known).empty());
  CHECK(detail::nearest_name("lumi", known).empty());
  CHECK(detail::did_you_mean("mu2", known) == "; did you mean 'mu'?");
  CHECK(detail::edit_distance("kitten", "sitting", 3) == 3);
  CHECK(detail::edit_distance("", "abc", 3) == 3);
}
