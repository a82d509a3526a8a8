#include "mutation.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "random_spec.hpp"

namespace nablafit::testing {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t max_depth = 100;

bool nests_deeper(const std::string& text, std::size_t limit) {
  std::size_t depth = 0;
  for (const char c : text) {
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (depth > limit) return true;
  }
  return false;
}

void collect(Json& value, std::vector<Json*>& found) {
  found.push_back(&value);
  if (!value.is_structured()) return;
  for (Json& child : value) collect(child, found);
}

double extreme_number(Random& random, double old) {
  static const std::vector<double> numbers{
      0.0,   -0.0,  1.0,   -1.0,   0.5,   5.0,     1e-300, 5e-324, 1e-12,         1e-8,
      1e15,  1e150, 1e300, -1e300, 1e308, 1.7e308, 1e9,    -1e9,   2147483648.0,  4294967295.0,
      1e-10, 10.0,  -5.0,  1e19,   3.0,   255.0,   65536,  1e5,    18446744073e9, 1e-100};
  switch (random.below(5)) {
    case 0:
      return -old;
    case 1:
      return old * random.pick<double>({10.0, 0.1, 1e10, 1e-10, 1e100, 1.0000001});
    case 2:
      return random.uniform(-10.0, 10.0);
    default:
      return random.pick(numbers);
  }
}

/// Another scalar in place of `value`, of its kind or not.
void replace_scalar(Json& value, Random& random) {
  if (value.is_number() && random.chance(0.9)) {
    value = extreme_number(random, value.get<double>());
    return;
  }
  switch (random.below(6)) {
    case 0:
      value = nullptr;
      break;
    case 1:
      value = random.chance(0.5);
      break;
    case 2:
      value = extreme_number(random, 1.0);
      break;
    case 3:
      value = Json::array();
      break;
    case 4:
      value = Json::object();
      break;
    default:
      value = random.pick<std::string>({"", "mu", "staterror", "normsys", "@0", "a[0]", "\u00b5"});
  }
}

void change_array(Json& array, Random& random) {
  const auto at = static_cast<std::ptrdiff_t>(random.below(array.size()));
  const Json copy = array[static_cast<std::size_t>(at)];
  switch (random.below(3)) {
    case 0:
      array.erase(array.begin() + at);
      break;
    case 1:
      array.push_back(copy);
      break;
    default:
      array.insert(array.begin(), random.below(6), copy);
  }
}

void change_object(Json& object, Random& random) {
  auto member = object.begin();
  std::advance(member, static_cast<std::ptrdiff_t>(random.below(object.size())));
  const std::string key = member.key();
  Json value = member.value();
  switch (random.below(3)) {
    case 0:
      object.erase(key);
      break;
    case 1:
      object.erase(key);
      object[key + "_"] = std::move(value);
      break;
    default:
      object[random.pick<std::string>({"name", "type", "data", "modifiers", "extra"})] =
          std::move(value);
  }
}

void change_once(Json& document, Random& random) {
  std::vector<Json*> values;
  collect(document, values);
  Json& value = *random.pick(values);
  const std::size_t way = random.below(8);
  if (way == 0) {
    Json copy = *random.pick(values);  // may contain `value`, or be contained in it
    value = std::move(copy);
  } else if (value.is_array() && !value.empty() && way < 5) {
    change_array(value, random);
  } else if (value.is_object() && !value.empty() && way < 5) {
    change_object(value, random);
  } else if (value.is_primitive() || way == 7) {
    replace_scalar(value, random);
  }
}

}  // namespace

std::string mutate_json(const std::string& text, std::uint64_t seed, std::size_t max_size) {
  if (nests_deeper(text, max_depth)) return text;
  Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) return text;
  Random random(seed);
  const std::size_t n_changes = 1 + random.below(random.chance(0.8) ? 3 : 10);
  for (std::size_t i = 0; i < n_changes; ++i) change_once(document, random);
  std::string result = document.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (result.size() > max_size) result.clear();
  return result;
}

std::string mutate_bytes(std::string bytes, std::uint64_t seed) {
  Random random(seed);
  const std::size_t n_changes = 1 + random.below(4);
  for (std::size_t i = 0; i < n_changes && !bytes.empty(); ++i) {
    const std::size_t at = random.below(bytes.size());
    const std::size_t length = 1 + random.below(std::min<std::size_t>(bytes.size() - at, 32));
    switch (random.below(5)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1U << random.below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(random.below(256));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(random.below(bytes.size()), bytes.substr(at, length));
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

}  // namespace nablafit::testing
