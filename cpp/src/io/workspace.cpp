#include "nablafit/io/workspace.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "io/document_readers.hpp"
#include "io/json/reader.hpp"
#include "nablafit/error.hpp"
#include "util/nearest_name.hpp"

namespace nablafit::io {
namespace {

std::string content_of(const std::string& path) {
  const auto close = [](std::FILE* file) { std::fclose(file); };
  errno = 0;
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
  std::string text;
  if (file) {
    std::array<char, 1 << 16> buffer;
    while (std::feof(file.get()) == 0 && std::ferror(file.get()) == 0) {
      text.append(buffer.data(), std::fread(buffer.data(), 1, buffer.size(), file.get()));
    }
  }
  if (!file || std::ferror(file.get()) != 0) {
    throw WorkspaceError("the file cannot be read: " + std::generic_category().message(errno),
                         path);
  }
  return text;
}

/// Decides by the first top-level key that only one of the formats has.
bool is_hs3(JsonValue root) {
  constexpr std::array<std::string_view, 7> hs3_keys = {
      "analyses",  "data",        "distributions",   "domains",
      "functions", "likelihoods", "parameter_points"};
  constexpr std::array<std::string_view, 4> pyhf_keys = {"channels", "measurements", "observations",
                                                         "patches"};
  if (!root.is(JsonKind::object)) return false;
  for (const JsonValue::Member& member : root.members()) {
    if (std::find(hs3_keys.begin(), hs3_keys.end(), member.key) != hs3_keys.end()) return true;
    if (std::find(pyhf_keys.begin(), pyhf_keys.end(), member.key) != pyhf_keys.end()) return false;
  }
  return false;
}

/// Position of `name`; 0 if it is empty and nothing has an empty name.
std::size_t position_of(const std::string& name, const std::vector<std::string>& known,
                        const std::string& source, const char* what) {
  if (known.empty()) {
    throw ArgumentError("found no " + std::string(what) + " in " + source + ", expected one", what);
  }
  const auto found = std::find(known.begin(), known.end(), name);
  if (found != known.end()) return static_cast<std::size_t>(found - known.begin());
  if (name.empty()) return 0;
  throw ArgumentError("found no " + std::string(what) + " " + quoted(name) + " in " + source +
                          ", expected one of " + quoted_list({known.begin(), known.end()}) +
                          detail::did_you_mean(name, known),
                      what);
}

}  // namespace

struct Workspace::Contents {
  std::string source;
  Format format;
  std::optional<PyhfWorkspace> pyhf;
  std::vector<ModelSpec> measurements;  ///< of HS3
  std::vector<std::string> measurement_names;
  std::vector<Observations> datasets;
  std::vector<std::string> notes;

  void take(PyhfWorkspace workspace) {
    format = Format::pyhf;
    measurement_names = workspace.measurement_names();
    datasets.push_back(workspace.observations());
    notes = workspace.notes();
    pyhf = std::move(workspace);
  }
  void take(Hs3Document document) {
    format = Format::hs3;
    measurements = std::move(document.measurements);
    for (const ModelSpec& spec : measurements) measurement_names.push_back(spec.name);
    datasets = std::move(document.datasets);
    notes = std::move(document.notes);
  }
};

Workspace::Workspace(std::shared_ptr<const Contents> contents) noexcept
    : contents_(std::move(contents)) {}

Workspace Workspace::load(const std::string& path) { return parse(content_of(path), path); }

Workspace Workspace::parse(std::string_view text, const std::string& source) {
  const auto contents = std::make_shared<Contents>();
  contents->source = source;
  JsonDocument document = JsonDocument::parse(text, source);
  if (is_hs3(document.root())) {
    contents->take(read_hs3(document));
  } else {
    contents->take(read_pyhf(std::move(document)));
  }
  return Workspace(contents);
}

Workspace::Format Workspace::format() const noexcept { return contents_->format; }

const std::vector<std::string>& Workspace::measurement_names() const noexcept {
  return contents_->measurement_names;
}

ModelSpec Workspace::model_spec(const std::string& measurement) const {
  const Contents& contents = *contents_;
  if (contents.pyhf) return contents.pyhf->model_spec(measurement);
  return contents.measurements[position_of(measurement, contents.measurement_names, contents.source,
                                           "measurement")];
}

const std::vector<Observations>& Workspace::datasets() const noexcept {
  return contents_->datasets;
}

const Observations& Workspace::observations(const std::string& name) const {
  std::vector<std::string> known;
  for (const Observations& dataset : contents_->datasets) known.push_back(dataset.name);
  return contents_->datasets[position_of(name, known, contents_->source, "data set")];
}

const std::vector<std::string>& Workspace::notes() const noexcept { return contents_->notes; }

}  // namespace nablafit::io
