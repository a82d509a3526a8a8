/// Any bytes as a formula: refused with a SpecError, or value and derivatives are computed.
#include <string>
#include <vector>

#include "expression.hpp"
#include "fuzz_target.hpp"
#include "nablafit/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const nablafit::detail::Expression expression(text, {"a", "b", "mu_SIG", "gamma[3]"});
    std::vector<double> gradient(4), hessian(16);
    for (const double x : {1.0, 0.0, -2.5, 1e300}) {
      const std::vector<double> parameters{x, 0.5, -x, 1.0};
      expression.derivatives(parameters.data(), gradient.data(), hessian.data());
    }
  } catch (const nablafit::SpecError&) {
    return 0;
  }
  return 0;
}
