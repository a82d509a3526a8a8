#include "nablafit/model.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "compile/compiled_model.hpp"
#include "compile/input_layout.hpp"
#include "evaluate/compiled_likelihood.hpp"
#include "evaluate/sweep_state.hpp"
#include "kernels/constants.hpp"
#include "nablafit/error.hpp"
#include "spec/expected_observable.hpp"
#include "util/finite.hpp"
#include "util/nearest_name.hpp"

namespace nablafit {
namespace {

using detail::CompiledModel;

/// Index of each channel of the model in `observations`; throws unless they match one to one.
std::vector<std::size_t> match_channels(const ModelSpec& spec, const Observations& observations) {
  std::vector<std::size_t> position(spec.channels.size(), observations.channels.size());
  std::unordered_map<std::string_view, std::size_t> index_of;
  for (const Channel& channel : spec.channels) index_of.emplace(channel.name, index_of.size());
  for (std::size_t i = 0; i < observations.channels.size(); ++i) {
    const std::string& name = observations.channels[i].channel;
    const auto channel = index_of.find(name);
    if (channel == index_of.end()) {
      std::vector<std::string> known;
      for (const Channel& c : spec.channels) known.push_back(c.name);
      throw ArgumentError("data for channel '" + name + "', which the model does not have" +
                          detail::did_you_mean(name, known));
    }
    std::size_t& slot = position[channel->second];
    if (slot != observations.channels.size()) {
      throw ArgumentError("data for channel '" + name + "' is given twice");
    }
    slot = i;
  }
  for (std::size_t c = 0; c < position.size(); ++c) {
    if (position[c] == observations.channels.size()) {
      throw ArgumentError("no data for channel '" + spec.channels[c].name + "'");
    }
  }
  return position;
}

void append_counts(const Channel& channel, const std::vector<double>& counts, Data& data) {
  if (counts.size() != channel.n_bins()) {
    throw ArgumentError("data for channel '" + channel.name + "' has " +
                        std::to_string(counts.size()) + " bins, the model " +
                        std::to_string(channel.n_bins()));
  }
  for (std::size_t b = 0; b < counts.size(); ++b) {
    if (counts[b] >= 0.0 && std::isfinite(counts[b])) continue;
    throw ArgumentError("the observed count is " + std::to_string(counts[b]) +
                            ", expected a finite number that is not negative",
                        channel.name + "[" + std::to_string(b) + "]");
  }
  data.counts.insert(data.counts.end(), counts.begin(), counts.end());
}

}  // namespace

Model::Model(ModelSpec spec) {
  auto compiled = std::make_shared<CompiledModel>();
  detail::compile(std::move(spec), *compiled);
  compiled_ = std::move(compiled);
}

const ModelSpec& Model::spec() const { return compiled_->spec(); }
std::size_t Model::n_parameters() const noexcept { return compiled_->names.size(); }
std::size_t Model::n_bins() const noexcept { return compiled_->n_bins; }
std::size_t Model::n_rows() const noexcept { return compiled_->n_rows; }
const std::vector<std::string>& Model::parameter_names() const noexcept { return compiled_->names; }
const std::vector<double>& Model::initial() const noexcept { return compiled_->initial; }
const std::vector<double>& Model::lower() const noexcept { return compiled_->lower; }
const std::vector<double>& Model::upper() const noexcept { return compiled_->upper; }
const std::vector<char>& Model::fixed() const noexcept { return compiled_->fixed; }
const std::vector<std::string>& Model::warnings() const noexcept { return compiled_->warnings; }

const std::vector<std::size_t>& Model::constrained_parameters() const noexcept {
  return compiled_->constrained;
}

const std::vector<std::size_t>& Model::channel_offsets() const noexcept {
  return compiled_->channel_offsets;
}

std::size_t Model::parameter_index(const std::string& name) const {
  const auto found = compiled_->index_of.find(name);
  if (found != compiled_->index_of.end()) return found->second;
  throw ArgumentError("the model has no parameter '" + name + "'" +
                      detail::did_you_mean(name, compiled_->names));
}

Data Model::data(const Observations& observations) const {
  Data data;
  const std::vector<std::size_t> position = match_channels(spec(), observations);
  data.counts.reserve(n_bins());
  for (std::size_t c = 0; c < position.size(); ++c) {
    append_counts(spec().channels[c], observations.channels[position[c]].counts, data);
  }
  data.global_observables = detail::stored_observables(*this);
  std::vector<std::size_t> place(n_parameters(), n_parameters());
  std::size_t n_placed = 0;
  for (const std::size_t p : constrained_parameters()) place[p] = n_placed++;
  for (const Observations::GlobalObservable& observable : observations.global_observables) {
    const std::size_t p = parameter_index(observable.parameter);
    if (place[p] == n_parameters()) {
      throw ArgumentError(
          "a global observable is given for a parameter that has no constraint term",
          observable.parameter);
    }
    data.global_observables[place[p]] = observable.value;
  }
  return data;
}

void Model::expected(const double* x, double* yields) const {
  detail::SweepState state(*compiled_);
  state.set_parameters(x, false);
  state.forward_rows();
  const double* lambda = state.scratch().lambda;
  for (std::size_t b = 0; b < n_bins(); ++b) {
    const bool floored =
        !compiled_->bin_floor.empty() && detail::is_floored(lambda[b], compiled_->bin_floor[b]);
    yields[b] = floored ? compiled_->bin_floor[b] : lambda[b];
  }
}

void Model::expected_by_sample(const double* x, double* yields) const {
  detail::SweepState state(*compiled_);
  state.set_parameters(x, false);
  state.forward_rows();
  const CompiledModel& model = *compiled_;
  for (std::size_t r = 0; r < model.row_position.size(); ++r) {
    if (model.row_position[r] == model.n_rows) continue;
    const double histogram = std::max(state.scratch().row_yield[r], model.row_floor[r]);
    yields[model.row_position[r]] = histogram * state.scratch().row_factor[r];
  }
}

void Model::expected_global_observables(const double* x, double* values) const {
  for (std::size_t i = 0; i < constrained_parameters().size(); ++i) {
    const std::size_t p = constrained_parameters()[i];
    const Constraint& constraint = compiled_->constraints[p];
    values[i] = detail::expected_observable(constraint, x[p], detail::width_of(constraint));
  }
}

Data Model::asimov(Span<const double> x) const {
  Data data{std::vector<double>(n_bins()), std::vector<double>(constrained_parameters().size())};
  expected(x, data.counts);
  expected_global_observables(x, data.global_observables);
  for (double& count : data.counts) {
    if (count > 0.0 && !kernels::is_possible(count, count)) count = 0.0;
  }
  return data;
}

}  // namespace nablafit
