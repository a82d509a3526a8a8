#include "io/hs3/index.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "nablafit/error.hpp"
#include "util/nearest_name.hpp"

namespace nablafit::io {
namespace {

constexpr std::array<std::string_view, 10> top_level_keys = {
    "metadata", "distributions",    "functions", "data", "likelihoods",
    "domains",  "parameter_points", "analyses",  "misc", "product_domains"};

/// "6.40.00" as 640, "6.28/04" as 628; 0 if it is not such a version.
int root_version(std::string_view version) {
  const std::size_t dot = version.find('.');
  if (dot == std::string_view::npos) return 0;
  const int major = std::atoi(std::string(version.substr(0, dot)).c_str());
  const int minor = std::atoi(std::string(version.substr(dot + 1)).c_str());
  return 100 * major + minor;
}

void check_metadata(JsonValue root) {
  const JsonValue metadata = root.find("metadata");
  if (!metadata.exists()) return;
  expect_kind(metadata, JsonKind::object, "an object, the metadata");
  const JsonValue version = metadata.find("hs3_version");
  if (version.exists()) expect_string(version, "a string, the version of HS3");
  const JsonValue packages = metadata.find("packages");
  if (!packages.exists() || packages.is(JsonKind::null)) return;
  expect_kind(packages, JsonKind::array, "an array of packages");
  for (const JsonValue package : packages.elements()) {
    expect_kind(package, JsonKind::object, "an object, a package with 'name' and 'version'");
    for (const char* key : {"name", "version"}) {
      const JsonValue text = package.find(key);
      if (text.exists()) expect_string(text, "a string");
    }
  }
}

std::string_view package_version(JsonValue root, std::string_view name, bool& found) {
  const JsonValue packages = find_member(root.find("metadata"), "packages");
  found = false;
  if (!packages.exists() || packages.is(JsonKind::null)) return {};
  for (const JsonValue package : packages.elements()) {
    const JsonValue its_name = package.find("name");
    if (!its_name.exists() || its_name.string() != name) continue;
    found = true;
    const JsonValue version = package.find("version");
    return version.exists() ? version.string() : std::string_view();
  }
  return {};
}

void detect_dialect(Hs3Index& index, Hs3Notes& notes) {
  bool found = false;
  const auto named = [&](std::string_view name) {
    return std::string(package_version(index.root, name, found));
  };
  std::string version = named("nablafit");
  if (found) {
    index.dialect = Hs3Dialect::nablafit;
    const JsonValue own = find_member(find_member(index.root, "misc"), "nablafit");
    const JsonValue floors = find_member(own, "floors");
    index.has_root_floors =
        floors.exists() && floors.is(JsonKind::string) && floors.string() == "ROOT";
    notes.add("The document follows the conventions of nablafit " + version +
              ", named in its metadata.");
    return;
  }
  version = named("ROOT");
  const bool is_root = found;
  const std::string pyhs3_version = named("pyhs3");
  const bool is_pyhs3 = found;
  if (is_root || (index.root_internal.exists() && !is_pyhs3)) {
    index.dialect = Hs3Dialect::root;
    index.has_root_floors = true;
    const int number = root_version(version);
    index.has_tau_vals = number > 0 && number < 632;
    notes.add("The document follows the conventions of ROOT" +
              (is_root ? " " + version + ", named in its metadata: " : ", whose misc it has: ") +
              "interpolated histograms are clipped at 0 and products of normsys factors at the "
              "smallest positive number, as when ROOT reads HS3.");
    return;
  }
  index.dialect = is_pyhs3 ? Hs3Dialect::pyhs3 : Hs3Dialect::unstated;
  notes.add((is_pyhs3 ? "The document follows the conventions of pyhs3 " + pyhs3_version
                      : "The metadata name no program with known conventions, so the text of the "
                        "standard and the practice of pyhs3 were followed") +
            std::string(": negative yields are not clipped."));
}

/// Common mistakes for an HS3 document, and the results of failed exports.
void reject_other_formats(JsonValue root) {
  const std::string expected =
      ", expected an HS3 document, an object with 'distributions' and 'likelihoods'; ";
  if (!root.is(JsonKind::object)) {
    fail(root, "found " + describe(root) + expected + "check the file");
  }
  if (root.find("distributions").exists()) return;
  if (root.find("pdfs").exists()) {
    fail(root, "found the key 'pdfs' of ROOT before 6.28, a predecessor of HS3" + expected +
                   "export the workspace again with a newer ROOT, or read its ROOT file");
  }
  if (root.find("channels").exists()) {
    fail(root, "found a pyhf document" + expected + "read it as pyhf JSON");
  }
  fail(root, "found an object without 'distributions'" + expected + "check the file");
}

}  // namespace

JsonValue find_member(JsonValue object, std::string_view key) {
  if (!object.exists() || !object.is(JsonKind::object)) return {};
  return object.find(key);
}

Hs3Named::Hs3Named(JsonValue array, std::string_view what) : what_(what) {
  if (!array.exists()) return;
  expect_kind(array, JsonKind::array, "an array, each entry " + what_);
  for (const JsonValue value : array.elements()) {
    expect_kind(value, JsonKind::object, "an object, " + what_);
    const JsonValue name = value.find("name");
    if (!name.exists()) fail(value, "found " + what_ + " without 'name', expected one; add it");
    expect_string(name, "a string, the name of " + what_);
    const auto [first, is_new] = by_name_.emplace(name.string(), value);
    if (!is_new) {
      fail(name, "found a second " + what_.substr(what_.find(' ') + 1) + " " +
                     quoted(name.string()) + " (the first is " + first->second.pointer() +
                     "), expected different names; rename or remove one");
    }
    values_.push_back(value);
    names_.push_back(name.string());
  }
}

JsonValue Hs3Named::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? JsonValue() : found->second;
}

JsonValue Hs3Named::get(std::string_view name, JsonValue where) const {
  const JsonValue value = find(name);
  if (value.exists()) return value;
  fail(where,
       "found " + quoted(name) + ", which is not the name of " + what_ + ", expected " +
           (names_.empty() ? "one, but the document has none" : "one of " + quoted_list(names_)) +
           detail::did_you_mean(name, names_));
}

Hs3Index::Hs3Index(JsonValue document, Hs3Notes& notes) : root(document) {
  reject_other_formats(root);
  check_metadata(root);
  for (const auto& member : root.members()) {
    if (std::find(top_level_keys.begin(), top_level_keys.end(), member.key) ==
        top_level_keys.end()) {
      notes.add("The top-level key " + quoted(member.key) + " was ignored.");
    }
  }
  distributions = Hs3Named(root.find("distributions"), "a distribution");
  functions = Hs3Named(root.find("functions"), "a function");
  data = Hs3Named(root.find("data"), "a data set");
  likelihoods = Hs3Named(root.find("likelihoods"), "a likelihood");
  domains = Hs3Named(root.find("domains"), "a domain");
  points = Hs3Named(root.find("parameter_points"), "a parameter point");
  analyses = Hs3Named(root.find("analyses"), "an analysis");
  root_internal = find_member(root.find("misc"), "ROOT_internal");
  detect_dialect(*this, notes);
  if (dialect != Hs3Dialect::nablafit) return;
  const JsonValue own = find_member(find_member(root, "misc"), "nablafit");
  const JsonValue noted = find_member(own, "densities");
  if (!noted.exists() || !noted.is(JsonKind::object)) return;
  for (const auto& member : noted.members()) densities.emplace(member.key, member.value);
}

}  // namespace nablafit::io
