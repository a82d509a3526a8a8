#include "nablafit/io/hs3.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "io/document_readers.hpp"
#include "io/hs3/channels.hpp"
#include "io/hs3/data.hpp"
#include "io/hs3/formulas.hpp"
#include "io/hs3/names.hpp"
#include "io/hs3/sizes.hpp"
#include "nablafit/digest.hpp"
#include "nablafit/error.hpp"

namespace nablafit::io {
namespace {

constexpr std::array<JsonField, 4> likelihood_fields = {
    {{"name"}, {"distributions"}, {"data", false}, {"aux_distributions", false}}};
constexpr std::string_view channel_prefix = "model_";

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool has_type(JsonValue distribution, std::string_view wanted) {
  const JsonValue type = distribution.find("type");
  return type.exists() && type.is(JsonKind::string) && type.string() == wanted;
}

bool is_channel(JsonValue distribution) {
  return has_type(distribution, "histfactory_dist") || has_type(distribution, hs3_density_type);
}

/// Of a channel or of data; empty if they are not valid.
std::vector<std::string_view> axis_names(JsonValue value) {
  const JsonValue axes = find_member(value, "axes");
  std::vector<std::string_view> result;
  if (!axes.exists() || !axes.is(JsonKind::array)) return result;
  for (const JsonValue axis : axes.elements()) {
    const JsonValue name = axis.is(JsonKind::object) ? axis.find("name") : JsonValue();
    if (!name.exists() || !name.is(JsonKind::string)) return {};
    result.push_back(name.string());
  }
  return result;
}

/// "obsData" for obsData_SR and the channel SR; empty if the name does not end in that of the
/// channel.
std::string_view before_channel(std::string_view data, const std::string& channel) {
  const std::string end = "_" + channel;
  return ends_with(data, end) ? data.substr(0, data.size() - end.size()) : std::string_view();
}

/// Entries that nablafit adds to the documents that it writes.
JsonValue own_settings(const Hs3Index& index) {
  if (index.dialect != Hs3Dialect::nablafit) return {};
  return find_member(find_member(index.root, "misc"), "nablafit");
}

void put_observed_first(std::vector<Observations>& datasets) {
  auto front = datasets.begin();
  for (auto it = datasets.begin(); it != datasets.end(); ++it) {
    if (it->name == "obsData" || it->name == "observed") std::rotate(front++, it, std::next(it));
  }
}

/// The parts of one likelihood: channels with their data, and constraint terms.
struct Likelihood {
  struct Term {
    JsonValue name;
    JsonValue observed;  ///< a number; need not exist
  };
  JsonValue value;  ///< does not exist if the document has no likelihoods
  std::vector<JsonValue> channels;
  std::vector<JsonValue> data;  ///< names; as many as channels, or none
  std::vector<Term> terms;
};

/// Reads one document.
class Reader {
 public:
  Reader(JsonValue root, BadData bad_data) : bad_data_(bad_data), index_(root, notes_) {}

  Hs3Document read();

 private:
  void read_analysis(JsonValue analysis, JsonValue likelihood);
  void read_likelihood(JsonValue analysis, const Likelihood& parts);
  Likelihood take_apart(JsonValue value) const;
  Likelihood all_channels() const;
  std::vector<Likelihood> without_likelihoods();
  std::vector<std::vector<JsonValue>> data_by_name(const Likelihood& channels) const;
  std::vector<JsonValue> data_by_axes(const Likelihood& channels) const;
  void add_term(Likelihood& likelihood, JsonValue name, JsonValue data) const;
  ModelSpec read_model(const Likelihood& likelihood, JsonValue analysis);
  void add_interests(ModelSpec& spec, JsonValue analysis) const;
  std::string model_name(JsonValue analysis, const Likelihood& likelihood) const;
  std::vector<std::string> channel_names(const Likelihood& likelihood) const;
  std::string dataset_name(const Likelihood& likelihood, const ModelSpec& spec) const;
  void add_dataset(const Likelihood& likelihood, const ModelSpec& spec);
  void add_measurement(ModelSpec spec, JsonValue analysis);
  void drop_invented_names(ModelSpec& spec) const;
  void restore_uncertainties(ModelSpec& spec) const;
  void restore_names();

