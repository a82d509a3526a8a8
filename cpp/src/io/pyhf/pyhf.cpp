#include "nablafit/io/pyhf.hpp"

#include <array>
#include <unordered_map>
#include <utility>

#include "io/document_readers.hpp"
#include "io/json/reader.hpp"
#include "io/pyhf/channels.hpp"
#include "io/pyhf/parameters.hpp"
#include "nablafit/error.hpp"
#include "util/nearest_name.hpp"

namespace nablafit::io {

/// Contains views into the document, so it never moves.
struct PyhfWorkspace::Contents {
  explicit Contents(JsonDocument parsed) : document(std::move(parsed)) {}

  /// Empty: the one without a name, or the first. Throws ArgumentError for an unknown name.
  const PyhfMeasurement& measurement(const std::string& name) const;

  JsonDocument document;
  std::vector<PyhfChannel> channels;
  std::vector<ParameterSet> parameter_sets;
  std::vector<PyhfMeasurement> measurements;
  std::vector<std::string> measurement_names;
  std::unordered_map<std::string, std::size_t> measurement_of_name;
  Observations observations;
  std::optional<WorkspaceError> data_problem;
  std::vector<std::string> notes;
};

namespace {

// --- recognition ---------------------------------------------------------------------------------

/// Documents that are often mistaken for a workspace get specific messages.
void reject_other_formats(JsonValue root) {
  const std::string expected =
      ", expected a pyhf workspace, an object with 'channels', "
      "'observations', 'measurements' and 'version'; ";
  if (root.is(JsonKind::array)) {
    const bool is_patch = root.size() > 0 && (*root.elements().begin()).is(JsonKind::object) &&
                          (*root.elements().begin()).find("op").exists();
    fail(root, is_patch ? "found a JSON patch" + expected + "apply it to the workspace it is for"
                        : "found " + describe(root) + expected + "pass one workspace");
  }
  if (!root.is(JsonKind::object))
    fail(root, "found " + describe(root) + expected + "check the file");
  if (root.find("channels").exists()) {
    if (root.find("measurements").exists() || root.find("observations").exists() ||
        root.find("version").exists()) {
      return;
    }
    fail(root, "found the specification of a pyhf model" + expected +
                   "add the other three keys, or use its workspace");
  }
  if (root.find("patches").exists()) {
    fail(root, "found a pyhf patch set" + expected +
                   "apply one of its patches to the background-only workspace");
  }
  if (root.find("distributions").exists() || root.find("likelihoods").exists()) {
    fail(root, "found an HS3 document" + expected + "convert it to one");
  }
}

void check_version(JsonValue version) {
  if (version.is(JsonKind::string) && version.string() == "1.0.0") return;
  fail(version, "found " + describe(version) +
                    ", expected the string '1.0.0', the version of the workspace schema");
}

// --- model ---------------------------------------------------------------------------------------

void check_options(const PyhfOptions& options) {
  if (options.normsys != Interpolation::piecewise_exponential &&
      options.normsys != Interpolation::polynomial_exponential) {
    throw ArgumentError("found interpolation code " +
                            std::to_string(static_cast<int>(options.normsys)) +
                            " for normsys, expected 1 (pyhf code1) or 5 (pyhf code4)",
                        "options.normsys");
  }
  if (!is_additive(options.histosys)) {
    throw ArgumentError("found interpolation code " +
                            std::to_string(static_cast<int>(options.histosys)) +
                            " for histosys, expected 0 (pyhf code0), 2 (code2) or 4 (code4p)",
                        "options.histosys");
  }
}

/// Builds the channels of a ModelSpec.
class ChannelBuilder {
 public:
  ChannelBuilder(const std::vector<ParameterSet>& sets, const std::vector<Parameter>& parameters,
                 const PyhfOptions& options)
      : sets_(sets), parameters_(parameters), options_(options) {
    std::size_t first = 0;
    for (const ParameterSet& set : sets_) {
      first_of_set_.push_back(first);
      first += set.size;
    }
  }

  Channel channel(const PyhfChannel& source) const {
    Channel result;
    result.name = std::string(source.name);
    result.yield_floor = options_.clip_bin_data;
    result.samples.reserve(source.samples.size());
    for (const PyhfSample& input : source.samples) {
      Sample& sample = result.samples.emplace_back();
      sample.name = std::string(input.name);
      sample.nominal = numbers(input.data);
      if (options_.clip_sample_data) sample.yield_floor = 0.0;
      sample.modifiers.reserve(input.modifiers.size());
      for (const PyhfModifier& m : input.modifiers) add(sample.modifiers, m, input.data.size());
    }
    return result;
  }

 private:
  void add(std::vector<Modifier>& modifiers, const PyhfModifier& source, std::size_t n_bins) const {
    std::string name(source.name);
    switch (source.type) {
      case PyhfType::histosys:
        modifiers.emplace_back(
            HistoSys{name, name, numbers(source.data), numbers(source.high), options_.histosys});
        break;
      case PyhfType::lumi:
        modifiers.emplace_back(Lumi{name, name});
        break;
      case PyhfType::normfactor:
        modifiers.emplace_back(NormFactor{name, name});
        break;
      case PyhfType::normsys:
        modifiers.emplace_back(
            NormSys{name, name, source.data.number(), source.high.number(), options_.normsys});
        break;
      case PyhfType::shapefactor:
        modifiers.emplace_back(ShapeFactor{std::move(name), parameter_names(source, n_bins)});
        break;
      case PyhfType::shapesys:
        modifiers.emplace_back(
            ShapeSys{std::move(name), parameter_names(source, n_bins), numbers(source.data)});
        break;
      case PyhfType::staterror:
        modifiers.emplace_back(
            StatError{std::move(name), parameter_names(source, n_bins), numbers(source.data)});
        break;
    }
  }

