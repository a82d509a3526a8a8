#include "nablafit/digest.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "nablafit/error.hpp"
#include "spec/members.hpp"
#include "util/sha256.hpp"

namespace nablafit {
namespace {

/// Feeds the canonical form to the hash.
class Writer {
 public:
  explicit Writer(std::string_view format) { characters(format); }
  std::string finish() { return "sha256:" + hash_.finish(); }

  void write(std::uint64_t number) {
    std::array<unsigned char, 8> bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(number >> (8 * i));
    hash_.update(bytes.data(), bytes.size());
  }
  void write(double number) {
    const double positive_zero = number == 0.0 ? 0.0 : number;
    std::uint64_t bits = 0;
    std::memcpy(&bits, &positive_zero, sizeof bits);
    write(bits);
  }
  void write(bool flag) {
    const unsigned char byte = flag ? 1 : 0;
    hash_.update(&byte, 1);
  }
  void write(Interpolation code) { write(static_cast<std::uint64_t>(code)); }
  void write(const std::string& text) {
    write(std::uint64_t{text.size()});
    characters(text);
  }
  /// Code has no canonical form. If there is none, nothing is written.
  void write(const std::shared_ptr<const Function>& function) {
    if (function == nullptr) return;
    throw ArgumentError(
        "a model with functions in C++ has no digest; write them as expressions if possible");
  }
  template <typename T>
  void write(const std::vector<T>& items) {
    write(std::uint64_t{items.size()});
    for (const T& item : items) write(item);
  }
  template <typename T>
  void write(const std::optional<T>& value) {
    write(value.has_value());
    if (value) write(*value);
  }
  template <typename... Types>
  void write(const std::variant<Types...>& value) {
    write(std::uint64_t{value.index()});
    std::visit([this](const auto& alternative) { this->write(alternative); }, value);
  }
  template <typename T>
  auto write(const T& value) -> decltype(detail::members(value), void()) {
    std::apply([this](const auto&... member) { (this->write(member), ...); },
               detail::members(value));
  }

 private:
  void characters(std::string_view text) {
    hash_.update(reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }

  detail::Sha256 hash_;
};

template <typename T>
std::string digest_of(const T& value, std::string_view format) {
  Writer writer(format);
  writer.write(value);
  return writer.finish();
}

}  // namespace

std::string digest(const ModelSpec& spec) { return digest_of(spec, "nablafit.ModelSpec/1"); }

std::string digest(const Data& data) { return digest_of(data, "nablafit.Data/1"); }

}  // namespace nablafit
