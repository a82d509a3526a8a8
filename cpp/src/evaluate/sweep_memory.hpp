/// \file
/// Access of the sweeps to their scratch, as plain or as dual numbers. Included only by sweep.cpp.
#ifndef NABLAFIT_SRC_EVALUATE_SWEEP_MEMORY_HPP
#define NABLAFIT_SRC_EVALUATE_SWEEP_MEMORY_HPP

#include "evaluate/sweep.hpp"
#include "util/lanes.hpp"

#if defined(__GNUC__)
#define NABLAFIT_FLATTEN __attribute__((flatten))
#define NABLAFIT_RESTRICT __restrict__
#else
#define NABLAFIT_FLATTEN
#define NABLAFIT_RESTRICT
#endif

namespace nablafit::detail::NABLAFIT_SWEEP_NAMESPACE {
namespace {

/// For products that may leave out one operand: leave out none.
constexpr std::uint32_t no_gather = 0xFFFFFFFFU;

/// A value with its derivative along one direction, lane by lane.
struct DualLanes {
  Lanes value, tangent;

  static DualLanes constant(const Lanes& value) { return {value, Lanes::broadcast(0.0)}; }
  static DualLanes broadcast(double value) { return constant(Lanes::broadcast(value)); }

  DualLanes& operator+=(const DualLanes& other) {
    value += other.value;
    tangent += other.tangent;
    return *this;
  }

  DualLanes& operator*=(const DualLanes& other) { return *this = *this * other; }

  friend DualLanes operator+(DualLanes a, const DualLanes& b) { return a += b; }

  friend DualLanes operator*(const DualLanes& a, const DualLanes& b) {
    return {a.value * b.value, a.value * b.tangent + a.tangent * b.value};
  }

  friend DualLanes operator*(const DualLanes& a, const Lanes& b) {
    return {a.value * b, a.tangent * b};
  }
};

/// Each lane of `numbers`, or `replacement` where `limited` is below its floor.
Lanes replaced_below(const Lanes& numbers, const Lanes& limited, const double* floors,
                     const double* replacement) {
  alignas(64) double lanes[n_lanes];
  alignas(64) double limits[n_lanes];
  numbers.store(lanes);
  limited.store(limits);
  for (int l = 0; l < n_lanes; ++l) lanes[l] = limits[l] < floors[l] ? replacement[l] : lanes[l];
  return Lanes::load(lanes);
}

alignas(64) constexpr double zeros[n_lanes] = {};

Lanes raised_to_floor(const Lanes& product, const double* floors) {
  return replaced_below(product, product, floors, floors);
}

DualLanes raised_to_floor(const DualLanes& product, const double* floors) {
  return {raised_to_floor(product.value, floors),
          replaced_below(product.tangent, product.value, floors, zeros)};
}

/// Adjoint of a quantity with a floor: zero where the floor is active.
Lanes unless_floored(const Lanes& adjoint, const Lanes& limited, const double* floors) {
  return replaced_below(adjoint, limited, floors, zeros);
}

DualLanes unless_floored(const DualLanes& adjoint, const DualLanes& limited, const double* floors) {
  return {unless_floored(adjoint.value, limited.value, floors),
          unless_floored(adjoint.tangent, limited.value, floors)};
}

using Field = double* SweepScratch::*;

Lanes gather_lanes(const double* values, const std::int32_t* indices) {
  alignas(64) double lanes[n_lanes];
  for (int l = 0; l < n_lanes; ++l) lanes[l] = values[indices[l]];
  return Lanes::load(lanes);
}

void scatter_add_lanes(double* values, const std::int32_t* indices, const Lanes& addend) {
  alignas(64) double lanes[n_lanes];
  addend.store(lanes);
  for (int l = 0; l < n_lanes; ++l) values[indices[l]] += lanes[l];
}

double sum_of_lanes(const double* lanes) {
  const double low = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  const double high = (lanes[4] + lanes[5]) + (lanes[6] + lanes[7]);
  return low + high;
}

/// Values only. Members that are given a derivative ignore it.
struct PlainMemory {
  using Number = Lanes;
  static constexpr bool has_tangent = false;
  SweepScratch& s;

