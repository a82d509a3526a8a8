/// \file
/// Checks for strict readers of JSON formats; their errors say where, what was found, what was
/// expected and what to do.
#ifndef NABLAFIT_SRC_IO_JSON_READER_HPP
#define NABLAFIT_SRC_IO_JSON_READER_HPP

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "io/json/document.hpp"

namespace nablafit::io {

/// Throws WorkspaceError located at `<source>: <pointer of where>`.
[[noreturn]] void fail(JsonValue where, const std::string& message);

/// "the number 3", "the string 'a'", "an array of 2", "an object", "null", "true".
std::string describe(JsonValue value);
/// In single quotes; long texts are truncated.
std::string quoted(std::string_view text);
/// "'a', 'b', 'c'"; at most ten, then how many more.
std::string quoted_list(const std::vector<std::string_view>& names);

/// `what` completes "expected ...": "a string, the name of a channel", "an array of samples".
void expect_kind(JsonValue value, JsonKind kind, std::string_view what);
std::string_view expect_string(JsonValue value, std::string_view what);
double expect_number(JsonValue value, std::string_view what);
/// An array that is not empty.
void expect_items(JsonValue value, std::string_view what);
/// An array of numbers that is not empty.
void expect_numbers(JsonValue value, std::string_view what);
/// The numbers of an array that expect_numbers has accepted.
std::vector<double> numbers(JsonValue array);

struct JsonField {
  std::string_view key;
  bool is_required = true;
};

/// The members of an object in the order of `fields`; those that are optional and missing do not
/// exist. Throws for values that are not objects, missing keys and keys that are not in `fields`.
/// `what` names the object: "a sample".
void read_fields(JsonValue object, std::string_view what, const JsonField* fields,
                 std::size_t n_fields, JsonValue* values);

template <std::size_t n>
std::array<JsonValue, n> read_fields(JsonValue object, std::string_view what,
                                     const std::array<JsonField, n>& fields) {
  std::array<JsonValue, n> values;
  read_fields(object, what, fields.data(), n, values.data());
  return values;
}

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_JSON_READER_HPP
