#include "io/json_parser.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <locale>
#include <optional>
#include <sstream>

#include "nablafit/error.hpp"

namespace nablafit::io {
namespace {

bool is_digit(char character) noexcept { return character >= '0' && character <= '9'; }

/// "line 3, column 7" of a byte of the text, both from 1; columns count bytes.
std::string line_and_column(std::string_view before) {
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return "line " + std::to_string(line) + ", column " +
         std::to_string(before.size() - line_start + 1);
}

/// Conversion of a text that is known to be a JSON number; none if it overflows. Correctly rounded,
/// independent of the locale.
std::optional<double> to_double(const char* first, const char* last) {
  double value = 0.0;
#if defined(__cpp_lib_to_chars) && __cpp_lib_to_chars >= 201611L
  if (std::from_chars(first, last, value).ec == std::errc()) return value;
  // Out of range: too small reads as zero, as everywhere else.
  const char* exponent = std::find_if(first, last, [](char c) { return c == 'e' || c == 'E'; });
  const char* digits = *first == '-' ? first + 1 : first;
  const bool is_tiny = exponent != last ? exponent[1] == '-' : *digits == '0';
  if (is_tiny) return 0.0;
  return std::nullopt;
#else
  std::istringstream stream(std::string(first, last));
  stream.imbue(std::locale::classic());
  if (stream >> value) return value;
  return std::abs(value) < 1.0 ? std::optional<double>(0.0) : std::nullopt;
#endif
}

}  // namespace

JsonParser::JsonParser(std::string_view text, JsonDocument& document)
    : first_(text.data()),
      next_(text.data()),
      last_(text.data() + text.size()),
      document_(document) {
  document_.nodes_.reserve(text.size() / 24 + 16);
  document_.characters_.reserve(text.size() / 4 + 16);
}

void JsonParser::run() {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (std::string_view(next_, static_cast<std::size_t>(last_ - next_)).substr(0, 3) ==
      byte_order_mark) {
    next_ += byte_order_mark.size();
  }
  skip_space();
  if (next_ == last_) fail(next_, "a JSON object; the text is empty");
  do {
    if (expects_value_) {
      read_value();
    } else {
      read_after_value();
    }
    skip_space();
  } while (expects_value_ || !open_.empty());
  if (next_ != last_) fail(next_, "the end of the text after the document");
}

void JsonParser::read_value() {
  expects_value_ = false;
  switch (peek()) {
    case '{':
      open(JsonKind::object);
      skip_space();
      if (peek() == '}') return close();
      return read_key();
    case '[':
      open(JsonKind::array);
      skip_space();
      if (peek() == ']') return close();
      expects_value_ = true;
      return;
    case '"':
      return read_text();
    case 't':
      read_literal("true");
      add(JsonKind::boolean).boolean = true;
      return;
    case 'f':
      read_literal("false");
      add(JsonKind::boolean);
      return;
    case 'n':
      read_literal("null");
      add(JsonKind::null);
      return;
    case 'N':
    case 'I':
      fail(next_, "a value; JSON has no NaN or Infinity: write a finite number");
    default:
      if (peek() != '-' && !is_digit(peek())) fail(next_, "a value");
      read_number();
  }
}

void JsonParser::read_after_value() {
  const bool in_object = document_.nodes_[open_.back()].kind == JsonKind::object;
  const char next = peek();
  if (next == ',') {
    ++next_;
    skip_space();
    if (in_object) return read_key();
    expects_value_ = true;
  } else if (next == (in_object ? '}' : ']')) {
    close();
  } else {
    fail(next_, in_object ? "',' or '}'" : "',' or ']'");
  }
}

void JsonParser::read_key() {
  if (peek() != '"') fail(next_, "a key in double quotes");
  read_text();
  skip_space();
  if (peek() != ':') fail(next_, "':' after the key");
  ++next_;
  expects_value_ = true;
}

void JsonParser::read_literal(std::string_view literal) {
  const auto n_left = static_cast<std::size_t>(last_ - next_);
  if (std::string_view(next_, n_left).substr(0, literal.size()) != literal) {
    fail(n_left < literal.size() ? last_ : next_, "the literal " + std::string(literal));
  }
  next_ += literal.size();
}

const char* JsonParser::end_of_number() const {
  const char* at = next_;
  const auto digits = [&] {
    const char* begin = at;
    while (at != last_ && is_digit(*at)) ++at;
    if (at == begin) fail_const(at, "a digit; JSON has no NaN or Infinity");
  };
  if (*at == '-') ++at;
  if (at != last_ && *at == '0') {
    ++at;
    if (at != last_ && is_digit(*at)) fail_const(at, "no digit after a leading zero");
  } else {
    digits();
  }
  if (at != last_ && *at == '.') {
    ++at;
    digits();
  }
  if (at != last_ && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != last_ && (*at == '+' || *at == '-')) ++at;
    digits();
  }
  return at;
}