  double value(Field field, std::size_t i) const { return (s.*field)[i]; }
  void copy(Field to, std::size_t i, Field from, std::size_t j) const { (s.*to)[i] = (s.*from)[j]; }
  void set_zero(Field field, std::size_t i) const { (s.*field)[i] = 0.0; }
  /// field[i] = f(argument[j]), given f and its derivative.
  void set(Field field, std::size_t i, double f, double /*slope*/, Field, std::size_t) const {
    (s.*field)[i] = f;
  }

  Number load(Field field, std::size_t i) const { return Lanes::load(s.*field + i); }
  void store(Field field, std::size_t i, const Number& number) const { number.store(s.*field + i); }
  void add(Field field, std::size_t i, const Number& addend) const {
    store(field, i, load(field, i) + addend);
  }
  Number broadcast(Field field, std::size_t i) const { return Lanes::broadcast((s.*field)[i]); }
  /// Eight fields at once that are functions of one argument.
  Number set_lanes(Field field, std::size_t i, const double* f, const double* /*slope*/, Field,
                   std::size_t) const {
    const Lanes number = Lanes::load(f);
    store(field, i, number);
    return number;
  }

  Number gather(Field field, const std::int32_t* indices) const {
    return gather_lanes(s.*field, indices);
  }
  void scatter_add(Field field, const std::int32_t* indices, const Number& addend) const {
    scatter_add_lanes(s.*field, indices, addend);
  }
  void add_sum_of_lanes(Field to, std::size_t i, Field lanes, std::size_t j) const {
    (s.*to)[i] += sum_of_lanes(s.*lanes + j);
  }
};

/// The same on values and tangents.
struct DualMemory {
  using Number = DualLanes;
  static constexpr bool has_tangent = true;
  SweepScratch& s;
  SweepScratch& d;

  double value(Field field, std::size_t i) const { return (s.*field)[i]; }
  void copy(Field to, std::size_t i, Field from, std::size_t j) const {
    (s.*to)[i] = (s.*from)[j];
    (d.*to)[i] = (d.*from)[j];
  }
  void set_zero(Field field, std::size_t i) const { (s.*field)[i] = (d.*field)[i] = 0.0; }
  void set(Field field, std::size_t i, double f, double slope, Field argument,
           std::size_t j) const {
    (s.*field)[i] = f;
    (d.*field)[i] = slope * (d.*argument)[j];
  }

  Number load(Field field, std::size_t i) const {
    return {Lanes::load(s.*field + i), Lanes::load(d.*field + i)};
  }
  void store(Field field, std::size_t i, const Number& number) const {
    number.value.store(s.*field + i);
    number.tangent.store(d.*field + i);
  }
  void add(Field field, std::size_t i, const Number& addend) const {
    store(field, i, load(field, i) + addend);
  }
  Number broadcast(Field field, std::size_t i) const {
    return {Lanes::broadcast((s.*field)[i]), Lanes::broadcast((d.*field)[i])};
  }
  Number set_lanes(Field field, std::size_t i, const double* f, const double* slope, Field argument,
                   std::size_t j) const {
    const Number number{Lanes::load(f), Lanes::load(slope) * Lanes::broadcast((d.*argument)[j])};
    store(field, i, number);
    return number;
  }

  Number gather(Field field, const std::int32_t* indices) const {
    return {gather_lanes(s.*field, indices), gather_lanes(d.*field, indices)};
  }
  void scatter_add(Field field, const std::int32_t* indices, const Number& addend) const {
    scatter_add_lanes(s.*field, indices, addend.value);
    scatter_add_lanes(d.*field, indices, addend.tangent);
  }
  void add_sum_of_lanes(Field to, std::size_t i, Field lanes, std::size_t j) const {
    (s.*to)[i] += sum_of_lanes(s.*lanes + j);
    (d.*to)[i] += sum_of_lanes(d.*lanes + j);
  }
};

}  // namespace
}  // namespace nablafit::detail::NABLAFIT_SWEEP_NAMESPACE

#endif  // NABLAFIT_SRC_EVALUATE_SWEEP_MEMORY_HPP
