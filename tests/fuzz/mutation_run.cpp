/// Feeds a fuzz target with its seeds and mutations of them, the same on every machine and with any
/// compiler: `mutate_pyhf --runs 1000 --first 0 SEED...`, where a seed is a file or a directory of
/// files. Stops with status 1 at an input that takes more than 2 s of processor time, and at more
/// than 1 GB of memory; the input that was the last is left in a file named as the program with
/// `-input`.
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz_target.hpp"
#include "mutation.hpp"

namespace {

constexpr double max_seconds = 2.0;
constexpr long max_kilobytes = 1'000'000;
constexpr std::size_t max_size = 1 << 20;

namespace fs = std::filesystem;

std::string read_file(const fs::path& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", name.c_str());
    std::exit(2);
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The files of a directory in the order of their names, or the file itself.
void add_seeds(const fs::path& path, std::vector<std::string>& seeds) {
  std::vector<fs::path> files{path};
  if (fs::is_directory(path)) files.assign(fs::directory_iterator(path), fs::directory_iterator());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) seeds.push_back(read_file(file));
}

/// Seconds of processor time that the target takes for `input`.
double run(const std::string& input) {
  const std::clock_t start = std::clock();
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

long peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

struct Arguments {
  std::uint64_t runs = 1000, first = 0;
  std::vector<std::string> seeds;
};

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--runs" && i + 1 < argc) {
      arguments.runs = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--first" && i + 1 < argc) {
      arguments.first = std::strtoull(argv[++i], nullptr, 10);
    } else {
      add_seeds(argv[i], arguments.seeds);
    }
  }
  return arguments;
}

std::string input_number(const Arguments& arguments, std::uint64_t number) {
  if (number < arguments.seeds.size()) return arguments.seeds[number];
  const std::string& seed = arguments.seeds[number % arguments.seeds.size()];
  if (number % 3 == 0) return nablafit::testing::mutate_bytes(seed, number);
  const std::string mutated = nablafit::testing::mutate_json(seed, number, max_size);
  return mutated == seed ? nablafit::testing::mutate_bytes(seed, number) : mutated;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse_arguments(argc, argv);
  if (arguments.seeds.empty()) {
    std::fprintf(stderr, "usage: %s [--runs N] [--first N] SEED...\n", argv[0]);
    return 2;
  }
  const std::string kept = std::string(argv[0]) + "-input";
  double slowest = 0.0;
  for (std::uint64_t i = arguments.first; i < arguments.first + arguments.runs; ++i) {
    const std::string input = input_number(arguments, i);
    std::ofstream(kept, std::ios::binary) << input;
    try {
      slowest = std::max(slowest, run(input));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "input %llu threw: %s\n", static_cast<unsigned long long>(i),
                   error.what());
      return 1;
    }
    if (slowest > max_seconds || peak_kilobytes() > max_kilobytes) {
      std::fprintf(stderr, "input %llu: %.1f s, peak memory %ld kB\n",
                   static_cast<unsigned long long>(i), slowest, peak_kilobytes());
      return 1;
    }
  }
  fs::remove(kept);
  std::printf("%llu inputs, slowest %.3f s, peak memory %ld kB\n",
              static_cast<unsigned long long>(arguments.runs), slowest, peak_kilobytes());
  return 0;
}
