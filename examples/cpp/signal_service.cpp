// Tests how well each of many signal hypotheses fits the data, as a reinterpretation service does.
// Every line of the input is a name and the signal's events in all bins of the workspace, channel
// by channel; every line of the output is a name, the fitted signal strength, its error and
// q(1) = 2 [NLL(1) - NLL(best)], with the background's parameters profiled. Lines are written in
// the order in which they are ready.
//
//   signal_service WORKSPACE.json N_THREADS < signals.txt
//
// The workspace is parsed once. Each thread compiles its own models, because the signals are part
// of them. Threads share only the constant specification, so only input and output need locks.
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/io/workspace.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"

namespace {

constexpr const char* strength = "signal_strength";

struct Signal {
  std::string name;
  std::vector<double> yields;  ///< channel by channel
};

/// The background model with one more sample in every channel, scaled by the signal strength.
nablafit::ModelSpec with_signal(nablafit::ModelSpec spec, const Signal& signal) {
  std::size_t first = 0;
  for (nablafit::Channel& channel : spec.channels) {
    const std::size_t n_bins = channel.n_bins();
    if (first + n_bins > signal.yields.size()) {
      throw nablafit::ArgumentError("found " + std::to_string(signal.yields.size()) +
                                        " yields, expected one per bin of the workspace",
                                    signal.name);
    }
    const double* yields = signal.yields.data() + first;
    nablafit::Sample sample;
    sample.name = "signal_hypothesis";
    sample.nominal.assign(yields, yields + n_bins);
    sample.modifiers.emplace_back(nablafit::NormFactor{strength, strength});
    channel.samples.push_back(std::move(sample));
    first += n_bins;
  }
  nablafit::Parameter parameter;
  parameter.name = strength;
  parameter.initial = 1.0;
  parameter.upper = 20.0;
  spec.parameters.push_back(parameter);
  spec.parameters_of_interest = {strength};
  return spec;
}

std::string answer(const nablafit::ModelSpec& background, const nablafit::Observations& observed,
                   const Signal& signal) {
  const nablafit::Model model(with_signal(background, signal));
  const nablafit::Likelihood likelihood(model, model.data(observed));
  nablafit::Minimizer minimizer(likelihood);

  const nablafit::MinimizeSummary best = minimizer.minimize();
  const std::size_t mu = model.parameter_index(strength);
  nablafit::MinimizeArguments at_one;
  at_one.start = best.x;
  at_one.start[mu] = 1.0;
  at_one.fixed = model.fixed();
  at_one.fixed[mu] = 1;
  const double q = 2.0 * (minimizer.minimize(at_one).value - best.value);

  char text[128];
  std::snprintf(text, sizeof text, " %.8g %.8g %.8g", best.x[mu], best.errors[mu], q);
  return signal.name + text;
}

/// Standard input and output, one line at a time.
class Lines {
 public:
  bool next(Signal& signal) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string line;
    if (!std::getline(std::cin, line)) return false;
    std::istringstream words(line);
    signal = {};
    words >> signal.name;
    for (double yield = 0.0; words >> yield;) signal.yields.push_back(yield);
    return true;
  }

  void write(const std::string& line) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::cout << line << '\n';
  }

 private:
  std::mutex mutex_;
};

void serve(const nablafit::io::Workspace& workspace, std::size_t n_threads) {
  const nablafit::ModelSpec background = workspace.model_spec();
  const nablafit::Observations& observed = workspace.observations();
  Lines lines;
  const auto work = [&] {
    for (Signal signal; lines.next(signal);) {
      try {
        lines.write(answer(background, observed, signal));
      } catch (const nablafit::Error& error) {  // a bad request must not end the service
        lines.write(signal.name + " error: " + error.what());
      }
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < n_threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s WORKSPACE.json N_THREADS < signals.txt\n", argv[0]);
    return 2;
  }
  try {
    serve(nablafit::io::Workspace::load(argv[1]), std::stoul(argv[2]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
