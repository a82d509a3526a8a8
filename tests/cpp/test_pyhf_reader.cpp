/// The semantics of the reader: what pyhf 0.7.6 makes of the same workspaces. The numbers next to
/// "pyhf" are from `model.config` there.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/io/pyhf.hpp"
#include "pyhf_texts.hpp"

namespace {

using namespace nablafit;
using io::PyhfOptions;
using io::PyhfWorkspace;

const std::string mu = R"({"name": "mu", "type": "normfactor", "data": null})";

std::vector<std::string> names(const ModelSpec& spec) {
  std::vector<std::string> result;
  for (const Parameter& parameter : spec.parameters) result.push_back(parameter.name);
  return result;
}

const Parameter& find(const ModelSpec& spec, const std::string& name) {
  for (const Parameter& parameter : spec.parameters) {
    if (parameter.name == name) return parameter;
  }
  FAIL("no parameter " << name);
  return spec.parameters.front();
}

void check_values(const Parameter& parameter, double initial, double lower, double upper,
                  bool fixed) {
  CAPTURE(parameter.name);
  CHECK(parameter.initial == initial);
  CHECK(parameter.lower == lower);
  CHECK(parameter.upper == upper);
  CHECK(parameter.fixed == fixed);
}

void check_gaussian(const Parameter& parameter, double observed, double sigma) {
  CAPTURE(parameter.name);
  REQUIRE(std::holds_alternative<GaussianConstraint>(parameter.constraint));
  const auto& constraint = std::get<GaussianConstraint>(parameter.constraint);
  CHECK(constraint.observed == observed);
  CHECK(constraint.sigma == doctest::Approx(sigma).epsilon(1e-15));
}

void check_poisson(const Parameter& parameter, double observed, double tau) {
  CAPTURE(parameter.name);
  REQUIRE(std::holds_alternative<PoissonConstraint>(parameter.constraint));
  const auto& constraint = std::get<PoissonConstraint>(parameter.constraint);
  CHECK(constraint.observed == doctest::Approx(observed).epsilon(1e-15));
  CHECK(constraint.tau == doctest::Approx(tau).epsilon(1e-15));
}

const std::string every_type = R"(
  {"name": "z", "type": "staterror", "data": [1.0, 2.0]},
  {"name": "a", "type": "staterror", "data": [1.0, 0.0]},
  {"name": "unc", "type": "shapesys", "data": [2.5, 0.0]},
  {"name": "free", "type": "shapefactor", "data": null},
  {"name": "norm", "type": "normsys", "data": {"lo": 0.9, "hi": 1.2}},
  {"name": "both", "type": "normsys", "data": {"lo": 0.8, "hi": 1.1}},
  {"name": "mu", "type": "normfactor", "data": null},
  {"name": "lumi", "type": "lumi", "data": null},
  {"name": "both", "type": "histosys", "data": {"lo_data": [9, 19], "hi_data": [12, 23]}})";
const std::string lumi_settings =
    R"({"name": "lumi", "inits": [1.01], "bounds": [[0.9, 1.1]], "auxdata": [1.02],
        "sigmas": [0.017]})";

}  // namespace

TEST_CASE("pyhf: parameters of every type, in the order of pyhf's par_names") {
  const ModelSpec spec = read_spec(one_sample("[10, 20]", every_type, lumi_settings));
  CHECK(names(spec) == std::vector<std::string>{"both", "lumi", "mu", "norm", "free[0]", "free[1]",
                                                "unc[0]", "unc[1]", "a[0]", "a[1]", "z[0]",
                                                "z[1]"});
  check_values(find(spec, "both"), 0, -5, 5, false);
  check_gaussian(find(spec, "both"), 0, 1);
  check_values(find(spec, "lumi"), 1.01, 0.9, 1.1, false);
  check_gaussian(find(spec, "lumi"), 1.02, 0.017);
  check_values(find(spec, "mu"), 1, 0, 10, false);
  CHECK_FALSE(is_constrained(find(spec, "mu")));
  check_values(find(spec, "free[1]"), 1, 0, 10, false);
  CHECK_FALSE(is_constrained(find(spec, "free[1]")));
  check_values(find(spec, "unc[0]"), 1, 1e-10, 10, false);
  check_poisson(find(spec, "unc[0]"), 16, 16);
  check_values(find(spec, "unc[1]"), 1, 1e-10, 10, true);
  check_poisson(find(spec, "unc[1]"), 1, 1);
  check_values(find(spec, "a[1]"), 1, 1e-10, 10, true);
  check_gaussian(find(spec, "a[1]"), 1, 1);
  check_gaussian(find(spec, "z[1]"), 1, 0.1);
}

