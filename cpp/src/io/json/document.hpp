/// \file
/// A parsed JSON text: flat, read-only, for readers that report where something is wrong.
///
/// All values live in one array in the order of the text (a container is followed by its content),
/// so that reading is a linear walk; strings are in one buffer. The JSON pointer of a value is not
/// stored: it is found from the root when an error needs it.
#ifndef NABLAFIT_SRC_IO_JSON_DOCUMENT_HPP
#define NABLAFIT_SRC_IO_JSON_DOCUMENT_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace nablafit::io {

enum class JsonKind : std::uint8_t { null, boolean, number, string, array, object };

class JsonDocument;

/// One value of a document: two words, passed by value, valid as long as the document is not moved.
/// A default-constructed value does not exist. The accessors do not check the kind.
class JsonValue {
 public:
  struct Member;
  template <typename Item>
  class Iterator;
  template <typename Item>
  class Items;

  JsonValue() = default;
  JsonValue(const JsonDocument& document, std::uint32_t index)
      : document_(&document), index_(index) {}

  bool exists() const noexcept { return document_ != nullptr; }
  const JsonDocument& document() const noexcept { return *document_; }
  JsonKind kind() const noexcept;
  bool is(JsonKind kind_asked) const noexcept { return kind() == kind_asked; }

  bool boolean() const noexcept;
  double number() const noexcept;
  std::string_view string() const noexcept;
  /// Elements of an array, members of an object.
  std::size_t size() const noexcept;
  Items<JsonValue> elements() const noexcept;
  Items<Member> members() const noexcept;
  /// Member of an object; a value that does not exist if there is none.
  JsonValue find(std::string_view key) const noexcept;

  /// Whether this value comes before the other in the text; both must be in the same document.
  bool is_before(const JsonValue& other) const noexcept { return index_ < other.index_; }
  /// RFC 6901 pointer from the root, such as `/channels/0/name`; empty for the root.
  std::string pointer() const;

 private:
  const JsonDocument* document_ = nullptr;
  std::uint32_t index_ = 0;
};

struct JsonValue::Member {
  std::string_view key;
  JsonValue value;
};

/// Immutable. Throws from `parse` only.
class JsonDocument {
 public:
  static constexpr std::size_t max_depth = 100;
  static constexpr std::size_t max_bytes = std::size_t{1} << 31;

  /// Parses a UTF-8 JSON text (RFC 8259). Throws WorkspaceError for what is not JSON (location:
  /// `source: line 3, column 7`), for repeated keys in an object (location: `source: /pointer`),
  /// and beyond the limits of depth and size.
  static JsonDocument parse(std::string_view text, const std::string& source);

  JsonValue root() const noexcept { return {*this, 0}; }
  const std::string& source() const noexcept { return source_; }

 private:
  friend class JsonSaxHandler;
  friend class JsonValue;

  struct Text {
    std::uint32_t offset;
    std::uint32_t length;
  };
  struct Node {
    JsonKind kind;
    bool boolean;
    std::uint32_t end;  ///< index of the node after this value and its content
    union {
      double number;
      Text text;
      std::uint32_t size;
    };
  };

  explicit JsonDocument(std::string source) : source_(std::move(source)) {}
  std::string_view view(const Node& node) const noexcept {
    return {characters_.data() + node.text.offset, node.text.length};
  }

  std::string source_;
  std::vector<Node> nodes_;  ///< members of objects: the key as a string node, then the value
  std::vector<char> characters_;
};

// --- walking
// ---------------------------------------------------------------------------------------

/// Forward iterator over the elements of an array or the members of an object.
template <typename Item>
class JsonValue::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Item;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = Item;

  Iterator(const JsonDocument* document, std::uint32_t index)
      : document_(document), index_(index) {}
  Item operator*() const noexcept;
  Iterator& operator++() noexcept;
  bool operator==(const Iterator& other) const noexcept { return index_ == other.index_; }
  bool operator!=(const Iterator& other) const noexcept { return index_ != other.index_; }

 private:
  const JsonDocument* document_;
  std::uint32_t index_;
};

template <typename Item>
class JsonValue::Items {
 public:
  Items(const JsonDocument* document, std::uint32_t first, std::uint32_t last)
      : document_(document), first_(first), last_(last) {}
  Iterator<Item> begin() const noexcept { return {document_, first_}; }
  Iterator<Item> end() const noexcept { return {document_, last_}; }

 private:
  const JsonDocument* document_;
  std::uint32_t first_;
  std::uint32_t last_;
};

inline JsonKind JsonValue::kind() const noexcept { return document_->nodes_[index_].kind; }
inline bool JsonValue::boolean() const noexcept { return document_->nodes_[index_].boolean; }
inline double JsonValue::number() const noexcept { return document_->nodes_[index_].number; }
inline std::size_t JsonValue::size() const noexcept { return document_->nodes_[index_].size; }
inline std::string_view JsonValue::string() const noexcept {
  return document_->view(document_->nodes_[index_]);
}
inline JsonValue::Items<JsonValue> JsonValue::elements() const noexcept {
  return {document_, index_ + 1, document_->nodes_[index_].end};
}
inline JsonValue::Items<JsonValue::Member> JsonValue::members() const noexcept {
  return {document_, index_ + 1, document_->nodes_[index_].end};
}

template <>
inline JsonValue JsonValue::Iterator<JsonValue>::operator*() const noexcept {
  return {*document_, index_};
}
template <>
inline JsonValue::Iterator<JsonValue>& JsonValue::Iterator<JsonValue>::operator++() noexcept {
  index_ = document_->nodes_[index_].end;
  return *this;
}
template <>
inline JsonValue::Member JsonValue::Iterator<JsonValue::Member>::operator*() const noexcept {
  return {document_->view(document_->nodes_[index_]), {*document_, index_ + 1}};
}
template <>
inline JsonValue::Iterator<JsonValue::Member>&
JsonValue::Iterator<JsonValue::Member>::operator++() noexcept {
  index_ = document_->nodes_[index_ + 1].end;
  return *this;
}

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_JSON_DOCUMENT_HPP