  std::vector<std::string> parameter_names(const PyhfModifier& source, std::size_t n_bins) const {
    const std::size_t first = first_of_set_[source.parameter_set] + source.offset;
    std::vector<std::string> names;
    names.reserve(n_bins);
    for (std::size_t b = 0; b < n_bins; ++b) names.push_back(parameters_[first + b].name);
    return names;
  }

  const std::vector<ParameterSet>& sets_;
  const std::vector<Parameter>& parameters_;
  const PyhfOptions& options_;
  std::vector<std::size_t> first_of_set_;
};

/// `poi` as a parameter name: pyhf uses `gamma` for a set with one bin, `gamma[0]`.
std::string component_name(const std::string& poi, const std::vector<ParameterSet>& sets) {
  for (const ParameterSet& set : sets) {
    if (set.name == poi && !set.is_scalar() && set.size == 1) return poi + "[0]";
  }
  return poi;
}

void check_chosen_poi(const std::string& poi, const std::vector<Parameter>& parameters) {
  std::vector<std::string_view> names;
  for (const Parameter& parameter : parameters) {
    if (parameter.name == poi) return;
    names.push_back(parameter.name);
  }
  throw ArgumentError("found " + quoted(poi) + " as parameter of interest, expected one of " +
                          quoted_list(names) + detail::did_you_mean(poi, names),
                      "poi");
}

}  // namespace

PyhfWorkspace::PyhfWorkspace(std::shared_ptr<const Contents> contents)
    : contents_(std::move(contents)) {}

PyhfWorkspace PyhfWorkspace::parse(std::string_view text, const std::string& source,
                                   BadData bad_data) {
  return read_pyhf(JsonDocument::parse(text, source), bad_data);
}

PyhfWorkspace read_pyhf(JsonDocument document, BadData bad_data) {
  const auto contents = std::make_shared<PyhfWorkspace::Contents>(std::move(document));
  const JsonValue root = contents->document.root();
  reject_other_formats(root);
  constexpr std::array<JsonField, 4> fields = {
      {{"channels"}, {"measurements"}, {"observations"}, {"version"}}};
  const auto [channels, measurements, observations, version] =
      read_fields(root, "a workspace", fields);
  check_version(version);
  contents->channels = read_pyhf_channels(channels);
  contents->parameter_sets = collect_parameter_sets(contents->channels);
  if (contents->parameter_sets.empty()) {
    fail(channels,
         "found no modifier on any sample, expected at least one, so that the model has a "
         "parameter; add a normfactor to the signal");
  }
  contents->measurements =
      read_pyhf_measurements(measurements, contents->parameter_sets, contents->notes);
  for (const PyhfMeasurement& measurement : contents->measurements) {
    contents->measurement_of_name.emplace(measurement.name, contents->measurement_names.size());
    contents->measurement_names.push_back(measurement.name);
  }
  try {
    contents->observations =
        read_pyhf_observations(observations, contents->channels, contents->notes);
  } catch (const WorkspaceError& error) {
    if (bad_data == BadData::refuse) throw;
    contents->data_problem = error;
  }
  return PyhfWorkspace(contents);
}

const std::vector<std::string>& PyhfWorkspace::measurement_names() const noexcept {
  return contents_->measurement_names;
}

const Observations& PyhfWorkspace::observations() const {
  const std::optional<WorkspaceError>& problem = contents_->data_problem;
  if (problem.has_value()) throw WorkspaceError(*problem);
  return contents_->observations;
}

const std::optional<WorkspaceError>& PyhfWorkspace::data_problem() const noexcept {
  return contents_->data_problem;
}

const std::vector<std::string>& PyhfWorkspace::notes() const noexcept { return contents_->notes; }

const PyhfMeasurement& PyhfWorkspace::Contents::measurement(const std::string& name) const {
  const auto found = measurement_of_name.find(name);
  if (found != measurement_of_name.end()) return measurements[found->second];
  if (name.empty()) return measurements.front();
  throw ArgumentError("found no measurement " + quoted(name) + " in " + document.source() +
                          ", expected one of " +
                          quoted_list({measurement_names.begin(), measurement_names.end()}) +
                          detail::did_you_mean(name, measurement_names),
                      "measurement");
}

const std::string& PyhfWorkspace::parameter_of_interest(const std::string& measurement) const {
  return contents_->measurement(measurement).parameter_of_interest;
}

ModelSpec PyhfWorkspace::model_spec(const std::string& measurement,
                                    const std::optional<std::string>& poi,
                                    const PyhfOptions& options) const {
  check_options(options);
  const PyhfMeasurement& chosen = contents_->measurement(measurement);
  ModelSpec spec;
  spec.name = chosen.name;
  spec.parameters = chosen.parameters;
  const std::string interest =
      component_name(poi.value_or(chosen.parameter_of_interest), contents_->parameter_sets);
  if (poi && !poi->empty()) check_chosen_poi(interest, spec.parameters);
  if (!interest.empty()) spec.parameters_of_interest.push_back(interest);
  const ChannelBuilder builder(contents_->parameter_sets, spec.parameters, options);
  spec.channels.reserve(contents_->channels.size());
  for (const PyhfChannel& channel : contents_->channels) {
    spec.channels.push_back(builder.channel(channel));
  }
  return spec;
}

}  // namespace nablafit::io
