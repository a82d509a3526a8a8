/// \file
/// Eight doubles at once, in the widest registers that the translation unit is compiled for.
#ifndef NABLAFIT_SRC_UTIL_LANES_HPP
#define NABLAFIT_SRC_UTIL_LANES_HPP

namespace nablafit::detail {

/// Rows and factors are laid out in groups of this many; every array of lanes is 64-byte aligned.
inline constexpr int n_lanes = 8;

}  // namespace nablafit::detail

// What follows depends on the instruction set, so each sweep has its own copy in its own namespace:
// the linker must never exchange one for another.
#ifdef NABLAFIT_SWEEP_NAMESPACE

namespace nablafit::detail::NABLAFIT_SWEEP_NAMESPACE {

#if defined(__GNUC__) && defined(__AVX512F__)
typedef double Register __attribute__((vector_size(64)));
inline constexpr int register_lanes = 8;
#elif defined(__GNUC__) && defined(__AVX__)
typedef double Register __attribute__((vector_size(32)));
inline constexpr int register_lanes = 4;
#elif defined(__GNUC__)
typedef double Register __attribute__((vector_size(16)));
inline constexpr int register_lanes = 2;
#else
using Register = double;
inline constexpr int register_lanes = 1;
#endif

inline constexpr int n_registers = n_lanes / register_lanes;

/// Value type; all operations act lane by lane.
struct Lanes {
  Register part[n_registers];

  static Lanes load(const double* source) {
    Lanes result;
    const auto* registers = reinterpret_cast<const Register*>(source);
    for (int i = 0; i < n_registers; ++i) result.part[i] = registers[i];
    return result;
  }

  static Lanes broadcast(double value) {
    Lanes result;
    for (int i = 0; i < n_registers; ++i) result.part[i] = Register{} + value;
    return result;
  }

  static Lanes constant(const Lanes& value) { return value; }

  void store(double* target) const {
    auto* registers = reinterpret_cast<Register*>(target);
    for (int i = 0; i < n_registers; ++i) registers[i] = part[i];
  }

  Lanes& operator+=(const Lanes& other) {
    for (int i = 0; i < n_registers; ++i) part[i] += other.part[i];
    return *this;
  }

  Lanes& operator*=(const Lanes& other) {
    for (int i = 0; i < n_registers; ++i) part[i] *= other.part[i];
    return *this;
  }

  friend Lanes operator+(Lanes a, const Lanes& b) { return a += b; }
  friend Lanes operator*(Lanes a, const Lanes& b) { return a *= b; }
};

}  // namespace nablafit::detail::NABLAFIT_SWEEP_NAMESPACE

#endif  // NABLAFIT_SWEEP_NAMESPACE

#endif  // NABLAFIT_SRC_UTIL_LANES_HPP
