#include "io/hs3/writer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "io/hs3/names.hpp"
#include "nablafit/error.hpp"
#include "nablafit/version.hpp"

namespace nablafit::io {
namespace {

std::string quote(const std::string& name) { return "'" + name + "'"; }

/// Writes one model.
class Writer {
 public:
  /// The model and its data have the names given by `names`.
  Writer(const ModelSpec& spec, const std::vector<Observations>& datasets, const Hs3NameMaps& names)
      : context_(spec), spec_(spec), datasets_(datasets), names_(names) {}

  Hs3Text write(const Hs3WriteOptions& options);

 private:
  void check_parameters();
  void add_distributions();
  void add_constraint(const Parameter& parameter);
  void add_data(const Observations& data);
  void add_likelihood(const std::string& name, const Observations* data);
  void add_analysis(const std::string& name);
  std::vector<std::string> known_interests() const;
  void add_domains(const std::string& name, OrderedJson& names);
  void add_points();
  void add_root_internal();
  std::string floors();
  OrderedJson own_settings();
  void restore_names_in_messages();
  const Observations::GlobalObservable* changed_observable(const Observations& data) const;

  Hs3WriterContext context_;
  const ModelSpec& spec_;
  const std::vector<Observations>& datasets_;
  const Hs3NameMaps& names_;
  OrderedJson root_;
  OrderedJson constraints_ = OrderedJson::array();
  OrderedJson auxiliary_ = OrderedJson::array();
  OrderedJson constants_ = OrderedJson::array();
};

OrderedJson axis(const std::string& name, double lower, double upper) {
  OrderedJson result;
  result["name"] = name;
  if (std::isfinite(lower)) result["min"] = lower;
  if (std::isfinite(upper)) result["max"] = upper;
  return result;
}

OrderedJson constant(const std::string& name, double value) {
  OrderedJson result;
  result["name"] = name;
  result["value"] = value;
  result["const"] = true;
  return result;
}

OrderedJson product_domain(const std::string& name) {
  OrderedJson result;
  result["name"] = name;
  result["type"] = "product_domain";
  result["axes"] = OrderedJson::array();
  return result;
}

OrderedJson observable_axis(const std::string& name, const Parameter& parameter) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto* gaussian = std::get_if<GaussianConstraint>(&parameter.constraint);
  const Range range = gaussian != nullptr && gaussian->observable_range
                          ? *gaussian->observable_range
                          : Range{-infinity, infinity};
  return axis(name, range.lower, range.upper);
}

template <typename T>
bool has(const Sample& sample) {
  return std::any_of(sample.modifiers.begin(), sample.modifiers.end(),
                     [](const Modifier& m) { return std::holds_alternative<T>(m); });
}

using CountsByChannel = std::unordered_map<std::string_view, const std::vector<double>*>;

CountsByChannel counts_by_channel(const Observations& data) {
  CountsByChannel result;
  for (const ChannelCounts& counts : data.channels) result.emplace(counts.channel, &counts.counts);
  return result;
}

void check_data(const ModelSpec& spec, const Observations& data) {
  const CountsByChannel counts = counts_by_channel(data);
  for (const Channel& channel : spec.channels) {
    const auto found = counts.find(channel.name);
    if (found == counts.end()) {
      throw ArgumentError("found no counts of the channel " + quote(channel.name) +
                              ", expected counts of every channel",
                          "data set " + quote(data.name));
    }
    if (found->second->size() == channel.n_bins()) continue;
    throw ArgumentError("found " + std::to_string(found->second->size()) +
                            " counts of the channel " + quote(channel.name) + ", expected " +
                            std::to_string(channel.n_bins()),
                        "data set " + quote(data.name));
  }
}

}  // namespace

// --- context -------------------------------------------------------------------------------------