TEST_CASE("pyhf: modifiers keep their order, values and parameters") {
  const ModelSpec spec = read_spec(one_sample("[10, 20]", every_type, lumi_settings));
  REQUIRE(spec.channels.size() == 1);
  const Sample& sample = spec.channels[0].samples.at(0);
  CHECK(sample.nominal == std::vector<double>{10, 20});
  REQUIRE(sample.modifiers.size() == 9);
  const auto& stat = std::get<StatError>(sample.modifiers[0]);
  CHECK(stat.parameters == std::vector<std::string>{"z[0]", "z[1]"});
  CHECK(stat.uncertainties == std::vector<double>{1, 2});
  const auto& shape = std::get<ShapeSys>(sample.modifiers[2]);
  CHECK(shape.parameters == std::vector<std::string>{"unc[0]", "unc[1]"});
  CHECK(shape.uncertainties == std::vector<double>{2.5, 0});
  CHECK(std::get<ShapeFactor>(sample.modifiers[3]).parameters ==
        std::vector<std::string>{"free[0]", "free[1]"});
  const auto& norm = std::get<NormSys>(sample.modifiers[5]);
  CHECK(norm.parameter == "both");
  CHECK(norm.low == 0.8);
  CHECK(norm.high == 1.1);
  CHECK(norm.interpolation == Interpolation::polynomial_exponential);
  CHECK(std::get<NormFactor>(sample.modifiers[6]).parameter == "mu");
  CHECK(std::get<Lumi>(sample.modifiers[7]).parameter == "lumi");
  const auto& histo = std::get<HistoSys>(sample.modifiers[8]);
  CHECK(histo.parameter == "both");
  CHECK(histo.low == std::vector<double>{9, 19});
  CHECK(histo.high == std::vector<double>{12, 23});
  CHECK(histo.interpolation == Interpolation::polynomial_linear);
}

TEST_CASE("pyhf: order follows sorted channels and samples, except for staterror") {
  const auto norm = [](const std::string& name) {
    return R"({"name": ")" + name + R"(", "type": "normfactor", "data": null})";
  };
  const auto stat = [](const std::string& name) {
    return R"({"name": ")" + name + R"(", "type": "staterror", "data": [1]})";
  };
  const auto sample = [](const std::string& name, const std::string& modifiers) {
    return R"({"name": ")" + name + R"(", "data": [4], "modifiers": [)" + modifiers + "]}";
  };
  const std::string text = workspace_text(
      R"({"name": "b", "samples": [)" + sample("s", norm("a") + ", " + stat("y")) + "]}, " +
          R"({"name": "a", "samples": [)" + sample("t", norm("c") + ", " + norm("b")) + ", " +
          sample("S", norm("d") + ", " + stat("z")) + "]}",
      R"({"name": "a", "data": [1]}, {"name": "b", "data": [2.5]})");
  const PyhfWorkspace workspace = PyhfWorkspace::parse(text);
  const ModelSpec spec = workspace.model_spec();
  CHECK(names(spec) == std::vector<std::string>{"d", "b", "c", "a", "y[0]", "z[0]"});
  REQUIRE(spec.channels.size() == 2);
  CHECK(spec.channels[0].name == "a");
  CHECK(spec.channels[0].samples[0].name == "S");
  CHECK(spec.channels[0].samples[1].name == "t");
  CHECK(spec.channels[1].name == "b");
  const Observations& observed = workspace.observations();
  CHECK(observed.name == "observed");
  CHECK(observed.channels.at(1).channel == "b");
  CHECK(observed.channels.at(1).counts == std::vector<double>{2.5});
}

