/// HS3: a small document read in full, malformed ones (tests/data/malformed_hs3.json, which the
/// Python tests read too), and what the writer makes of a model.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "io/json/document.hpp"
#include "nablafit/error.hpp"
#include "nablafit/io/hs3.hpp"

namespace {

using namespace nablafit;
using io::Hs3Document;
using io::JsonDocument;
using io::JsonValue;

std::string file_text(const std::string& name) {
  std::ifstream file(std::string(NABLAFIT_TEST_DATA) + "/" + name, std::ios::binary);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string replaced(std::string text, const std::string& find, const std::string& replacement) {
  const std::size_t at = text.find(find);
  REQUIRE(at != std::string::npos);
  return text.replace(at, find.size(), replacement);
}

const Parameter& parameter(const ModelSpec& spec, const std::string& name) {
  for (const Parameter& p : spec.parameters) {
    if (p.name == name) return p;
  }
  FAIL("no parameter " << name);
  return spec.parameters.front();
}

template <typename T>
const T& modifier(const ModelSpec& spec, std::size_t channel, std::size_t sample, std::size_t i) {
  return std::get<T>(spec.channels.at(channel).samples.at(sample).modifiers.at(i));
}

}  // namespace

TEST_CASE("HS3: measurements, data sets and channels") {
  const Hs3Document document = io::read_hs3(file_text("hs3_small.json"));
  REQUIRE(document.measurements.size() == 1);
  const ModelSpec& spec = document.measurements.front();
  CHECK(spec.name == "ModelConfig");
  CHECK(spec.parameters_of_interest == std::vector<std::string>{"mu"});
  REQUIRE(document.datasets.size() == 2);
  CHECK(document.datasets[0].name == "obsData");
  CHECK(document.datasets[0].channels[0].counts == std::vector<double>{57.0, 65.0});
  CHECK(document.datasets[1].name == "asimovData");
  CHECK(document.datasets[1].channels[1].counts == std::vector<double>{100.0});
  CHECK(spec.channels[0].name == "SR");
  CHECK(spec.channels[0].axes[0].edges == std::vector<double>{0.0, 10.0, 30.0});
  CHECK(spec.channels[1].axes[0].edges == std::vector<double>{0.0, 1.0});
  CHECK_FALSE(document.notes.empty());
}

TEST_CASE("HS3: modifiers as ROOT means them") {
  const ModelSpec spec = io::read_hs3(file_text("hs3_small.json")).measurements.front();
  CHECK(modifier<Lumi>(spec, 0, 0, 0).parameter == "Lumi");
  CHECK(modifier<NormFactor>(spec, 0, 0, 1).parameter == "mu");
  CHECK(modifier<NormSys>(spec, 0, 0, 2).interpolation == Interpolation::polynomial_exponential);
  CHECK(modifier<HistoSys>(spec, 0, 1, 0).interpolation == Interpolation::polynomial_linear);
  CHECK(modifier<ShapeSys>(spec, 0, 1, 1).uncertainties == std::vector<double>{5.0, 12.0});
  CHECK(modifier<StatError>(spec, 0, 1, 2).uncertainties == std::vector<double>{2.5, 3.5});
  CHECK(modifier<ShapeFactor>(spec, 1, 0, 0).parameters.front() == "gamma_shape_bin_0");
  CHECK_FALSE(spec.channels[0].samples[0].yield_floor.has_value());
  CHECK(spec.channels[0].samples[0].factor_floor == std::numeric_limits<double>::min());
  CHECK(spec.channels[0].samples[1].yield_floor == 0.0);
  CHECK_FALSE(spec.channels[0].samples[1].factor_floor.has_value());
}

TEST_CASE("HS3: parameters from points, domains and constraints") {
  const ModelSpec spec = io::read_hs3(file_text("hs3_small.json")).measurements.front();
  CHECK(spec.parameters[0].name == "mu");
  CHECK(spec.parameters[0].initial == 1.5);
  CHECK(spec.parameters[0].lower == -5.0);
  CHECK(std::isinf(spec.parameters[0].upper));
  const Parameter& jes = parameter(spec, "alpha_jes");
  CHECK(jes.lower == -4.0);
  CHECK(jes.initial == 0.25);
  CHECK(jes.global_observable == "nom_alpha_jes");
  CHECK(std::get<GaussianConstraint>(jes.constraint).observed == 0.5);
  CHECK_FALSE(std::get<GaussianConstraint>(jes.constraint).observable_range.has_value());
  CHECK(parameter(spec, "alpha_theory").fixed);
  const auto& lumi = std::get<GaussianConstraint>(parameter(spec, "Lumi").constraint);
  CHECK(lumi.sigma == 0.02);
  REQUIRE(lumi.observable_range.has_value());
  CHECK(lumi.observable_range->upper == 1.2);
  const auto& fakes = std::get<PoissonConstraint>(parameter(spec, "gamma_fakes_bin_1").constraint);
  CHECK(fakes.tau == doctest::Approx(25.0));
  const auto& stat =
      std::get<GaussianConstraint>(parameter(spec, "gamma_stat_SR_bin_0").constraint);
  CHECK(stat.sigma == 0.05);
  CHECK(std::holds_alternative<Unconstrained>(parameter(spec, "gamma_shape_bin_0").constraint));
  REQUIRE(spec.parameter_points.size() == 1);
  CHECK(spec.parameter_points[0].name == "fitted");
  CHECK(spec.parameter_points[0].values.size() == 2);
}

TEST_CASE("HS3: interpolations, old and new") {
  const std::string base = file_text("hs3_small.json");
  const auto normsys = [&](const std::string& stated) {
    const std::string text = replaced(base, "\"interpolation\": 5", "\"interpolation\": " + stated);
    const ModelSpec spec = io::read_hs3(text).measurements.front();
    return modifier<NormSys>(spec, 0, 0, 2).interpolation;
  };
  CHECK(normsys("0") == Interpolation::piecewise_linear);
  CHECK(normsys("1") == Interpolation::piecewise_exponential);
  CHECK(normsys("2") == Interpolation::quadratic_linear);
  CHECK(normsys("4") == Interpolation::polynomial_exponential);
  CHECK(normsys("\"code1\"") == Interpolation::piecewise_exponential);
  CHECK(normsys("\"poly6\"") == Interpolation::polynomial_linear);
  CHECK(normsys(R"({"type": "mult", "in": "poly6", "out": "exp"})") ==
        Interpolation::polynomial_exponential);
  CHECK(normsys(R"({"type": "mult", "in": "exp", "out": null})") ==
        Interpolation::piecewise_exponential);
}

TEST_CASE("HS3: what vals of a shapesys are") {
  std::string text = file_text("hs3_small.json");
  const auto tau = [](const std::string& from) {
    const ModelSpec spec = io::read_hs3(from).measurements.front();
    return std::get<PoissonConstraint>(parameter(spec, "gamma_fakes_bin_0").constraint).tau;
  };
  const std::string counts = replaced(text, "\"vals\": [0.1, 0.2]", "\"vals\": [100.0, 25.0]");
  const std::string events = replaced(text, "\"vals\": [0.1, 0.2]", "\"vals\": [5.0, 12.0]");
  CHECK(tau(text) == doctest::Approx(100.0));
  SUBCASE("the ranges of the gammas tell") {
    CHECK(tau(counts) == doctest::Approx(100.0));
    CHECK(tau(events) == doctest::Approx(100.0));
  }
  SUBCASE("else ROOT's version") {
    std::string old =
        replaced(counts, "\"min\": 0.0, \"max\": 1.5}", "\"min\": 0.0, \"max\": 9.0}");
    CHECK_FALSE(tau(old) == doctest::Approx(100.0));
    CHECK(tau(replaced(old, "6.40.00", "6.28.04")) == doctest::Approx(100.0));
  }
  SUBCASE("or pyhs3") {
    std::string other = replaced(events, "\"max\": 1.5}", "\"max\": 9.0}");
    CHECK(tau(replaced(other, "\"ROOT\"", "\"pyhs3\"")) == doctest::Approx(100.0));
  }
}

TEST_CASE("HS3: malformed documents say where, what was found and what was expected") {
  const JsonDocument table = JsonDocument::parse(file_text("malformed_hs3.json"), "table");
  const std::string base = file_text("hs3_small.json");
  const JsonValue cases = table.root().find("cases");
  CHECK(cases.size() >= 70);
  for (const JsonValue test_case : cases.elements()) {
    CAPTURE(std::string(test_case.find("name").string()));
    const JsonValue given = test_case.find("text");
    const std::string text = given.exists()
                                 ? std::string(given.string())
                                 : replaced(base, std::string(test_case.find("find").string()),
                                            std::string(test_case.find("replace").string()));
    try {
      io::read_hs3(text);
      FAIL_CHECK("accepted");
    } catch (const WorkspaceError& error) {
      CHECK(error.location() == std::string(test_case.find("location").string()));
      const std::string message(test_case.find("message").string());
      CHECK(std::string(error.what()).find(message) != std::string::npos);
    }
  }
}

TEST_CASE("HS3: what is written reads back as the same model") {
  const Hs3Document document = io::read_hs3(file_text("hs3_small.json"));
  const io::Hs3Text written = io::write_hs3(document.measurements.front(), document.datasets);
  const Hs3Document again = io::read_hs3(written.text);
  CHECK(written.losses.empty());
  CHECK(again.measurements == document.measurements);
  CHECK(again.datasets == document.datasets);
}

/// One bin, scaled by every parameter: constrained ones by a normsys, the others as they are.
ModelSpec scaled_by(const std::vector<Parameter>& parameters) {
  Sample sample{"s", {10.0}, {}, {}, {}, {}};
  for (const Parameter& p : parameters) {
    if (std::holds_alternative<GaussianConstraint>(p.constraint)) {
      sample.modifiers.emplace_back(NormSys{p.name, p.name, 0.9, 1.1});
    } else {
      sample.modifiers.emplace_back(NormFactor{p.name, p.name});
    }
  }
  ModelSpec spec;
  spec.name = "names";
  spec.parameters = parameters;
  spec.channels = {{"SR", {sample}, {}, {}}};
  return spec;
}

Parameter named(const std::string& name, const Constraint& constraint = Unconstrained{},
                const std::string& global_observable = "") {
  return {name, 1.0, 0.0, 10.0, false, constraint, IdentityTransformation{}, global_observable};
}

TEST_CASE("HS3: names that the writer makes up are not those of parameters") {
  const ModelSpec spec = scaled_by({named("a", GaussianConstraint{0.5, 1.0, {}}),
                                    named("b", PoissonConstraint{4.0, 5.0}), named("nom_a"),
                                    named("nom_b"), named("b_tau"), named("b_poisMean")});
  const io::Hs3Text written = io::write_hs3(spec, {});
  CHECK(written.losses.empty());
  const ModelSpec again = io::read_hs3(written.text).measurements.front();
  CHECK(again.parameters == spec.parameters);
  CHECK(again.channels == spec.channels);
}

TEST_CASE("HS3: names that the writer makes up are not those of global observables") {
  const ModelSpec spec = scaled_by({named("a", GaussianConstraint{0.5, 1.0, {}}, "b_tau"),
                                    named("b", PoissonConstraint{4.0, 5.0}, "nom_b"),
                                    named("c", GaussianConstraint{0.6, 1.0, {}}, "b_poisMean")});
  const io::Hs3Text written = io::write_hs3(spec, {});
  CHECK(written.losses.empty());
  const ModelSpec again = io::read_hs3(written.text).measurements.front();
  CHECK(again.parameters == spec.parameters);
  CHECK(again.channels == spec.channels);
}

TEST_CASE("HS3: global observables of one name are written apart if they are not one number") {
  const ModelSpec spec = scaled_by({named("a", GaussianConstraint{0.5, 1.0, {}}, "g"),
                                    named("b", GaussianConstraint{0.6, 1.0, {}}, "g"),
                                    named("c", GaussianConstraint{0.5, 1.0, {}}, "g")});
  const io::Hs3Text written = io::write_hs3(spec, {});
  const ModelSpec again = io::read_hs3(written.text).measurements.front();
  for (const Parameter& p : spec.parameters) {
    CAPTURE(p.name);
    const Parameter& found = parameter(again, p.name);
    CHECK(observed_value(found) == observed_value(p));
    CHECK(found.global_observable == (p.name == "b" ? "g_" : "g"));
  }
}

TEST_CASE("HS3: the global observable of a staterror cannot have the name of a parameter") {
  ModelSpec spec = scaled_by({named("nom_gamma")});
  spec.parameters.push_back(named("gamma", PoissonConstraint{100.0, 100.0}));
  spec.channels[0].samples[0].modifiers.emplace_back(StatError{"stat", {"gamma"}, {}});
  const io::Hs3Text written = io::write_hs3(spec, {}, {true});
  CHECK(written.losses.size() == 1);
  CHECK_NOTHROW(io::read_hs3(written.text));
}

TEST_CASE("HS3: the writer lists what HS3 cannot hold") {
  Hs3Document document = io::read_hs3(file_text("hs3_small.json"));
  ModelSpec& spec = document.measurements.front();
  spec.channels[0].yield_floor = 1e-3;
  spec.parameters[3].transformation = GammaTransformation{0.1};
  spec.parameters[3].constraint = GammaConstraint{100.0, 0.01};
  try {
    io::write_hs3(spec, {});
    FAIL_CHECK("written");
  } catch (const WorkspaceError& error) {
    const std::string message = error.what();
    CHECK(message.find("the Gamma constraint of 'alpha_jes'") != std::string::npos);
    CHECK(message.find("the lower limit on total yields in channel 'SR'") != std::string::npos);
  }
  const io::Hs3Text written = io::write_hs3(spec, {}, {true});
  CHECK(written.losses.size() == 3);
  CHECK_NOTHROW(io::read_hs3(written.text));
}