Hs3WriterContext::Hs3WriterContext(const ModelSpec& source) : spec(source) {
  for (const Parameter& p : spec.parameters) by_name_.emplace(p.name, &p);
  for (const Channel& channel : spec.channels) {
    for (const Sample& sample : channel.samples) {
      for (const Modifier& modifier : sample.modifiers) {
        const auto* stat = std::get_if<StatError>(&modifier);
        const auto* shape = std::get_if<ShapeSys>(&modifier);
        if (stat != nullptr) implied.insert(stat->parameters.begin(), stat->parameters.end());
        if (shape != nullptr) implied.insert(shape->parameters.begin(), shape->parameters.end());
      }
    }
  }
  name_observables();
  name_constraints();
}

const Parameter* Hs3WriterContext::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::string Hs3WriterContext::unlike_parameters(std::string name) const {
  while (by_name_.count(name) != 0) name += '_';
  return name;
}

std::string Hs3WriterContext::unused(std::string name) const {
  while (by_name_.count(name) != 0 || observed_.count(name) != 0) name += '_';
  return name;
}

/// The names for implied terms are prescribed. The others must differ from them, from parameters,
/// and from each other unless they have the same value.
void Hs3WriterContext::name_observables() {
  for (const Parameter& p : spec.parameters) {
    const std::optional<double> observed = observed_value(p);
    if (!observed || implied.count(p.name) == 0) continue;
    const std::string name = "nom_" + p.name;
    if (by_name_.count(name) != 0) {
      lose("the global observable of " + quote(p.name) + ": its name in HS3 would be " +
           quote(name) + ", which is that of a parameter");
    }
    observed_.emplace(name, *observed);
    observables_.emplace(p.name, name);
  }
  for (const Parameter& p : spec.parameters) {
    const std::optional<double> observed = observed_value(p);
    if (!observed || implied.count(p.name) != 0) continue;
    std::string name =
        unlike_parameters(p.global_observable.empty() ? "nom_" + p.name : p.global_observable);
    while (observed_.count(name) != 0 && observed_.at(name) != *observed) {
      name = unlike_parameters(name + '_');
    }
    observed_.emplace(name, *observed);
    observables_.emplace(p.name, name);
  }
}

/// Named as in HistFactory, with underscores if that is the name of something else.
void Hs3WriterContext::name_constraints() {
  std::unordered_set<std::string> taken;
  for (const Channel& channel : spec.channels) taken.insert("model_" + channel.name);
  for (const bool is_luminosity : {true, false}) {
    for (const Parameter& p : spec.parameters) {
      if ((p.name == "Lumi") != is_luminosity) continue;
      std::string name = unused((is_luminosity ? "lumi" : p.name) + "Constraint");
      while (!taken.insert(name).second) name += '_';
      constraints_.emplace(p.name, std::move(name));
    }
  }
}

// --- distributions -------------------------------------------------------------------------------

void Writer::check_parameters() {
  for (const Parameter& parameter : spec_.parameters) {
    const std::string name = quote(parameter.name);
    if (!std::holds_alternative<IdentityTransformation>(parameter.transformation)) {
      context_.lose("the response of the modifiers of " + name +
                    ", which are not interpolated in the parameter itself (ConstraintTerm)");
    }
    if (std::holds_alternative<LogNormalConstraint>(parameter.constraint)) {
      context_.lose("the log-normal constraint of " + name);
    } else if (std::holds_alternative<GammaConstraint>(parameter.constraint)) {
      context_.lose("the Gamma constraint of " + name);
    } else if (std::holds_alternative<UniformConstraint>(parameter.constraint)) {
      context_.note("The flat constraint of " + name + ", which changes nothing, is left out.");
    }
  }
}

void Writer::add_constraint(const Parameter& parameter) {
  const std::string& name = parameter.name;
  const auto* gaussian = std::get_if<GaussianConstraint>(&parameter.constraint);
  const auto* poisson = std::get_if<PoissonConstraint>(&parameter.constraint);
  if ((gaussian == nullptr && poisson == nullptr) || context_.implied.count(name) != 0) return;
  OrderedJson result;
  result["name"] = context_.constraint_name(parameter);
  if (gaussian != nullptr) {
    result["type"] = "gaussian_dist";
    result["x"] = name;
    result["mean"] = context_.observable_name(parameter);
    result["sigma"] = gaussian->sigma;
  } else {
    const std::string mean_name = context_.unused(name + "_poisMean");
    const std::string tau_name = context_.unused(name + "_tau");
    OrderedJson mean;
    mean["name"] = mean_name;
    mean["type"] = "product";
    mean["factors"] = {name, tau_name};
    context_.functions.push_back(std::move(mean));
    constants_.push_back(constant(tau_name, poisson->tau));
    result["type"] = "poisson_dist";
    result["x"] = context_.observable_name(parameter);
    result["mean"] = mean_name;
  }
  if (context_.named.count(name) == 0) auxiliary_.push_back(result["name"]);
  constraints_.push_back(std::move(result));
}

