/// \file
/// JsonDocument::parse: nlohmann_json reads the text, an event handler fills the document.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "io/json/document.hpp"
#include "nablafit/error.hpp"
#include "util/interruption.hpp"

namespace nablafit::io {
namespace {

using Json = nlohmann::json;

/// "line 3, column 7" of the byte after `before`, both from 1; columns count bytes.
std::string line_and_column(std::string_view before) {
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return "line " + std::to_string(line) + ", column " +
         std::to_string(before.size() - line_start + 1);
}

std::string quoted_byte(char character) {
  const auto byte = static_cast<unsigned char>(character);
  if (byte > 0x20 && byte < 0x7F) return {'\'', character, '\''};
  char code[8];
  std::snprintf(code, sizeof code, "0x%02X", static_cast<unsigned>(byte));
  return std::string("the byte ") + code;
}

/// nlohmann_json's message without "syntax error while parsing value - "; empty if there is none.
std::string reason_of(const Json::exception& error) {
  const std::string text = error.what();
  const std::size_t dash = text.find(" - ");
  if (dash == std::string::npos) return {};
  const std::size_t first = dash + 3;
  return text.substr(first, text.find("; last read: ", first) - first);
}

bool starts_with(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

/// First byte of the complete token whose last byte is text[last]. Only for numbers and strings,
/// `token` is exactly the text of the token.
std::size_t token_start(std::string_view text, std::size_t last, const std::string& token) {
  constexpr std::string_view structural = "{}[]:,";
  if (structural.find(text[last]) != std::string_view::npos) return last;
  if (text[last] == '"' || (text[last] >= '0' && text[last] <= '9')) return last + 1 - token.size();
  const std::string_view before = text.substr(0, last + 1);
  return before.size() - (before.substr(before.size() - 4) == "alse" ? 5 : 4);
}

/// First byte of the UTF-8 sequence that text[at] interrupts, or `at` if there is none.
std::size_t utf8_start(std::string_view text, std::size_t at) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, at); ++back) {
    const auto byte = static_cast<unsigned char>(text[at - back]);
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    if (length > 1) return back < length ? at - back : at;
    if (byte < 0x80) break;
  }
  return at;
}

/// The bracket that opens level `depth` + 1 in a text that is valid up to there.
std::size_t bracket_beyond(std::string_view text, std::size_t depth) {
  std::size_t at = 0;
  bool in_string = false;
  for (std::size_t level = 0;; ++at) {
    if (text[at] == '"') in_string = !in_string;
    if (in_string && text[at] == '\\') ++at;
    if (in_string) continue;
    if (text[at] == ']' || text[at] == '}') --level;
    if ((text[at] == '[' || text[at] == '{') && level++ == depth) return at;
  }
}

}  // namespace

/// Called by nlohmann_json for every value; implements the contract of JsonDocument::parse. It
/// keeps a stack of open containers, and neither it nor the library recurses, so that deeply nested
/// input cannot overflow the call stack. Every error is thrown, so all events return true.
class JsonSaxHandler {
 public:
  JsonSaxHandler(std::string_view text, JsonDocument& document)
      : text_(text), end_(std::min(text.find('\0'), text.size())), document_(document) {
    document_.nodes_.reserve(text.size() / 24 + 16);
    document_.characters_.reserve(text.size() / 4 + 16);
  }

  void run() {
    const char* begin = text_.data();
    Json::sax_parse(begin, begin + end_, this);
    if (end_ != text_.size()) fail_unexpected(end_);
  }

  bool null() {
    add(JsonKind::null);
    return true;
  }
  bool boolean(bool value) {
    add(JsonKind::boolean).boolean = value;
    return true;
  }
  bool number_integer(Json::number_integer_t value) {
    return add_number(static_cast<double>(value));
  }
  bool number_unsigned(Json::number_unsigned_t value) {
    return add_number(static_cast<double>(value));
  }
  bool number_float(double value, const std::string&) { return add_number(value); }
  bool string(const std::string& value) {
    std::vector<char>& characters = document_.characters_;
    const auto offset = static_cast<std::uint32_t>(characters.size());
    characters.insert(characters.end(), value.begin(), value.end());
    add(JsonKind::string).text = {offset, static_cast<std::uint32_t>(value.size())};
    return true;
  }
  bool key(const std::string& value) { return string(value); }
  /// JSON has no binary values.
  bool binary(const Json::binary_t&) { return false; }

  bool start_object(std::size_t) { return open(JsonKind::object); }
  bool start_array(std::size_t) { return open(JsonKind::array); }
  bool end_object() {
    check_keys();
    innermost().size /= 2;
    return end_array();
  }
  bool end_array() {
    innermost().end = static_cast<std::uint32_t>(document_.nodes_.size());
    open_.pop_back();
    return true;
  }

  /// `position` counts the bytes read, including the end of the text.
  bool parse_error(std::size_t position, const std::string& token, const Json::exception& error) {
    constexpr int number_overflow = 406;
    const std::string reason = reason_of(error);
    const std::size_t last = std::min(position - 1, end_);
    if (error.id == number_overflow) {
      fail(token_start(text_, last, token),
           ", expected a number within the range of a double, below 1.8e308 in magnitude");
    }
    if (reason.empty() || starts_with(reason, "unexpected")) {
      fail_unexpected(last == end_ ? end_ : token_start(text_, last, token));
    }
    if (starts_with(reason, "invalid literal")) fail_literal(last);
    fail_inside_token(last, reason);
  }

 private:
  using Node = JsonDocument::Node;

  Node& innermost() { return document_.nodes_[open_.back()]; }

