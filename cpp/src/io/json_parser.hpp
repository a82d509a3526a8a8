/// \file
/// Fills a JsonDocument from text.
#ifndef NABLAFIT_IO_JSON_PARSER_HPP
#define NABLAFIT_IO_JSON_PARSER_HPP

#include <string>
#include <string_view>
#include <vector>

#include "io/json_document.hpp"

namespace nablafit::io {

/// One pass over the text, with an explicit stack of open containers, so that deep input cannot
/// overflow the call stack. Used once, by JsonDocument::parse, whose contract it keeps.
class JsonParser {
 public:
  JsonParser(std::string_view text, JsonDocument& document);
  void run();

 private:
  using Node = JsonDocument::Node;

  void read_value();
  void read_after_value();
  void read_key();
  void read_literal(std::string_view literal);
  void read_number();
  void read_text();
  void read_escape();
  std::uint32_t read_code_unit();
  void append_code_point(std::uint32_t code_point);
  const char* skip_utf8_sequence(const char* first) const;
  const char* end_of_number() const;

  void skip_space() noexcept;
  /// The next byte; 0 at the end of the text.
  char peek() const noexcept { return next_ == last_ ? '\0' : *next_; }
  Node& add(JsonKind kind);
  void open(JsonKind kind);
  void close();
  void check_keys(std::uint32_t object);

  /// Pointer of the innermost open container, or "the document".
  std::string open_place();
  [[noreturn]] void fail(const char* at, const std::string& expected);
  [[noreturn]] void fail_const(const char* at, const std::string& expected) const;

  const char* first_;
  const char* next_;
  const char* last_;
  JsonDocument& document_;
  std::vector<std::uint32_t> open_;     ///< node indices
  std::vector<std::string_view> keys_;  ///< scratch of check_keys
  bool expects_value_ = true;
};

}  // namespace nablafit::io

#endif  // NABLAFIT_IO_JSON_PARSER_HPP
