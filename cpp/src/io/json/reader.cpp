#include "io/json/reader.hpp"

#include <algorithm>
#include <cstdio>

#include "nablafit/error.hpp"
#include "util/nearest_name.hpp"

namespace nablafit::io {
namespace {

std::vector<std::string_view> keys_of(const JsonField* fields, std::size_t n_fields) {
  std::vector<std::string_view> keys;
  for (std::size_t i = 0; i < n_fields; ++i) keys.push_back(fields[i].key);
  return keys;
}

[[noreturn]] void fail_unknown_key(const JsonValue::Member& member, std::string_view what,
                                   const std::vector<std::string_view>& expected) {
  const std::string hint = detail::did_you_mean(member.key, expected);
  fail(member.value, "found the key " + quoted(member.key) + " in " + std::string(what) +
                         ", expected only " + quoted_list(expected) +
                         (hint.empty() ? "; remove the key" : hint));
}

[[noreturn]] void fail_missing_key(JsonValue object, std::string_view what, std::string_view key) {
  std::vector<std::string_view> found;
  for (const auto& member : object.members()) found.push_back(member.key);
  fail(object, "found " + std::string(what) + " with " +
                   (found.empty() ? "no keys" : "the keys " + quoted_list(found)) +
                   ", expected the key " + quoted(key) + " too; add it");
}

}  // namespace

void fail(JsonValue where, const std::string& message) {
  const std::string pointer = where.pointer();
  const std::string& source = where.document().source();
  throw WorkspaceError(message, pointer.empty() ? source : source + ": " + pointer);
}

std::string describe(JsonValue value) {
  switch (value.kind()) {
    case JsonKind::null:
      return "null";
    case JsonKind::boolean:
      return value.boolean() ? "true" : "false";
    case JsonKind::number: {
      char text[32];
      std::snprintf(text, sizeof text, "%.15g", value.number());
      return std::string("the number ") + text;
    }
    case JsonKind::string:
      return "the string " + quoted(value.string());
    case JsonKind::array:
      return value.size() == 0 ? "an empty array" : "an array of " + std::to_string(value.size());
    case JsonKind::object:
      break;
  }
  return "an object";
}

std::string quoted(std::string_view text) {
  constexpr std::size_t limit = 80;
  if (text.size() <= limit) return "'" + std::string(text) + "'";
  std::size_t length = limit;
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) --length;
  return "'" + std::string(text.substr(0, length)) + "...'";
}

std::string quoted_list(const std::vector<std::string_view>& names) {
  constexpr std::size_t limit = 10;
  std::string result;
  for (std::size_t i = 0; i < std::min(names.size(), limit); ++i) {
    result += (i == 0 ? "" : ", ") + quoted(names[i]);
  }
  if (names.size() > limit) result += " and " + std::to_string(names.size() - limit) + " more";
  return result;
}

void expect_kind(JsonValue value, JsonKind kind, std::string_view what) {
  if (!value.is(kind)) fail(value, "found " + describe(value) + ", expected " + std::string(what));
}

std::string_view expect_string(JsonValue value, std::string_view what) {
  expect_kind(value, JsonKind::string, what);
  return value.string();
}

double expect_number(JsonValue value, std::string_view what) {
  expect_kind(value, JsonKind::number, what);
  return value.number();
}

void expect_items(JsonValue value, std::string_view what) {
  expect_kind(value, JsonKind::array, what);
  if (value.size() == 0) {
    fail(value, "found an empty array, expected " + std::string(what) + ", at least one");
  }
}

void expect_numbers(JsonValue value, std::string_view what) {
  expect_items(value, what);
  for (const JsonValue element : value.elements()) {
    if (!element.is(JsonKind::number)) {
      fail(element,
           "found " + describe(element) + ", expected a number, an entry of " + std::string(what));
    }
  }
}

std::vector<double> numbers(JsonValue array) {
  std::vector<double> result;
  result.reserve(array.size());
  for (const JsonValue element : array.elements()) result.push_back(element.number());
  return result;
}

void read_fields(JsonValue object, std::string_view what, const JsonField* fields,
                 std::size_t n_fields, JsonValue* values) {
  expect_kind(object, JsonKind::object, what);
  for (const auto& member : object.members()) {
    const auto field = std::find_if(fields, fields + n_fields,
                                    [&](const JsonField& f) { return f.key == member.key; });
    if (field == fields + n_fields) fail_unknown_key(member, what, keys_of(fields, n_fields));
    values[field - fields] = member.value;
  }
  for (std::size_t i = 0; i < n_fields; ++i) {
    if (fields[i].is_required && !values[i].exists()) {
      fail_missing_key(object, what, fields[i].key);
    }
  }
}

}  // namespace nablafit::io