void JsonParser::read_number() {
  const char* end = end_of_number();
  const std::optional<double> value = to_double(next_, end);
  if (!value) fail(next_, "a number within the range of a double, below 1.8e308 in magnitude");
  add(JsonKind::number).number = *value;
  next_ = end;
}

void JsonParser::read_text() {
  std::vector<char>& characters = document_.characters_;
  const auto offset = static_cast<std::uint32_t>(characters.size());
  const char* begin = ++next_;
  for (;;) {
    while (next_ != last_ && *next_ != '"' && *next_ != '\\' &&
           static_cast<unsigned char>(*next_) >= 0x20) {
      next_ = static_cast<unsigned char>(*next_) < 0x80 ? next_ + 1 : skip_utf8_sequence(next_);
    }
    if (next_ == last_) fail(next_, "'\"' at the end of a string");
    if (*next_ != '"' && *next_ != '\\') fail(next_, "no control character in a string");
    characters.insert(characters.end(), begin, next_);
    if (*next_++ == '"') break;
    read_escape();
    begin = next_;
  }
  const auto length = static_cast<std::uint32_t>(characters.size()) - offset;
  add(JsonKind::string).text = {offset, length};
}

void JsonParser::read_escape() {
  constexpr std::string_view codes = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  if (peek() == 'u') {
    ++next_;
    std::uint32_t code_point = read_code_unit();
    if (code_point >= 0xD800 && code_point < 0xDC00 && last_ - next_ >= 6 && next_[0] == '\\' &&
        next_[1] == 'u') {
      next_ += 2;
      const std::uint32_t low = read_code_unit();
      if (low < 0xDC00 || low > 0xDFFF) fail(next_, "the second half of a surrogate pair");
      code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code_point >= 0xD800 && code_point < 0xE000) fail(next_, "a complete surrogate pair");
    return append_code_point(code_point);
  }
  const std::size_t index = next_ == last_ ? std::string_view::npos : codes.find(*next_);
  if (index == std::string_view::npos) fail(next_, "one of \" \\ / b f n r t u after '\\'");
  document_.characters_.push_back(meanings[index]);
  ++next_;
}

std::uint32_t JsonParser::read_code_unit() {
  std::uint32_t value = 0;
  if (last_ - next_ < 4) fail(last_, "four hexadecimal digits after '\\u'");
  const auto result = std::from_chars(next_, next_ + 4, value, 16);
  if (result.ptr != next_ + 4) fail(result.ptr, "four hexadecimal digits after '\\u'");
  next_ += 4;
  return value;
}