void Writer::add_distributions() {
  OrderedJson& distributions = root_["distributions"] = OrderedJson::array();
  for (const Channel& channel : spec_.channels) {
    distributions.push_back(Hs3ChannelWriter(context_, channel).write());
  }
  for (const Parameter& parameter : spec_.parameters) add_constraint(parameter);
  for (OrderedJson& constraint : constraints_) distributions.push_back(std::move(constraint));
  if (!context_.functions.empty()) root_["functions"] = context_.functions;
}

// --- data ----------------------------------------------------------------------------------------

const Observations::GlobalObservable* Writer::changed_observable(const Observations& data) const {
  for (const auto& observed : data.global_observables) {
    const Parameter* p = context_.find(observed.parameter);
    if (p != nullptr && observed_value(*p) != observed.value) return &observed;
  }
  return nullptr;
}

void Writer::add_data(const Observations& data) {
  if (const auto* changed = changed_observable(data)) {
    context_.lose("the global observables of the data set " + quote(data.name) +
                  ", which differ from those of the model (first: that of " +
                  quote(changed->parameter) + ")");
  }
  const CountsByChannel counts = counts_by_channel(data);
  for (std::size_t c = 0; c < spec_.channels.size(); ++c) {
    const Channel& channel = spec_.channels[c];
    OrderedJson entry;
    entry["name"] = data.name + "_" + channel.name;
    entry["type"] = "binned";
    entry["axes"] = root_["distributions"][c]["axes"];
    entry["contents"] = *counts.at(channel.name);
    root_["data"].push_back(std::move(entry));
  }
}

void Writer::add_likelihood(const std::string& name, const Observations* data) {
  OrderedJson result;
  result["name"] = name;
  result["distributions"] = OrderedJson::array();
  if (data != nullptr) result["data"] = OrderedJson::array();
  for (const Channel& channel : spec_.channels) {
    result["distributions"].push_back("model_" + channel.name);
    if (data != nullptr) result["data"].push_back(data->name + "_" + channel.name);
  }
  if (!auxiliary_.empty()) result["aux_distributions"] = auxiliary_;
  root_["likelihoods"].push_back(std::move(result));
}

// --- analyses ------------------------------------------------------------------------------------

/// Sorted as in ROOT, so that its ModelConfig is filled; all ranges are in default_domain too.
void Writer::add_domains(const std::string& name, OrderedJson& names) {
  const std::unordered_set<std::string_view> interests(spec_.parameters_of_interest.begin(),
                                                       spec_.parameters_of_interest.end());
  OrderedJson nuisances = product_domain(name + "_nuisance_parameters");
  OrderedJson observables = product_domain(name + "_global_observables");
  OrderedJson of_interest = product_domain(name + "_parameters_of_interest");
  std::unordered_set<std::string> seen;
  for (const Parameter& p : spec_.parameters) {
    const bool is_interest = interests.count(p.name) != 0;
    if (is_interest || !p.fixed) {
      (is_interest ? of_interest : nuisances)["axes"].push_back(axis(p.name, p.lower, p.upper));
    }
    if (!is_constrained(p)) continue;
    const std::string& observable = context_.observable_name(p);
    if (seen.insert(observable).second) {
      observables["axes"].push_back(observable_axis(observable, p));
    }
  }
  for (OrderedJson* domain : {&nuisances, &observables, &of_interest}) {
    if ((*domain)["axes"].empty()) continue;
    names.push_back((*domain)["name"]);
    root_["domains"].push_back(std::move(*domain));
  }
}

