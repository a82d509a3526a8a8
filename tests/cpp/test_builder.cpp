#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "nablafit/builder.hpp"
#include "nablafit/error.hpp"
#include "nablafit/io/pyhf.hpp"
#include "nablafit/model.hpp"

using nablafit::ModelBuilder;
using nablafit::ModelSpec;
using nablafit::Parameter;

namespace {

/// What `build_everything` builds, as pyhf says it; names in alphabetical order, as pyhf sorts.
constexpr const char* everything = R"({
  "version": "1.0.0",
  "channels": [
    {"name": "control", "samples": [
      {"name": "background", "data": [120.0, 0.0], "modifiers": [
        {"name": "free", "type": "shapefactor", "data": null},
        {"name": "shape", "type": "shapesys", "data": [6.0, 1.0]}]}]},
    {"name": "signal", "samples": [
      {"name": "background", "data": [40.0, 25.0], "modifiers": [
        {"name": "scale", "type": "histosys",
         "data": {"lo_data": [38.0, 26.0], "hi_data": [41.0, 23.0]}},
        {"name": "scale", "type": "normsys", "data": {"lo": 0.9, "hi": 1.15}},
        {"name": "staterror_signal", "type": "staterror", "data": [2.0, 0.0]}]},
      {"name": "signal", "data": [3.0, 8.0], "modifiers": [
        {"name": "lumi", "type": "lumi", "data": null},
        {"name": "mu", "type": "normfactor", "data": null},
        {"name": "staterror_signal", "type": "staterror", "data": [0.5, 0.0]}]}]}],
  "observations": [
    {"name": "control", "data": [117.0, 0.0]}, {"name": "signal", "data": [46.0, 35.0]}],
  "measurements": [{"name": "search", "config": {"poi": "mu", "parameters": [
    {"name": "lumi", "auxdata": [2.0], "sigmas": [0.04], "bounds": [[0.0, 20.0]],
     "inits": [2.0]}]}}]
})";

void build_everything(ModelBuilder& builder) {
  builder.luminosity(2.0, 0.04);
  auto control = builder.channel("control");
  control.sample("background", {120.0, 0.0}).shape_factor("free").shape_sys("shape", {6.0, 1.0});
  control.observed({1.0, 1.0}).observed({117.0, 0.0});
  auto signal = builder.channel("signal");
  signal.sample("background", {40.0, 25.0})
      .histo_sys("scale", {38.0, 26.0}, {41.0, 23.0})
      .norm_sys("scale", 0.9, 1.15)
      .stat_error({2.0, 0.0});
  signal.sample("signal", {3.0, 8.0}).lumi().norm_factor("mu").stat_error({0.5, 0.0});
  signal.observed({46.0, 35.0});
  builder.parameter_of_interest("mu");
}

std::vector<Parameter> sorted(std::vector<Parameter> parameters) {
  std::sort(parameters.begin(), parameters.end(),
            [](const Parameter& a, const Parameter& b) { return a.name < b.name; });
  return parameters;
}

}  // namespace

TEST_CASE("a model built in code is the one that pyhf JSON gives") {
  ModelBuilder builder("search");
  build_everything(builder);
  const ModelSpec built = builder.build();
  const auto workspace = nablafit::io::PyhfWorkspace::parse(everything);
  const ModelSpec read = workspace.model_spec();
  CHECK(built.name == read.name);
  CHECK(built.channels == read.channels);
  CHECK(built.parameters_of_interest == read.parameters_of_interest);
  CHECK(sorted(built.parameters) == sorted(read.parameters));
  CHECK(builder.observations() == workspace.observations());
  CHECK(built.parameters.front().name == "lumi");
}

TEST_CASE("parameters of a builder can be changed") {
  ModelBuilder builder;
  build_everything(builder);
  builder.parameter("mu").upper = 50.0;
  builder.parameter("staterror_signal[0]").fixed = true;
  const nablafit::Model model(builder.build());
  CHECK(model.upper()[model.parameter_index("mu")] == 50.0);
  CHECK(model.fixed()[model.parameter_index("staterror_signal[0]")] == 1);
  CHECK(model.fixed()[model.parameter_index("staterror_signal[1]")] == 1);
  CHECK(model.fixed()[model.parameter_index("shape[0]")] == 0);
  CHECK_THROWS_WITH_AS(builder.parameter("mv"),
                       "the builder has no parameter 'mv'; did you mean 'mu'?",
                       nablafit::ArgumentError);
}

TEST_CASE("formulas use parameters of their own") {
  ModelBuilder builder;
  Parameter coupling;
  coupling.name = "coupling";
  coupling.initial = 2.0;
  coupling.upper = 5.0;
  builder.add_parameter(coupling);
  builder.channel("c")
      .axis("mass", {0.0, 10.0})
      .sample("s", {3.0})
      .formula("squared", "coupling^2", {"coupling"});
  const nablafit::Model model(builder.build());
  std::vector<double> yields(1);
  model.expected(model.initial(), yields);
  CHECK(yields[0] == doctest::Approx(12.0));
  CHECK_THROWS_AS(builder.add_parameter(coupling), nablafit::SpecError);
}

TEST_CASE("a builder refuses what contradicts itself") {
  ModelBuilder builder;
  auto channel = builder.channel("c");
  auto sample = channel.sample("s", {1.0, 2.0});
  sample.norm_factor("mu").stat_error({0.1, 0.1}, "stat").shape_sys("shape", {0.1, 0.1});
  using nablafit::SpecError;
  CHECK_THROWS_WITH_AS(sample.norm_sys("mu", 0.9, 1.1),
                       "mu: found a norm_sys or histo_sys with the name of a norm_factor, expected "
                       "different names; rename one of them",
                       SpecError);
  CHECK_THROWS_WITH_AS(sample.histo_sys("h", {1.0}, {1.0, 2.0}),
                       "h, low: found 1 values, expected 2, one per bin of sample 's'", SpecError);
  CHECK_THROWS_AS(sample.stat_error({0.1}), SpecError);
  CHECK_THROWS_AS(sample.shape_sys("shape", {0.1, 0.1}), SpecError);
  CHECK_THROWS_AS(sample.lumi(), SpecError);
  CHECK_THROWS_AS(sample.norm_factor(""), SpecError);
  CHECK_THROWS_AS(channel.sample("t", {1.0}), SpecError);
  CHECK_THROWS_AS(builder.channel("c"), SpecError);
  auto other = builder.channel("d");
  CHECK_THROWS_AS(other.sample("s", {1.0, 1.0}).stat_error({0.1, 0.1}, "stat"), SpecError);
}