  /// The size of an open object includes its keys.
  Node& add(JsonKind kind) {
    detail::check_interruption(32);
    if (!open_.empty()) ++innermost().size;
    Node node;
    node.kind = kind;
    node.boolean = false;
    node.end = static_cast<std::uint32_t>(document_.nodes_.size() + 1);
    node.number = 0.0;
    document_.nodes_.push_back(node);
    return document_.nodes_.back();
  }
  bool add_number(double number) {
    add(JsonKind::number).number = number;
    return true;
  }

  bool open(JsonKind kind) {
    constexpr std::size_t limit = JsonDocument::max_depth;
    if (open_.size() == limit) {
      fail(bracket_beyond(text_, limit),
           ", expected arrays and objects nested at most " + std::to_string(limit) + " deep");
    }
    const auto index = static_cast<std::uint32_t>(document_.nodes_.size());
    add(kind).size = 0;
    open_.push_back(index);
    return true;
  }

  void check_keys();
  std::string expected_at(std::size_t at);
  std::string open_place();
  [[noreturn]] void fail_inside_token(std::size_t at, const std::string& reason);
  [[noreturn]] void fail_literal(std::size_t at);
  [[noreturn]] void fail_unexpected(std::size_t at) { fail(at, ", expected " + expected_at(at)); }
  [[noreturn]] void fail(std::size_t at, const std::string& problem);

  std::string_view text_;
  std::size_t end_;  ///< the first zero byte, where nlohmann_json ends the text
  JsonDocument& document_;
  std::vector<std::uint32_t> open_;     ///< node indices
  std::vector<std::string_view> keys_;  ///< scratch of check_keys
};

void JsonSaxHandler::check_keys() {
  keys_.clear();
  innermost().end = static_cast<std::uint32_t>(document_.nodes_.size());
  for (const auto& member : JsonValue(document_, open_.back()).members()) {
    keys_.push_back(member.key);
  }
  auto repeated = keys_.end();
  if (keys_.size() <= 8) {
    for (auto key = keys_.begin(); key != keys_.end() && repeated == keys_.end(); ++key) {
      if (std::find(keys_.begin(), key, *key) != key) repeated = key;
    }
  } else {
    std::sort(keys_.begin(), keys_.end());
    repeated = std::adjacent_find(keys_.begin(), keys_.end());
  }
  if (repeated == keys_.end()) return;
  const std::string place = open_place();
  throw WorkspaceError("found the key '" + std::string(*repeated) +
                           "' more than once in this object, expected every key once; remove or "
                           "rename one",
                       document_.source() + (place.empty() ? "" : ": " + place));
}

/// What is allowed at `at`, judged by what precedes it.
std::string JsonSaxHandler::expected_at(std::size_t at) {
  const bool is_empty = document_.nodes_.empty();
  if (is_empty) return at == text_.size() ? "a JSON object; the text is empty" : "a value";
  if (open_.empty()) return "the end of the text after the document";
  const bool in_object = innermost().kind == JsonKind::object;
  const char previous = text_[text_.substr(0, at).find_last_not_of(" \t\r\n")];
  if (previous == '{' || (previous == ',' && in_object)) return "a key in double quotes";
  if (previous == ',' || previous == '[' || previous == ':') return "a value";
  if (in_object && innermost().size % 2 == 1) return "':' after the key";
  return in_object ? "',' or '}'" : "',' or ']'";
}

/// Pointer of the innermost open container; empty for the document.
std::string JsonSaxHandler::open_place() {
  for (const std::uint32_t index : open_) {
    document_.nodes_[index].end = static_cast<std::uint32_t>(document_.nodes_.size());
  }
  return open_.empty() ? std::string() : JsonValue(document_, open_.back()).pointer();
}

void JsonSaxHandler::fail_inside_token(std::size_t at, const std::string& reason) {
  const bool is_encoding = at != end_ && reason.find("UTF-8") != std::string::npos;
  const bool is_infinity = starts_with(reason, "invalid number") && at != end_ && text_[at] == 'I';
  fail(is_encoding ? utf8_start(text_, at) : at,
       ": " + reason + (is_infinity ? "; JSON has no NaN or Infinity: write a finite number" : ""));
}

/// A byte that neither continues a literal nor begins a token.
void JsonSaxHandler::fail_literal(std::size_t at) {
  const bool is_inside = at > 0 && text_[at - 1] >= 'a' && text_[at - 1] <= 'z';
  if (is_inside) fail(at, ", expected true, false or null");
  const std::string expected = expected_at(at);
  const bool may_be_nan = expected == "a value" && (text_[at] == 'N' || text_[at] == 'I');
  fail(at, ", expected " + expected +
               (may_be_nan ? "; JSON has no NaN or Infinity: write a finite number" : ""));
}

void JsonSaxHandler::fail(std::size_t at, const std::string& problem) {
  const std::string found =
      at == text_.size() ? "the end of the text (truncated or incomplete)" : quoted_byte(text_[at]);
  const std::string place = open_place();
  throw WorkspaceError(
      "not valid JSON: found " + found + problem + (place.empty() ? "" : " (inside " + place + ")"),
      document_.source() + ": " + line_and_column(text_.substr(0, at)));
}

JsonDocument JsonDocument::parse(std::string_view text, const std::string& source) {
  if (text.size() >= max_bytes) {
    throw WorkspaceError("the text has " + std::to_string(text.size()) +
                             " bytes; expected fewer than " + std::to_string(max_bytes) +
                             ": split the workspace",
                         source);
  }
  JsonDocument document(source);
  JsonSaxHandler(text, document).run();
  return document;
}

}  // namespace nablafit::io