/// ROOT crashes on those that are in no channel.
std::vector<std::string> Writer::known_interests() const {
  std::vector<std::string> result;
  for (const std::string& name : spec_.parameters_of_interest) {
    if (context_.find(name) != nullptr) result.push_back(name);
  }
  return result;
}

void Writer::add_analysis(const std::string& name) {
  OrderedJson result;
  result["name"] = name;
  result["likelihood"] = name;
  result["domains"] = OrderedJson::array();
  add_domains(name, result["domains"]);
  const std::vector<std::string> interests = known_interests();
  if (!interests.empty()) result["parameters_of_interest"] = interests;
  result["init"] = "default_values";
  root_["analyses"].push_back(std::move(result));
}

void Writer::add_points() {
  OrderedJson ranges = product_domain("default_domain");
  OrderedJson point;
  point["name"] = "default_values";
  OrderedJson& values = point["parameters"] = OrderedJson::array();
  std::unordered_set<std::string> seen;
  for (const Parameter& p : spec_.parameters) {
    seen.insert(p.name);
    OrderedJson entry;
    entry["name"] = p.name;
    entry["value"] = p.initial;
    if (p.fixed) entry["const"] = true;
    values.push_back(std::move(entry));
    ranges["axes"].push_back(axis(p.name, p.lower, p.upper));
  }
  for (const Parameter& p : spec_.parameters) {
    const std::optional<double> observed = observed_value(p);
    if (!observed || !seen.insert(context_.observable_name(p)).second) continue;
    values.push_back(constant(context_.observable_name(p), *observed));
    ranges["axes"].push_back(observable_axis(context_.observable_name(p), p));
  }
  for (OrderedJson& entry : constants_) values.push_back(std::move(entry));
  root_["domains"].push_back(std::move(ranges));
  root_["parameter_points"].push_back(std::move(point));
  for (const ParameterPoint& source : spec_.parameter_points) {
    if (source.name == "default_values") {
      context_.lose("the parameter point 'default_values', the name of the initial one");
      continue;
    }
    OrderedJson other;
    other["name"] = source.name;
    OrderedJson& entries = other["parameters"] = OrderedJson::array();
    for (const auto& value : source.values) {
      entries.push_back({{"name", value.parameter}, {"value", value.value}});
    }
    root_["parameter_points"].push_back(std::move(other));
  }
}

// --- settings ------------------------------------------------------------------------------------

/// "ROOT" if all samples are clipped as ROOT clips them, "none" if none is.
std::string Writer::floors() {
  bool is_root = true;
  bool is_none = true;
  for (const Channel& channel : spec_.channels) {
    for (const Sample& sample : channel.samples) {
      const bool has_histosys = has<HistoSys>(sample);
      const bool has_normsys = has<NormSys>(sample);
      is_none = is_none && !sample.yield_floor && !sample.factor_floor;
      is_root = is_root && sample.yield_floor.has_value() == has_histosys &&
                sample.factor_floor.has_value() == has_normsys &&
                sample.yield_floor.value_or(0.0) == 0.0 &&
                sample.factor_floor.value_or(std::numeric_limits<double>::min()) ==
                    std::numeric_limits<double>::min();
    }
  }
  if (!is_none && !is_root) {
    context_.lose("lower limits on yields and factors that are not ROOT's of HistFactory models");
  }
  if (!is_root) {
    context_.note(
        "ROOT clips interpolated histograms at 0 and products of normsys factors at the "
        "smallest positive number when it reads HS3; this model does not.");
  }
  return is_none && !is_root ? "none" : "ROOT";
}

OrderedJson Writer::own_settings() {
  OrderedJson result;
  result["floors"] = floors();
  bool has_named = false;
  bool has_unnamed = false;
  for (const Parameter& p : spec_.parameters) {
    if (!is_constrained(p)) continue;
    (p.global_observable.empty() ? has_unnamed : has_named) = true;
  }
  if (has_unnamed && !has_named) result["global_observables"] = "unnamed";
  if (has_unnamed && has_named) {
    context_.note("Global observables without a name were given one.");
  }
  for (const Channel& channel : spec_.channels) {
    if (channel.axes.empty()) result["channels_without_axes"].push_back(channel.name);
  }
  if (!context_.densities.empty()) result["densities"] = context_.densities;
  if (!context_.shared_out.empty()) result["shared_out"] = context_.shared_out;
  if (known_interests().size() != spec_.parameters_of_interest.size()) {
    result["parameters_of_interest"] = spec_.parameters_of_interest;
  }
  if (!names_.empty()) result["names"] = names_.written();
  return result;
}

