#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <string>

#include "random_spec.hpp"

using namespace nablafit;
using namespace nablafit::testing;

namespace {

void note_modifier(const Modifier& modifier, std::set<std::string>& seen) {
  std::string text(type_name(modifier));
  if (const auto* m = std::get_if<NormSys>(&modifier)) {
    text += std::to_string(static_cast<int>(m->interpolation));
  }
  if (const auto* m = std::get_if<HistoSys>(&modifier)) {
    text += std::to_string(static_cast<int>(m->interpolation));
  }
  seen.insert(text);
}

void note_parameter(const Parameter& parameter, std::set<std::string>& seen) {
  seen.insert("constraint" + std::to_string(parameter.constraint.index()));
  seen.insert("pull" + std::to_string(parameter.transformation.index()));
  if (const auto* c = std::get_if<GaussianConstraint>(&parameter.constraint)) {
    if (c->observable_range) seen.insert("observable range");
  }
  if (parameter.fixed) seen.insert("fixed");
}

void note_sample(const Sample& sample, std::set<std::string>& seen) {
  std::set<std::string> parameters;
  int n_gammas = 0;
  for (const Modifier& modifier : sample.modifiers) {
    note_modifier(modifier, seen);
    const auto* norm_sys = std::get_if<NormSys>(&modifier);
    const auto* histo_sys = std::get_if<HistoSys>(&modifier);
    if (std::holds_alternative<StatError>(modifier)) ++n_gammas;
    if (std::holds_alternative<ShapeSys>(modifier)) ++n_gammas;
    if (norm_sys == nullptr && histo_sys == nullptr) continue;
    const std::string& name = norm_sys != nullptr ? norm_sys->parameter : histo_sys->parameter;
    if (!parameters.insert(name).second) seen.insert("parameter twice");
  }
  if (n_gammas == 2) seen.insert("two gammas");
  if (sample.yield_floor) seen.insert("yield floor");
  if (sample.factor_floor) seen.insert("factor floor");
  for (const double nominal : sample.nominal) {
    if (nominal == 0.0) seen.insert("empty bin");
  }
}

}  // namespace

TEST_CASE("random models cover what a specification can say") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const ModelSpec spec = random_spec(seed);
    CHECK_NOTHROW(validate(spec));
    CHECK(spec == random_spec(seed));
    for (const Parameter& parameter : spec.parameters) note_parameter(parameter, seen);
    for (const Channel& channel : spec.channels) {
      if (channel.yield_floor) seen.insert("channel floor");
      for (const Sample& sample : channel.samples) note_sample(sample, seen);
    }
  }
  const std::set<std::string> wanted{
      "normfactor",    "lumi",        "staterror",   "shapesys",        "shapefactor",
      "formula",       "normsys0",    "normsys1",    "normsys2",        "normsys4",
      "normsys5",      "normsys6",    "histosys0",   "histosys1",       "histosys2",
      "histosys4",     "histosys5",   "histosys6",   "constraint0",     "constraint1",
      "constraint2",   "constraint3", "constraint4", "constraint5",     "pull0",
      "pull1",         "pull2",       "fixed",       "yield floor",     "factor floor",
      "channel floor", "empty bin",   "two gammas",  "parameter twice", "observable range"};
  CHECK(seen == wanted);
}
