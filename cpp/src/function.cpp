#include "nablafit/function.hpp"

namespace nablafit {

Function::~Function() = default;

}  // namespace nablafit