/// What ROOT needs to create a ModelConfig and data sets with several channels.
void Writer::add_root_internal() {
  OrderedJson labels = OrderedJson::array();
  OrderedJson names = OrderedJson::array();
  OrderedJson indices = OrderedJson::array();
  OrderedJson& internal = root_["misc"]["ROOT_internal"] = OrderedJson::object();
  OrderedJson& attributes = internal["attributes"] = OrderedJson::object();
  for (const Channel& channel : spec_.channels) {
    labels.push_back(channel.name);
    names.push_back("model_" + channel.name);
    indices.push_back(indices.size());
    append_member(attributes, channel.name + "_model", {{"tags", {"BinnedLikelihood"}}});
  }
  OrderedJson& pdf = internal["combined_distributions"]["simPdf"];
  pdf = {{"distributions", names},
         {"index_cat", "channelCat"},
         {"indices", indices},
         {"labels", labels}};
  for (const Observations& data : datasets_) {
    internal["combined_datasets"][data.name] = {
        {"index_cat", "channelCat"}, {"indices", indices}, {"labels", labels}};
  }
  for (const OrderedJson& analysis : root_["analyses"]) {
    const auto name = analysis["name"].get<std::string>();
    internal["ModelConfigs"][name] = {{"mcName", spec_.name.empty() ? "ModelConfig" : spec_.name},
                                      {"pdfName", "simPdf"}};
  }
}

void Writer::restore_names_in_messages() {
  if (names_.empty()) return;
  for (auto* messages : {&context_.losses, &context_.notes}) names_.restore_in(*messages);
}

Hs3Text Writer::write(const Hs3WriteOptions& options) {
  root_["metadata"] = {{"hs3_version", "0.2"},
                       {"packages", {{{"name", "nablafit"}, {"version", version()}}}}};
  check_parameters();
  add_distributions();
  if (!datasets_.empty()) root_["data"] = OrderedJson::array();
  for (const Observations& data : datasets_) {
    add_data(data);
    add_likelihood("simPdf_" + data.name, &data);
    add_analysis("simPdf_" + data.name);
  }
  if (datasets_.empty()) {
    add_likelihood("simPdf", nullptr);
    add_analysis("simPdf");
  }
  add_points();
  root_["misc"]["nablafit"] = own_settings();
  add_root_internal();
  restore_names_in_messages();
  if (!context_.losses.empty() && !options.lossy) {
    std::string list;
    for (const std::string& loss : context_.losses) list += "\n  - " + loss;
    throw WorkspaceError(
        "found a model with features that HS3 cannot represent, expected none; allow losses to "
        "write the rest:" +
            list,
        spec_.name);
  }
  Hs3Text result;
  try {
    result.text = root_.dump();
  } catch (const nlohmann::json::exception&) {
    throw WorkspaceError("found a name that is not UTF-8, expected text", spec_.name);
  }
  result.losses = std::move(context_.losses);
  result.notes = std::move(context_.notes);
  return result;
}

Hs3Text write_hs3(const ModelSpec& spec, const std::vector<Observations>& datasets,
                  const Hs3WriteOptions& options) {
  validate(spec);
  for (const Observations& data : datasets) check_data(spec, data);
  const Hs3NameMaps names = Hs3NameMaps::valid_for_root(spec, datasets);
  if (names.empty()) return Writer(spec, datasets, names).write(options);
  const ModelSpec renamed = names.apply(spec);
  std::vector<Observations> renamed_datasets;
  for (const Observations& data : datasets) renamed_datasets.push_back(names.apply(data));
  return Writer(renamed, renamed_datasets, names).write(options);
}

}  // namespace nablafit::io