void JsonParser::append_code_point(std::uint32_t code_point) {
  std::vector<char>& out = document_.characters_;
  const auto continuation = [&](unsigned shift) {
    out.push_back(static_cast<char>(0x80U | ((code_point >> shift) & 0x3FU)));
  };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0U | (code_point >> 6)));
    continuation(0);
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0U | (code_point >> 12)));
    continuation(6);
    continuation(0);
  } else {
    out.push_back(static_cast<char>(0xF0U | (code_point >> 18)));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

const char* JsonParser::skip_utf8_sequence(const char* first) const {
  const auto byte = [&](std::ptrdiff_t i) {
    return i < last_ - first ? static_cast<unsigned char>(first[i]) : 0U;
  };
  const unsigned lead = byte(0);
  const int n_more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  // The second byte excludes overlong forms, surrogates and code points above 0x10FFFF.
  const unsigned lowest = lead == 0xE0 ? 0xA0U : lead == 0xF0 ? 0x90U : 0x80U;
  const unsigned highest = lead == 0xED ? 0x9FU : lead == 0xF4 ? 0x8FU : 0xBFU;
  bool valid = lead >= 0xC2 && lead <= 0xF4 && byte(1) >= lowest && byte(1) <= highest;
  for (int i = 2; i <= n_more; ++i) valid = valid && (byte(i) & 0xC0U) == 0x80U;
  if (!valid) fail_const(first, "UTF-8; the file has another encoding");
  return first + n_more + 1;
}

void JsonParser::skip_space() noexcept {
  constexpr std::uint64_t spaces = 0x2020202020202020U;
  for (;;) {
    // Indentation comes in long runs: eight bytes at a time.
    std::uint64_t word = 0;
    while (last_ - next_ >= 8 && (std::memcpy(&word, next_, 8), word == spaces)) next_ += 8;
    if (next_ == last_ || (*next_ != ' ' && *next_ != '\n' && *next_ != '\r' && *next_ != '\t')) {
      return;
    }
    ++next_;
  }
}

JsonParser::Node& JsonParser::add(JsonKind kind) {
  Node node;
  node.kind = kind;
  node.boolean = false;
  node.end = static_cast<std::uint32_t>(document_.nodes_.size() + 1);
  node.number = 0.0;
  document_.nodes_.push_back(node);
  return document_.nodes_.back();
}

void JsonParser::open(JsonKind kind) {
  if (open_.size() == JsonDocument::max_depth) {
    fail(next_,
         "arrays and objects nested at most " + std::to_string(JsonDocument::max_depth) + " deep");
  }
  open_.push_back(static_cast<std::uint32_t>(document_.nodes_.size()));
  add(kind);
  ++next_;
}

void JsonParser::close() {
  const std::uint32_t index = open_.back();
  Node& node = document_.nodes_[index];
  node.end = static_cast<std::uint32_t>(document_.nodes_.size());
  std::uint32_t size = 0;
  if (node.kind == JsonKind::object) {
    check_keys(index);
    size = static_cast<std::uint32_t>(keys_.size());
  } else {
    for (std::uint32_t i = index + 1; i != node.end; i = document_.nodes_[i].end) ++size;
  }
  node.size = size;
  open_.pop_back();
  ++next_;
}

void JsonParser::check_keys(std::uint32_t object) {
  keys_.clear();
  for (const auto& member : JsonValue(document_, object).members()) keys_.push_back(member.key);
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

std::string JsonParser::open_place() {
  for (const std::uint32_t index : open_) {
    document_.nodes_[index].end = static_cast<std::uint32_t>(document_.nodes_.size());
  }
  return open_.empty() ? std::string() : JsonValue(document_, open_.back()).pointer();
}

void JsonParser::fail(const char* at, const std::string& expected) {
  const std::string place = open_place();
  if (place.empty()) fail_const(at, expected);
  fail_const(at, expected + " (inside " + place + ")");
}

void JsonParser::fail_const(const char* at, const std::string& expected) const {
  std::string found = "found the end of the text (truncated or incomplete)";
  if (at != last_) {
    const auto byte = static_cast<unsigned char>(*at);
    char code[8];
    std::snprintf(code, sizeof code, "0x%02X", static_cast<unsigned>(byte));
    found = byte > 0x20 && byte < 0x7F ? std::string("found '") + *at + "'"
                                       : std::string("found the byte ") + code;
  }
  const std::string_view before(first_, static_cast<std::size_t>(at - first_));
  throw WorkspaceError("not valid JSON: " + found + ", expected " + expected,
                       document_.source() + ": " + line_and_column(before));
}

}  // namespace nablafit::io