TEST_CASE("pyhf: staterror sums over the samples that carry it") {
  const std::string text = workspace_text(
      R"({"name": "c", "samples": [
        {"name": "s", "data": [10, 0, -3], "modifiers": [
          {"name": "g", "type": "staterror", "data": [3, 1, 1]}]},
        {"name": "t", "data": [30, 0, 1], "modifiers": [
          {"name": "g", "type": "staterror", "data": [4, 1, 1]}]},
        {"name": "u", "data": [1000, 1000, 1000], "modifiers": []}]})",
      R"({"name": "c", "data": [1, 1, 1]})");
  const ModelSpec spec = read_spec(text);
  REQUIRE(spec.parameters.size() == 3);
  check_gaussian(spec.parameters[0], 1, 0.125);
  CHECK_FALSE(spec.parameters[0].fixed);
  for (const std::size_t bin : {1U, 2U}) {
    check_gaussian(spec.parameters[bin], 1, 1);
    CHECK(spec.parameters[bin].fixed);
  }
}

TEST_CASE("pyhf: a staterror of two channels has the bins of both, a shapefactor shares them") {
  const std::string modifiers = R"([{"name": "g", "type": "staterror", "data": [1, 2]},
                                    {"name": "f", "type": "shapefactor"}])";
  const std::string modifier_of_one_bin = R"([{"name": "g", "type": "staterror", "data": [4]},
                                              {"name": "f", "type": "shapefactor"}])";
  const std::string text = workspace_text(
      R"({"name": "b", "samples": [{"name": "s", "data": [8], "modifiers": )" +
          modifier_of_one_bin + "}]}, " +
          R"({"name": "a", "samples": [{"name": "s", "data": [8, 8], "modifiers": )" + modifiers +
          "}]}",
      R"({"name": "a", "data": [8, 8]}, {"name": "b", "data": [8]})");
  const ModelSpec spec = read_spec(text);
  CHECK(names(spec) == std::vector<std::string>{"f[0]", "f[1]", "g[0]", "g[1]", "g[2]"});
  check_gaussian(spec.parameters[2], 1, 0.125);
  check_gaussian(spec.parameters[4], 1, 0.5);
  const Sample& second = spec.channels.at(1).samples.at(0);
  CHECK(std::get<StatError>(second.modifiers[0]).parameters == std::vector<std::string>{"g[2]"});
  CHECK(std::get<ShapeFactor>(second.modifiers[1]).parameters == std::vector<std::string>{"f[0]"});
}

TEST_CASE("pyhf: settings of a measurement replace the defaults") {
  const std::string settings = lumi_settings + R"(,
    {"name": "mu", "inits": [2], "bounds": [[-1, 3]], "fixed": true},
    {"name": "both", "auxdata": [0.5]},
    {"name": "unc", "factors": [5, 6], "fixed": false},
    {"name": "z", "auxdata": [1.1, 1.2], "sigmas": [0.3, 0.4]},
    {"name": "free", "bounds": [[0, 1], [0, 2]]},
    {"name": "elsewhere", "inits": [1, 2, 3]})";
  const ModelSpec spec = read_spec(one_sample("[10, 20]", every_type, settings));
  CHECK(spec.parameters.size() == 12);
  check_values(find(spec, "mu"), 2, -1, 3, true);
  check_gaussian(find(spec, "both"), 0.5, 1);
  check_poisson(find(spec, "unc[0]"), 16, 5);
  check_poisson(find(spec, "unc[1]"), 1, 6);
  CHECK_FALSE(find(spec, "unc[1]").fixed);
  check_gaussian(find(spec, "z[1]"), 1.2, 0.4);
  check_values(find(spec, "free[1]"), 1, 0, 2, false);
}

TEST_CASE("pyhf: measurements are listed and chosen by name") {
  std::string text = one_sample("[10]", mu);
  const std::string second =
      R"(, {"name": "n", "config": {"poi": "", "parameters": [{"name": "mu", "inits": [3]}]}}]})";
  text = text.substr(0, text.size() - 2) + second;
  const PyhfWorkspace workspace = PyhfWorkspace::parse(text, "file.json");
  CHECK(workspace.measurement_names() == std::vector<std::string>{"m", "n"});
  CHECK(workspace.parameter_of_interest("m") == "mu");
  CHECK(workspace.parameter_of_interest("n").empty());
  CHECK(workspace.model_spec().name == "m");
  CHECK(workspace.model_spec("m").parameters[0].initial == 1);
  const ModelSpec spec = workspace.model_spec("n");
  CHECK(spec.name == "n");
  CHECK(spec.parameters[0].initial == 3);
  CHECK(spec.parameters_of_interest.empty());
  CHECK_THROWS_WITH_AS(workspace.model_spec("nn"),
                       "measurement: found no measurement 'nn' in file.json, expected one of 'm', "
                       "'n'; did you mean 'n'?",
                       ArgumentError);
}

