/// Any bytes as a formula: refused with a SpecError, or value and derivatives are computed.
#include <string>
#include <vector>

#include "formula/formula.hpp"
#include "fuzz_target.hpp"
#include "nablafit/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const nablafit::detail::Formula formula({"f", text, {"a", "b", "mu_SIG", "gamma[3]"}}, 1);
    nablafit::detail::FormulaScratch<double> scratch;
    nablafit::detail::FormulaScratch<nablafit::detail::HessianNumber> second;
    std::vector<double> gradient(4), hessian(16);
    double value = 0.0;
    for (const double x : {1.0, 0.0, -2.5, 1e300}) {
      const std::vector<double> parameters{x, 0.5, -x, 1.0};
      formula.differentiate(parameters.data(), scratch, &value, gradient.data());
      formula.hessian(parameters.data(), second, &value, hessian.data());
    }
  } catch (const nablafit::SpecError&) {
    return 0;
  }
  return 0;
}
