#include "io/hs3/channels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "io/hs3/sizes.hpp"

namespace nablafit::io {
namespace {

constexpr std::array<JsonField, 7> channel_fields = {{{"name"},
                                                      {"type"},
                                                      {"axes", false},
                                                      {"samples"},
                                                      {"staterror", false},
                                                      {"default_interpolation", false},
                                                      {"barlow_beeston_method", false}}};
constexpr std::array<JsonField, 3> sample_fields = {
    {{"name", false}, {"data"}, {"modifiers", false}}};

bool has_key(JsonValue value) { return value.exists() && !value.is(JsonKind::null); }

/// The contents of the first sample determine the number of bins of a channel.
std::size_t count_bins(JsonValue samples) {
  const JsonValue first = *samples.elements().begin();
  expect_kind(first, JsonKind::object, "an object, a sample");
  const JsonValue contents = find_member(first.find("data"), "contents");
  if (!contents.exists()) {
    fail(first, "found a sample without 'data' with 'contents', expected the yields per bin");
  }
  expect_numbers(contents, "an array of yields per bin");
  return contents.size();
}

}  // namespace

std::size_t Hs3ChannelReader::bin_of(std::size_t i) const {
  const bool first_axis_is_fastest =
      index_.dialect == Hs3Dialect::root || index_.dialect == Hs3Dialect::nablafit;
  if (shape_.size() < 2 || !first_axis_is_fastest) return i;
  std::size_t bin = 0;
  std::size_t stride = n_bins_;
  for (const std::size_t n : shape_) {
    stride /= n;
    bin += (i % n) * stride;
    i /= n;
  }
  return bin;
}

template <typename T>
std::vector<T> Hs3ChannelReader::in_bin_order(const std::vector<T>& list) const {
  std::vector<T> result(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) result[bin_of(i)] = list[i];
  return result;
}

// --- gammas --------------------------------------------------------------------------------------

/// Names in the order of the document, or if it has none `fallback` + "0", "1", ...
std::vector<std::string> Hs3ChannelReader::gammas_of(const ModifierKeys& keys,
                                                     const std::string& fallback) {
  std::vector<std::string> names;
  if (has_key(keys.parameters) &&
      !(keys.parameters.is(JsonKind::array) && keys.parameters.size() == 0)) {
    expect_items(keys.parameters, "an array of names of parameters, one per bin");
    expect_hs3_size(keys.parameters, n_bins_, "'parameters'", channel_name_);
    for (const JsonValue name : keys.parameters.elements()) {
      names.emplace_back(expect_string(name, "a string, the name of a parameter"));
      parameters_.use(names.back(), Hs3Role::gamma, name);
    }
    return names;
  }
  std::string prefix = fallback;
  if (has_key(keys.parameter)) {
    prefix = std::string(expect_string(keys.parameter, "a string, the name of a parameter"));
    if (n_bins_ > 1) prefix += "_bin_";
  }
  for (std::size_t i = 0; i < n_bins_; ++i) {
    const bool is_whole_name = has_key(keys.parameter) && n_bins_ == 1;
    names.push_back(is_whole_name ? prefix : prefix + std::to_string(i));
    parameters_.use(names.back(), Hs3Role::gamma, keys.value);
  }
  notes_.add(
      "Modifiers without 'parameters' were given parameters named as ROOT names them (first: " +
      quoted(names.front()) + ").");
  return names;
}

Hs3ConstraintType Hs3ChannelReader::gamma_type(const ModifierKeys& keys,
                                               Hs3ConstraintType fallback) const {
  const auto type = stated_constraint_type(keys.constraint);
  return type.value_or(fallback);
}

/// The constraints by distribution, one per bin; false if the modifier has none.
bool Hs3ChannelReader::constrain_each(const ModifierKeys& keys,
                                      const std::vector<std::string>& parameters) {
  const JsonValue each = keys.constraint.each;
  if (!has_key(each)) return false;
  expect_kind(each, JsonKind::array, "an array of names of distributions, one per bin");
  expect_hs3_size(each, n_bins_, "'constraints'", channel_name_);
  std::size_t i = 0;
  for (const JsonValue name : each.elements()) {
    if (!name.is(JsonKind::null)) constraints_.constrain_gamma(parameters[i], name);
    ++i;
  }
  return true;
}

void Hs3ChannelReader::add_shapesys(const ModifierKeys& keys, Sample& sample) {
  Hs3ShapeSys source;
  source.name = name_of(keys);
  source.parameters = gammas_of(keys, "gamma_" + source.name + "_bin_");
  source.where = keys.value;
  const JsonValue vals = find_member(keys.data, "vals");
  const bool is_constrained_each = constrain_each(keys, source.parameters);
  if (vals.exists()) {
    expect_numbers(vals, "an array of uncertainties per bin");
    expect_hs3_size(vals, n_bins_, "'vals'", channel_name_);
    expect_hs3_not_negative(vals, "uncertainties");
    source.vals = numbers(vals);
  } else {
    source.vals.assign(n_bins_, 0.0);
  }
  source.type = gamma_type(keys, Hs3ConstraintType::poisson);
  const bool is_free =
      std::all_of(source.vals.begin(), source.vals.end(), [](double v) { return v == 0.0; });
  if (source.type == Hs3ConstraintType::constant) {
    for (const std::string& name : source.parameters) parameters_.fix(name);
  }
  if (!is_constrained_each &&
      (is_free || keys.type == "shapefactor" || source.type == Hs3ConstraintType::none ||
       source.type == Hs3ConstraintType::constant)) {
    if (vals.exists() && is_free) {
      notes_.add(
          "A shapesys whose vals are all 0 was read with free parameters: this is how ROOT writes "
          "a shapefactor (first: " +
          quoted(source.name) + ").");
    }
    sample.modifiers.emplace_back(ShapeFactor{source.name, in_bin_order(source.parameters)});
    return;
  }
  for (std::size_t i = 0; i < n_bins_; ++i) source.nominal.push_back(sample.nominal[bin_of(i)]);
  ShapeSys result{source.name, in_bin_order(source.parameters), {}};
  if (!is_constrained_each) {
    result.uncertainties = in_bin_order(gammas_.constrain(source));
    for (std::size_t b = 0; b < n_bins_; ++b) {
      result.uncertainties[b] *= std::max(sample.nominal[b], 0.0);
    }
  }
  sample.modifiers.emplace_back(std::move(result));
}

void Hs3ChannelReader::sum_staterrors(const ModifierKeys& keys,
                                      const std::vector<std::string>& parameters,
                                      const Sample& sample, const std::vector<double>& errors) {
  const JsonValue settings = channel_.find("staterror");
  JsonValue usual = find_member(settings, "constraint_type");
  if (!usual.exists()) usual = find_member(settings, "constraint");
  Hs3ConstraintType fallback =
      index_.dialect == Hs3Dialect::pyhs3 ? Hs3ConstraintType::gauss : Hs3ConstraintType::poisson;
  if (usual.exists()) fallback = read_constraint_type(usual);
  const auto [position, is_new] = group_of_.emplace(parameters, staterrors_.size());
  const Hs3ConstraintType type = gamma_type(keys, fallback);
  if (is_new) {
    const std::vector<double> zeros(n_bins_, 0.0);
    staterrors_.push_back({parameters, zeros, zeros, type, keys.value});
  }
  Hs3StatErrors* group = &staterrors_[position->second];
  if (!is_new) {
    const JsonValue method = channel_.find("barlow_beeston_method");
    if (method.exists() && method.is(JsonKind::string) && method.string() == "full") {
      fail(keys.value, "found a second sample with the parameters of " + group->where.pointer() +
                           " in a channel with 'barlow_beeston_method' 'full', expected "
                           "separate parameters for every sample");
    }
    if (group->type != type) {
      fail(keys.value, "found a staterror whose constraint type differs from that of " +
                           group->where.pointer() +
                           ", which has the same parameters, expected the same");
    }
  }
  for (std::size_t i = 0; i < n_bins_; ++i) {
    group->sum[i] += sample.nominal[i];
    group->sum_squares[i] += errors[i] * errors[i];
  }
}

void Hs3ChannelReader::add_staterror(const ModifierKeys& keys, Sample& sample, JsonValue data) {
  JsonValue errors = find_member(keys.data, "uncertainties");
  if (!errors.exists()) errors = data.find("errors");
  StatError result;
  result.name = has_key(keys.name) ? name_of(keys) : "staterror";
  const std::string fallback =
      index_.dialect == Hs3Dialect::pyhs3
          ? "staterror_" + std::string(channel_.find("name").string()) + "_bin"
          : "gamma_stat_" + channel_name_ + "_bin_";
  const std::vector<std::string> parameters = gammas_of(keys, fallback);
  result.parameters = in_bin_order(parameters);
  if (!constrain_each(keys, parameters)) {
    if (!errors.exists()) {
      fail(keys.value, "found a staterror of the sample " + quoted(sample.name) +
                           ", whose 'data' have no 'errors', expected the uncertainty of each bin");
    }
    expect_numbers(errors, "an array of uncertainties per bin");
    expect_hs3_size(errors, n_bins_, "the uncertainties", channel_name_);
    expect_hs3_not_negative(errors, "uncertainties");
    const std::vector<double> values = numbers(errors);
    sum_staterrors(keys, parameters, sample, values);
    result.uncertainties.assign(n_bins_, 0.0);
    for (std::size_t i = 0; i < n_bins_; ++i) {
      const std::size_t bin = bin_of(i);
      if (bin == i) result.uncertainties[i] = values[i];
      if (bin != i && sample.nominal[i] > 0.0) {
        result.uncertainties[bin] =
            values[i] / sample.nominal[i] * std::max(sample.nominal[bin], 0.0);
      }
    }
  }
  sample.modifiers.emplace_back(std::move(result));
}

/// Makes the uncertainties imply the constraints to all digits.
void Hs3ChannelReader::scale_uncertainties(Channel& channel, const RatiosOfBins& ratios) const {
  for (Sample& sample : channel.samples) {
    for (Modifier& modifier : sample.modifiers) {
      auto* staterror = std::get_if<StatError>(&modifier);
      if (staterror == nullptr) continue;
      const auto by_bin = ratios.find(staterror->parameters);
      if (by_bin == ratios.end()) continue;
      for (std::size_t b = 0; b < staterror->uncertainties.size(); ++b) {
        staterror->uncertainties[b] *= by_bin->second[b];
      }
    }
  }
}

void Hs3ChannelReader::constrain_staterrors(Channel& channel) {
  const JsonValue threshold = find_member(channel_.find("staterror"), "relThreshold");
  const double limit =
      threshold.exists() ? expect_number(threshold, "a number, a relative uncertainty") : 0.0;
  RatiosOfBins ratios;
  for (const Hs3StatErrors& group : staterrors_) {
    if (group.type == Hs3ConstraintType::gauss || group.type == Hs3ConstraintType::poisson) {
      ratios.emplace(in_bin_order(group.parameters), in_bin_order(gammas_.constrain(group)));
    }
    for (std::size_t i = 0; i < n_bins_; ++i) {
      const bool is_below = group.sum[i] > 0.0 &&
                            std::sqrt(group.sum_squares[i]) < limit * group.sum[i] &&
                            !parameters_.value(group.parameters[i]);
      if (is_below || group.type == Hs3ConstraintType::constant) {
        parameters_.fix(group.parameters[i]);
      }
    }
  }
  scale_uncertainties(channel, ratios);
  if (!staterrors_.empty() && index_.dialect == Hs3Dialect::root) {
    notes_.add(
        "Sizes of staterror constraints come from 'errors', which ROOT rounds to 7 digits; "
        "where a parameter point keeps the unrounded auxiliary count, that was used.");
  }
}

// --- samples -------------------------------------------------------------------------------------

void Hs3ChannelReader::read_sample_data(JsonValue data, Sample& sample) {
  expect_kind(data, JsonKind::object, "an object with 'contents', the data of a sample");
  const JsonValue contents = data.find("contents");
  if (!contents.exists()) fail(data, "found no 'contents', expected the yields per bin; add them");
  expect_numbers(contents, "an array of yields per bin");
  expect_hs3_size(contents, n_bins_, "'contents'", channel_name_);
  sample.nominal = numbers(contents);
  const JsonValue errors = data.find("errors");
  if (!has_key(errors)) return;
  expect_numbers(errors, "an array of uncertainties per bin");
  expect_hs3_size(errors, n_bins_, "'errors'", channel_name_);
  expect_hs3_not_negative(errors, "uncertainties");
}

/// As in HistFactory's classes: ROOT's reader makes PiecewiseInterpolation positive definite, and
/// FlexibleInterpVar never goes below the smallest double.
void Hs3ChannelReader::set_floors(Sample& sample) const {
  if (!index_.has_root_floors) return;
  for (const Modifier& modifier : sample.modifiers) {
    if (std::holds_alternative<HistoSys>(modifier)) sample.yield_floor = 0.0;
    if (std::holds_alternative<NormSys>(modifier)) {
      sample.factor_floor = std::numeric_limits<double>::min();
    }
  }
}

void Hs3ChannelReader::read_sample(JsonValue value, Sample& sample) {
  const auto [name, data, modifiers] = read_fields(value, "a sample", sample_fields);
  if (name.exists()) {
    sample.name = std::string(expect_string(name, "a string, the name of a sample"));
  }
  read_sample_data(data, sample);
  if (!has_key(modifiers)) return;
  expect_kind(modifiers, JsonKind::array, "an array of modifiers");
  for (const JsonValue modifier : modifiers.elements()) read_modifier(modifier, sample, data);
  const JsonValue errors = data.find("errors");
  const bool has_staterror =
      std::any_of(sample.modifiers.begin(), sample.modifiers.end(),
                  [](const Modifier& m) { return std::holds_alternative<StatError>(m); });
  if (has_key(errors) && !has_staterror) sample.uncertainties = numbers(errors);
  set_floors(sample);
}

/// From old workspaces, ROOT exports samples with names of nodes:
/// ttbar_SR_overallSyst_x_StatUncert.
void Hs3ChannelReader::shorten_sample_names(Channel& channel) const {
  if (index_.dialect != Hs3Dialect::root) return;
  std::vector<std::string> short_names;
  for (const Sample& sample : channel.samples) {
    const std::size_t end = sample.name.find("_" + channel.name + "_overallSyst_x_");
    const bool is_long = end != std::string::npos && end > 0;
    short_names.push_back(is_long ? sample.name.substr(0, end) : sample.name);
  }
  const std::unordered_set<std::string> different(short_names.begin(), short_names.end());
  if (different.size() != short_names.size()) return;
  for (std::size_t i = 0; i < short_names.size(); ++i) channel.samples[i].name = short_names[i];
}

Channel Hs3ChannelReader::read(JsonValue distribution, const std::string& name) {
  const auto [its_name, type, axes, samples, staterror, interpolation, method] =
      read_fields(distribution, "a histfactory_dist", channel_fields);
  if (staterror.exists()) {
    expect_kind(staterror, JsonKind::object, "an object, settings of staterror modifiers");
  }
  expect_items(samples, "an array of samples");
  Channel channel;
  channel.name = channel_name_ = name;
  channel_ = distribution;
  n_bins_ = count_bins(samples);
  channel.axes = has_key(axes) ? read_hs3_axes(axes, n_bins_) : std::vector<Axis>();
  shape_.clear();
  for (const Axis& axis : channel.axes) {
    if (axis.edges.size() > 2) shape_.push_back(axis.edges.size() - 1);
  }
  staterrors_.clear();
  group_of_.clear();
  std::unordered_set<std::string> names;
  for (const JsonValue value : samples.elements()) {
    Sample& sample = channel.samples.emplace_back();
    sample.name = "sample" + std::to_string(channel.samples.size() - 1);
    read_sample(value, sample);
    if (names.insert(sample.name).second) continue;
    fail(value, "found a second sample " + quoted(sample.name) +
                    " in a channel, expected different names; rename one");
  }
  constrain_staterrors(channel);
  shorten_sample_names(channel);
  return channel;
}

}  // namespace nablafit::io
