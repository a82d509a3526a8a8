// Known answers from the file kat_vectors of Random123 1.14 (philox4x32 with 10 rounds).
#include <doctest/doctest.h>

#include <set>

#include "util/philox.hpp"

using nablafit::detail::philox;
using nablafit::detail::PhiloxCounter;

TEST_CASE("philox gives the published answers") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) ==
        PhiloxCounter{0x6627E8D5U, 0xE169C58DU, 0xBC57AC4CU, 0x9B00DBD8U});
  const std::uint32_t ones = 0xFFFFFFFFU;
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) ==
        PhiloxCounter{0x408F276DU, 0x41C83B0EU, 0xA20BC7C6U, 0x6D5451FDU});
  CHECK(philox({0x243F6A88U, 0x85A308D3U, 0x13198A2EU, 0x03707344U}, {0xA4093822U, 0x299F31D0U}) ==
        PhiloxCounter{0xD16CFE09U, 0x94FDCCEBU, 0x5001E420U, 0x24126EA1U});
}

TEST_CASE("philox answers differ for every counter and key") {
  std::set<PhiloxCounter> answers;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    answers.insert(philox({i, 0, 0, 0}, {7, 0}));
    answers.insert(philox({0, 0, 0, i + 1}, {7, 0}));
    answers.insert(philox({0, 0, 0, 0}, {i + 8, 0}));
  }
  CHECK(answers.size() == 3000);
}
