#include "io/json/document.hpp"

namespace nablafit::io {
namespace {

std::string escaped(std::string_view key) {
  std::string result;
  for (const char character : key) {
    if (character == '~') {
      result += "~0";
    } else if (character == '/') {
      result += "~1";
    } else {
      result += character;
    }
  }
  return result;
}

}  // namespace

JsonValue JsonValue::find(std::string_view key) const noexcept {
  for (const Member& member : members()) {
    if (member.key == key) return member.value;
  }
  return {};
}

std::string JsonValue::pointer() const {
  std::string result;
  const auto& nodes = document_->nodes_;
  std::uint32_t container = 0;
  while (container != index_) {
    const bool is_object = nodes[container].kind == JsonKind::object;
    std::size_t position = 0;
    std::uint32_t child = container + 1 + (is_object ? 1U : 0U);
    while (nodes[child].end <= index_) {
      child = nodes[child].end + (is_object ? 1U : 0U);
      ++position;
    }
    result += '/';
    result += is_object ? escaped(document_->view(nodes[child - 1])) : std::to_string(position);
    container = child;
  }
  return result;
}

}  // namespace nablafit::io
