/// \file
/// The named parts of an HS3 document, and who wrote it.
#ifndef NABLAFIT_SRC_IO_HS3_INDEX_HPP
#define NABLAFIT_SRC_IO_HS3_INDEX_HPP

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "io/json/reader.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::io {

/// Sentences about what was assumed, each once, in the order of their first use. Those that end
/// with an example, " (first: ...", are the same if they agree up to the example.
class Hs3Notes {
 public:
  void add(const std::string& sentence) {
    const std::string without_example = sentence.substr(0, sentence.find(" (first: "));
    if (seen_.insert(without_example).second) sentences_.push_back(sentence);
  }
  std::vector<std::string> take() { return std::move(sentences_); }

 private:
  std::vector<std::string> sentences_;
  std::unordered_set<std::string> seen_;
};

/// The objects of a top-level array, by their "name". Throws for entries without a name and for
/// names that occur twice.
class Hs3Named {
 public:
  Hs3Named() = default;
  /// `what` names an entry: "a distribution". `array` need not exist.
  Hs3Named(JsonValue array, std::string_view what);

  /// The entry with this name; a value that does not exist if there is none.
  JsonValue find(std::string_view name) const;
  /// The entry with this name; throws at `where`, which refers to `name`, if there is none.
  JsonValue get(std::string_view name, JsonValue where) const;
  const std::vector<JsonValue>& values() const noexcept { return values_; }
  const std::vector<std::string_view>& names() const noexcept { return names_; }

 private:
  std::string what_;
  std::vector<JsonValue> values_;
  std::vector<std::string_view> names_;
  std::unordered_map<std::string_view, JsonValue> by_name_;
};

/// The conventions of a document where the standard leaves them open.
enum class Hs3Dialect { root, pyhs3, nablafit, unstated };

struct Hs3Index {
  /// Throws for anything that is not an HS3 document.
  Hs3Index(JsonValue document, Hs3Notes& notes);

  JsonValue root;
  Hs3Named distributions, functions, data, likelihoods, domains, points, analyses;
  JsonValue root_internal;  ///< misc/ROOT_internal; need not exist
  /// What nablafit notes of its densities, by distribution; none in documents of other programs.
  std::unordered_map<std::string_view, JsonValue> densities;
  Hs3Dialect dialect = Hs3Dialect::unstated;
  bool has_tau_vals = false;     ///< ROOT before 6.32: `vals` of a Poisson shapesys are tau
  bool has_root_floors = false;  ///< PiecewiseInterpolation and FlexibleInterpVar are clipped
};

/// The value of `key` in an object; does not exist if the object or the key does not.
JsonValue find_member(JsonValue object, std::string_view key);

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_INDEX_HPP