TEST_CASE("pyhf: the parameter of interest") {
  const std::string gamma = R"({"name": "g", "type": "staterror", "data": [1]})";
  SUBCASE("of the workspace may be missing from the channels") {
    const ModelSpec spec = read_spec(one_sample("[10]", gamma));
    CHECK(spec.parameters_of_interest == std::vector<std::string>{"mu"});
  }
  SUBCASE("of the workspace may be the only bin of a modifier") {
    const ModelSpec spec = read_spec(one_sample("[10]", gamma, "", "g"));
    CHECK(spec.parameters_of_interest == std::vector<std::string>{"g[0]"});
  }
  SUBCASE("of the caller replaces it and must exist") {
    const PyhfWorkspace workspace = PyhfWorkspace::parse(one_sample("[10]", mu + ", " + gamma));
    CHECK(workspace.model_spec("", "g[0]").parameters_of_interest ==
          std::vector<std::string>{"g[0]"});
    CHECK(workspace.model_spec("", "").parameters_of_interest.empty());
    CHECK_THROWS_WITH_AS(workspace.model_spec("", "nu"),
                         "poi: found 'nu' as parameter of interest, expected one of 'mu', 'g[0]'; "
                         "did you mean 'mu'?",
                         ArgumentError);
  }
}

TEST_CASE("pyhf: options choose interpolation and clipping") {
  const std::string text =
      one_sample("[10]", R"({"name": "a", "type": "normsys", "data": {"lo": 0, "hi": 0}},
                 {"name": "a", "type": "histosys", "data": {"lo_data": [1], "hi_data": [2]}})");
  const PyhfWorkspace workspace = PyhfWorkspace::parse(text);
  CHECK_FALSE(workspace.model_spec().channels[0].yield_floor.has_value());
  CHECK_FALSE(workspace.model_spec().channels[0].samples[0].yield_floor.has_value());
  PyhfOptions options;
  options.normsys = Interpolation::piecewise_exponential;
  options.histosys = Interpolation::quadratic_linear;
  options.clip_sample_data = true;
  options.clip_bin_data = 1e-6;
  const ModelSpec spec = workspace.model_spec("", std::nullopt, options);
  const Sample& sample = spec.channels[0].samples[0];
  CHECK(spec.channels[0].yield_floor == 1e-6);
  CHECK(sample.yield_floor == 0.0);
  CHECK(std::get<NormSys>(sample.modifiers[0]).interpolation ==
        Interpolation::piecewise_exponential);
  CHECK(std::get<HistoSys>(sample.modifiers[1]).interpolation == Interpolation::quadratic_linear);
  options.normsys = Interpolation::quadratic_linear;
  CHECK_THROWS_AS(workspace.model_spec("", std::nullopt, options), ArgumentError);
  options = {};
  options.histosys = Interpolation::piecewise_exponential;
  CHECK_THROWS_AS(workspace.model_spec("", std::nullopt, options), ArgumentError);
}

TEST_CASE("pyhf: accepts what pyhf accepts") {
  const std::string text =
      one_sample("[0, 0.0, 12E-1]", R"({"type": "normfactor", "name": "\u03bc\ud83d\ude00\"\/"})",
                 R"({"name": "mu", "fixed": true})", "");
  const ModelSpec spec = read_spec("\xEF\xBB\xBF \r\n\t" + text + "\n");
  CHECK(names(spec) == std::vector<std::string>{"\u03bc\U0001F600\"/"});
  CHECK(spec.channels[0].samples[0].nominal == std::vector<double>{0, 0, 1.2});
  const ModelSpec negative = read_spec(workspace_text(
      R"({"name": "c", "samples": [{"name": "s", "data": [-1.5, 1e-400], "modifiers": [)" + mu +
          "]}]}",
      R"({"name": "c", "data": [0, 2.5]})"));
  CHECK(negative.channels[0].samples[0].nominal == std::vector<double>{-1.5, 0.0});
}