  BadData bad_data_;
  Hs3Notes notes_;
  Hs3Index index_;
  Hs3Document result_;
  std::unordered_map<std::string, std::size_t> dataset_of_name_;
  std::unordered_set<std::string> measurement_names_;
  std::unordered_set<std::string> digests_;  ///< without names; empty before the second measurement
};

// --- likelihoods ---------------------------------------------------------------------------------

void Reader::add_term(Likelihood& likelihood, JsonValue name, JsonValue data) const {
  JsonValue observed;
  if (data.exists() && data.is(JsonKind::number)) {
    observed = data;
  } else if (data.exists()) {
    expect_string(data, "a number, or a string, the name of a data set");
    const JsonValue point = index_.data.get(data.string(), data);
    observed = point.find("value");
    if (!observed.exists()) {
      fail(point, "found data of a constraint without 'value', expected data of type 'point'");
    }
    expect_number(observed, "a number, the observed value");
  }
  likelihood.terms.push_back({name, observed});
}

Likelihood Reader::take_apart(JsonValue value) const {
  const auto [name, distributions, data, auxiliary] =
      read_fields(value, "a likelihood", likelihood_fields);
  Likelihood result;
  result.value = value;
  expect_items(distributions, "an array of names of distributions");
  std::vector<JsonValue> observed;
  if (data.exists()) {
    expect_kind(data, JsonKind::array, "an array of names of data sets");
    if (data.size() != distributions.size()) {
      fail(data, "found " + std::to_string(data.size()) + " entries in 'data', expected " +
                     std::to_string(distributions.size()) + ", one per distribution");
    }
    for (const JsonValue entry : data.elements()) observed.push_back(entry);
  }
  std::size_t i = 0;
  std::unordered_set<std::string_view> channel_names;
  for (const JsonValue entry : distributions.elements()) {
    expect_string(entry, "a string, the name of a distribution");
    const JsonValue distribution = index_.distributions.get(entry.string(), entry);
    const JsonValue its_data = observed.empty() ? JsonValue() : observed[i];
    ++i;
    if (!is_channel(distribution)) {
      expect_constraint_type(distribution, entry);
      add_term(result, entry, its_data);
      continue;
    }
    if (!channel_names.insert(entry.string()).second) {
      fail(entry, "found the channel " + quoted(entry.string()) + " twice, expected it once");
    }
    result.channels.push_back(distribution);
    if (its_data.exists()) result.data.push_back(its_data);
  }
  if (auxiliary.exists()) {
    expect_kind(auxiliary, JsonKind::array, "an array of names of distributions");
    for (const JsonValue entry : auxiliary.elements()) {
      expect_string(entry, "a string, the name of a distribution");
      index_.distributions.get(entry.string(), entry);
      result.terms.push_back({entry, {}});
    }
  }
  return result;
}

Likelihood Reader::all_channels() const {
  Likelihood result;
  for (const JsonValue value : index_.distributions.values()) {
    if (is_channel(value)) result.channels.push_back(value);
  }
  return result;
}

// --- documents without likelihoods ---------------------------------------------------------------

/// Names of data, one per channel, of every data set whose parts are named <data set>_<channel>.
std::vector<std::vector<JsonValue>> Reader::data_by_name(const Likelihood& channels) const {
  const std::vector<std::string> names = channel_names(channels);
  std::vector<std::vector<JsonValue>> result;
  for (const JsonValue first : index_.data.values()) {
    const std::string_view start = before_channel(first.find("name").string(), names.front());
    if (start.empty()) continue;
    std::vector<JsonValue> parts;
    for (const std::string& channel : names) {
      const JsonValue part = index_.data.find(std::string(start) + "_" + channel);
      if (!part.exists()) break;
      parts.push_back(part.find("name"));
    }
    if (parts.size() == names.size()) result.push_back(std::move(parts));
  }
  return result;
}

/// Names of data, one per channel, if the axes identify them; else empty.
std::vector<JsonValue> Reader::data_by_axes(const Likelihood& channels) const {
  std::map<std::vector<std::string_view>, std::vector<JsonValue>> names;
  for (const JsonValue data : index_.data.values()) {
    names[axis_names(data)].push_back(data.find("name"));
  }
  std::vector<JsonValue> result;
  for (const JsonValue channel : channels.channels) {
    const std::vector<std::string_view> axes = axis_names(channel);
    const auto found = names.find(axes);
    if (axes.empty() || found == names.end() || found->second.size() != 1) return {};
    result.push_back(found->second.front());
    found->second.clear();  // another channel with these axes makes it unclear
  }
  return result;
}

/// All channels as one model, once per data set; without data if it is not clear which belong to
/// which channel.
std::vector<Likelihood> Reader::without_likelihoods() {
  const Likelihood channels = all_channels();
  if (channels.channels.empty() || index_.data.values().empty()) return {channels};
  std::vector<std::vector<JsonValue>> found = data_by_name(channels);
  if (found.empty()) found.push_back(data_by_axes(channels));
  if (found.front().empty()) {
    notes_.add(
        "The data were left out, because neither a likelihood, nor names of the form "
        "<data set>_<channel>, nor axes that only one channel has say to which channel they "
        "belong.");
  }
  std::vector<Likelihood> result(found.size(), channels);
  for (std::size_t i = 0; i < found.size(); ++i) result[i].data = std::move(found[i]);
  return result;
}

// --- models --------------------------------------------------------------------------------------

/// ROOT names the distribution of a channel model_<channel>.
std::vector<std::string> Reader::channel_names(const Likelihood& likelihood) const {
  const bool all_have_prefix =
      std::all_of(likelihood.channels.begin(), likelihood.channels.end(), [](JsonValue channel) {
        const std::string_view name = channel.find("name").string();
        return starts_with(name, channel_prefix) && name.size() > channel_prefix.size();
      });
  std::vector<std::string> result;
  for (const JsonValue channel : likelihood.channels) {
    const std::string_view name = channel.find("name").string();
    result.emplace_back(name.substr(all_have_prefix ? channel_prefix.size() : 0));
  }
  return result;
}

void Reader::add_interests(ModelSpec& spec, JsonValue analysis) const {
  const JsonValue own = own_settings(index_);
  if (find_member(own, "parameters_of_interest").exists()) analysis = own;
  for (const char* key : {"parameters_of_interest", "parameter_of_interest"}) {
    const JsonValue interests = find_member(analysis, key);
    if (!interests.exists() || interests.is(JsonKind::null)) continue;
    if (interests.is(JsonKind::string)) {
      spec.parameters_of_interest.emplace_back(interests.string());
      continue;
    }
    expect_kind(interests, JsonKind::array, "an array of names of parameters");
    auto& known = spec.parameters_of_interest;
    std::unordered_set<std::string> seen(known.begin(), known.end());
    for (const JsonValue name : interests.elements()) {
      std::string text(expect_string(name, "a string, the name of a parameter"));
      if (!seen.insert(text).second || text.empty()) {
        fail(name, "found " + quoted(text) +
                       " twice as parameter of interest, expected "
                       "different names");
      }
      known.push_back(std::move(text));
    }
  }
}

/// ROOT stores the name of the ModelConfig of an analysis.
std::string Reader::model_name(JsonValue analysis, const Likelihood& likelihood) const {
  const JsonValue named = analysis.exists() ? analysis : likelihood.value;
  if (!named.exists()) return "model";
  std::string name(named.find("name").string());
  const JsonValue config = find_member(find_member(index_.root_internal, "ModelConfigs"), name);
  const JsonValue original = find_member(config, "mcName");
  if (original.exists() && original.is(JsonKind::string) && original.size() != 0) {
    return std::string(original.string());
  }
  return name;
}

/// Whether the uncertainties of samples are the same fraction of their yields in every bin.
bool are_shares(const std::vector<std::pair<const Sample*, StatError*>>& carriers) {
  if (carriers.size() < 2) return false;
  const auto& [first, its_error] = carriers.front();
  for (const auto& [sample, error] : carriers) {
    if (error->uncertainties.size() != its_error->uncertainties.size()) return false;
    for (std::size_t b = 0; b < error->uncertainties.size(); ++b) {
      const double a = error->uncertainties[b] * std::abs(first->nominal[b]);
      const double c = its_error->uncertainties[b] * std::abs(sample->nominal[b]);
      if (std::abs(a - c) > 1e-5 * std::max(std::abs(a), std::abs(c))) return false;
    }
  }
  return true;
}

/// Where only the uncertainty of the sum is known, ROOT shares it out in proportion to the yields
/// when it writes HS3, and so does nablafit, which states that. Treats the placeholder for 0 as 0.
void Reader::restore_uncertainties(ModelSpec& spec) const {
  std::set<std::string_view> stated;
  const JsonValue list = find_member(own_settings(index_), "shared_out");
  if (list.exists()) {
    expect_kind(list, JsonKind::array, "an array of names of parameters");
    for (const JsonValue name : list.elements()) {
      stated.insert(expect_string(name, "a string, the name of a parameter"));
    }
  }
  for (Channel& channel : spec.channels) {
    std::map<std::vector<std::string>, std::vector<std::pair<const Sample*, StatError*>>> groups;
    for (Sample& sample : channel.samples) {
      for (Modifier& modifier : sample.modifiers) {
        auto* error = std::get_if<StatError>(&modifier);
        if (error != nullptr) groups[error->parameters].emplace_back(&sample, error);
      }
    }
    for (auto& [parameters, carriers] : groups) {
      const bool is_shared = index_.dialect == Hs3Dialect::root
                                 ? are_shares(carriers)
                                 : stated.count(parameters.front()) != 0;
      for (auto& [sample, error] : carriers) {
        std::vector<double>& values = error->uncertainties;
        if (is_shared) values.clear();
        const bool has_none = index_.dialect == Hs3Dialect::nablafit && !values.empty() &&
                              values.front() == hs3_no_uncertainty;
        if (has_none) values.front() = 0.0;
      }
    }
  }
}

/// Names that ROOT does not accept and that nablafit replaced.
void Reader::restore_names() {
  const Hs3NameMaps names = Hs3NameMaps::read(find_member(own_settings(index_), "names"));
  if (names.empty()) return;
  for (ModelSpec& spec : result_.measurements) {
    spec = names.apply(std::move(spec));
    try {
      validate(spec);
    } catch (const SpecError& error) {
      throw WorkspaceError(error.what(), index_.root.document().source());
    }
  }
  for (Observations& data : result_.datasets) data = names.apply(std::move(data));
}

/// Names that nablafit had to make up when it wrote the document.
void Reader::drop_invented_names(ModelSpec& spec) const {
  const JsonValue own = own_settings(index_);
  if (!own.exists()) return;
  const JsonValue without_axes = find_member(own, "channels_without_axes");
  if (without_axes.exists() && without_axes.is(JsonKind::array)) {
    std::unordered_set<std::string_view> names;
    for (const JsonValue name : without_axes.elements()) {
      names.insert(expect_string(name, "a string, the name of a channel"));
    }
    for (Channel& channel : spec.channels) {
      if (names.count(channel.name) != 0) channel.axes.clear();
    }
  }
  const JsonValue named = find_member(own, "global_observables");
  if (!named.exists() || !named.is(JsonKind::string) || named.string() != "unnamed") return;
  for (Parameter& parameter : spec.parameters) {
    std::string name = parameter.global_observable;
    const std::string made_up = "nom_" + parameter.name;  // and underscores, see the writer
    while (name.size() > made_up.size() && name.back() == '_') name.pop_back();
    if (name == made_up) parameter.global_observable = "";
  }
}

ModelSpec Reader::read_model(const Likelihood& likelihood, JsonValue analysis) {
  ModelSpec spec;
  spec.name = model_name(analysis, likelihood);
  Hs3Parameters parameters(index_, analysis, notes_);
  Hs3Constraints constraints(index_, parameters, notes_);
  for (const Likelihood::Term& term : likelihood.terms) {
    if (term.observed.exists()) constraints.observe(term.name, term.observed);
  }
  Hs3ChannelReader channels(index_, parameters, constraints, notes_);
  const std::vector<std::string> names = channel_names(likelihood);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const JsonValue channel = likelihood.channels[i];
    spec.channels.push_back(has_type(channel, hs3_density_type)
                                ? read_hs3_density(index_, parameters, notes_, channel, names[i])
                                : channels.read(channel, names[i]));
  }
  for (const Likelihood::Term& term : likelihood.terms) {
    constraints.constrain_by_likelihood(term.name);
  }
  constraints.finish();
  spec.parameters = parameters.finish();
  drop_invented_names(spec);
  restore_uncertainties(spec);
  spec.parameter_points = parameters.points();
  add_interests(spec, analysis);
  try {
    validate(spec);
  } catch (const SpecError& error) {
    throw WorkspaceError(error.what(), index_.root.document().source());
  }
  return spec;
}

// --- data ----------------------------------------------------------------------------------------

/// "obsData" of obsData_SR and obsData_CR; else the name of the likelihood.
std::string Reader::dataset_name(const Likelihood& likelihood, const ModelSpec& spec) const {
  std::string common;
  for (std::size_t i = 0; i < spec.channels.size(); ++i) {
    const std::string_view start =
        before_channel(likelihood.data[i].string(), spec.channels[i].name);
    if (start.empty()) return {};
    if (i > 0 && start != common) return {};
    common = start;
  }
  return common;
}

void Reader::add_dataset(const Likelihood& likelihood, const ModelSpec& spec) {
  if (likelihood.data.size() != likelihood.channels.size() || likelihood.data.empty()) return;
  Observations data;
  for (std::size_t i = 0; i < spec.channels.size(); ++i) {
    const JsonValue name = likelihood.data[i];
    expect_string(name, "a string, the name of a data set");
    const JsonValue value = index_.data.get(name.string(), name);
    data.channels.push_back({spec.channels[i].name, read_hs3_counts(value, spec.channels[i])});
  }
  const std::string likelihood_name(likelihood.value.exists()
                                        ? likelihood.value.find("name").string()
                                    : likelihood.data.size() == 1 ? likelihood.data[0].string()
                                                                  : "data");
  data.name = dataset_name(likelihood, spec);
  if (data.name.empty()) data.name = likelihood_name;
  const auto known = dataset_of_name_.find(data.name);
  if (known != dataset_of_name_.end()) {
    if (result_.datasets[known->second] == data) return;
    data.name = likelihood_name;
  }
  while (dataset_of_name_.count(data.name) != 0) data.name += "'";
  dataset_of_name_.emplace(data.name, result_.datasets.size());
  result_.datasets.push_back(std::move(data));
}

/// Analyses that differ only in their data are one measurement.
void Reader::add_measurement(ModelSpec spec, JsonValue analysis) {
  const auto digest_without_name = [](ModelSpec nameless) {
    nameless.name.clear();
    return digest(nameless);
  };
  if (result_.measurements.size() == 1) {
    digests_.insert(digest_without_name(result_.measurements.front()));
  }
  if (!digests_.empty() && !digests_.insert(digest_without_name(spec)).second) return;
  const auto is_name_taken = [&] { return measurement_names_.count(spec.name) != 0; };
  if (is_name_taken() && analysis.exists()) spec.name = std::string(analysis.find("name").string());
  while (is_name_taken()) spec.name += "'";
  measurement_names_.insert(spec.name);
  result_.measurements.push_back(std::move(spec));
}

// --- documents -----------------------------------------------------------------------------------

void Reader::read_analysis(JsonValue analysis, JsonValue likelihood) {
  read_likelihood(analysis, take_apart(likelihood));
}

void Reader::read_likelihood(JsonValue analysis, const Likelihood& parts) {
  if (parts.channels.empty()) {
    fail(parts.value.exists() ? parts.value.find("distributions")
                              : index_.root.find("distributions"),
         "found no distribution of the type 'histfactory_dist' or 'bincounts_density_dist', "
         "expected "
         "at least one; other models are not supported");
  }
  ModelSpec spec = read_model(parts, analysis);
  try {
    add_dataset(parts, spec);
  } catch (const WorkspaceError& error) {
    if (bad_data_ == BadData::refuse) throw;
    if (!result_.data_problem) result_.data_problem = error;
  }
  add_measurement(std::move(spec), analysis);
}

Hs3Document Reader::read() {
  for (const JsonValue analysis : index_.analyses.values()) {
    const JsonValue name = analysis.find("likelihood");
    if (!name.exists()) {
      fail(analysis, "found an analysis without 'likelihood', expected the name of one; add it");
    }
    expect_string(name, "a string, the name of a likelihood");
    read_analysis(analysis, index_.likelihoods.get(name.string(), name));
  }
  if (index_.analyses.values().empty()) {
    for (const JsonValue likelihood : index_.likelihoods.values()) read_analysis({}, likelihood);
    notes_.add("The document has no analyses, and so no parameter of interest.");
  }
  if (result_.measurements.empty()) {
    for (const Likelihood& likelihood : without_likelihoods()) read_likelihood({}, likelihood);
    notes_.add("The document has no likelihoods; all its channels were read as one model.");
  }
  restore_names();
  put_observed_first(result_.datasets);
  result_.notes = notes_.take();
  return std::move(result_);
}

void reject_empty(std::string_view text, const std::string& source) {
  if (text.find_first_not_of(" \t\r\n") != std::string_view::npos) return;
  throw WorkspaceError(
      "found an empty text, expected an HS3 document; ROOT leaves an empty file where its export "
      "fails, as it does for Gamma and LogNormal constraints: read the ROOT file itself",
      source);
}

}  // namespace

Hs3Document read_hs3(const JsonDocument& document, BadData bad_data) {
  return Reader(document.root(), bad_data).read();
}

Hs3Document read_hs3(std::string_view text, const std::string& source, BadData bad_data) {
  reject_empty(text, source);
  return read_hs3(JsonDocument::parse(text, source), bad_data);
}

}  // namespace nablafit::io
