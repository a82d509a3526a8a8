// CoDiPack reserves memory in chunks of so many entries, or bytes for functions that write to the
// tape themselves, of which there are none here. By its defaults every tape takes more than 30 MB.
#define CODI_ChunkSize 4096
#define CODI_SmallChunkSize 64
#define CODI_ByteDataChunkSize 65536

#include <algorithm>
#include <cmath>
#include <codi.hpp>
#include <codi/expressions/parallelActiveType.hpp>
#include <cstddef>
#include <memory>
#include <vector>

#include "ad/backends.hpp"
#include "ad/reference_evaluator.hpp"

namespace codi {

/// x^exponent, for nablafit's expressions; found by argument-dependent lookup. Powers 0 and 1 have
/// vanishing derivatives at x = 0 too.
template <typename Tape, typename Toolbox>
ParallelActiveType<Tape, Toolbox> constant_power(const ParallelActiveType<Tape, Toolbox>& x,
                                                 double exponent) {
  if (exponent == 0.0) return 1.0;
  if (exponent == 1.0) return x;
  return pow(x, exponent);
}

}  // namespace codi

namespace nablafit::detail {

namespace {

/// Gives CoDiPack's active types the tape that the running thread has activated, in place of one
/// tape for the whole process.
struct ThreadTapes {
  template <typename Tape, typename Owner>
  class StaticThreadLocalPointer {
   public:
    static Tape* get() noexcept { return pointer(); }
    static void set(Tape* tape) noexcept { pointer() = tape; }

   private:
    static Tape*& pointer() noexcept {
      static thread_local Tape* tape = nullptr;
      return tape;
    }
  };
};

/// A type of this file alone, and so are the tapes: another file of the program may use CoDiPack
/// with larger chunks, and the linker would take its code for tapes of the same type.
struct TapeIndices : codi::LinearIndexManager<int> {
  using codi::LinearIndexManager<int>::LinearIndexManager;
};

template <typename Value>
using Tape = codi::JacobianLinearTape<
    codi::JacobianTapeTypes<Value, Value, TapeIndices, codi::DefaultChunkedData>>;

/// A scalar whose operations are recorded; adjoints have the type of the values.
template <typename Value>
using Recorded = codi::ParallelActiveType<Tape<Value>, ThreadTapes>;

constexpr std::size_t n_directions = 4;  ///< rows of the Hessian taken at once
using Directional = codi::RealForwardVec<n_directions>;

/// Makes `tape` that of the running thread for the lifetime of the object, and empties it then.
template <typename Value>
class Recording {
 public:
  explicit Recording(Tape<Value>& tape) : tape_(tape), previous_(Recorded<Value>::getTapePtr()) {
    Recorded<Value>::setTapePtr(&tape);
    tape.setActive();
  }
  ~Recording() {
    tape_.setPassive();
    tape_.reset();
    Recorded<Value>::setTapePtr(previous_);
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// Registers the values as independent variables.
  std::vector<Recorded<Value>> inputs(const std::vector<Value>& x) {
    std::vector<Recorded<Value>> point(x.begin(), x.end());
    for (Recorded<Value>& variable : point) tape_.registerInput(variable);
    return point;
  }

  /// Propagates adjoints from `result` back to the inputs.
  void sweep(Recorded<Value>& result) {
    tape_.registerOutput(result);
    tape_.setPassive();
    result.setGradient(Value(1.0));
    tape_.evaluate();
  }

 private:
  Tape<Value>& tape_;
  Tape<Value>* previous_;
};

class CodipackEvaluator final : public ReferenceEvaluator {
 public:
  using ReferenceEvaluator::ReferenceEvaluator;

  Evaluation value_and_gradient(const double* x, double* gradient) override {
    const Offence offence = find_offence(model(), data(), x);
    std::fill_n(gradient, n(), 0.0);
    if (offence.status == EvaluationStatus::not_finite ||
        offence.status == EvaluationStatus::invalid_parameter) {
      return evaluate(x, offence, gradient, n());  // the objective is zero there
    }
    Recording<double> recording(tape_);
    auto point = recording.inputs(std::vector<double>(x, x + n()));
    Recorded<double> result = objective(offence, point.data());
    recording.sweep(result);
    for (std::size_t i = 0; i < n(); ++i) gradient[i] = point[i].getGradient();
    return finish(result.getValue(), offence, gradient, n());
  }

  Evaluation hessian(const double* x, double* matrix) override {
    const Offence offence = find_offence(model(), data(), x);
    std::fill_n(matrix, n() * n(), 0.0);
    if (offence.status == EvaluationStatus::ok) {
      for (std::size_t first = 0; first < n(); first += n_directions) {
        const std::size_t end = std::min(first + n_directions, n());
        std::vector<Directional> point(x, x + n());
        for (std::size_t i = first; i < end; ++i) point[i].gradient()[i - first] = 1.0;
        directional_gradient(point, [&](std::size_t column, const Directional& adjoint) {
          for (std::size_t i = first; i < end; ++i) {
            matrix[i * n() + column] = adjoint.getGradient()[i - first];
          }
        });
      }
    }
    return evaluate(x, offence, matrix, n() * n());
  }

  Evaluation hessian_vector_product(const double* x, const double* v, double* product) override {
    const Offence offence = find_offence(model(), data(), x);
    std::fill_n(product, n(), 0.0);
    if (offence.status == EvaluationStatus::ok) {
      std::vector<Directional> point(x, x + n());
      for (std::size_t i = 0; i < n(); ++i) point[i].gradient()[0] = v[i];
      directional_gradient(point, [&](std::size_t i, const Directional& adjoint) {
        product[i] = adjoint.getGradient()[0];
      });
    }
    return evaluate(x, offence, product, n());
  }

 private:
  std::size_t n() const noexcept { return model().n_parameters(); }

  /// Gives `use(i, adjoint)` the derivative by parameter i, with its derivatives in the directions
  /// of `x`.
  template <typename Use>
  void directional_gradient(const std::vector<Directional>& x, const Use& use) {
    Recording<Directional> recording(directional_tape_);
    auto point = recording.inputs(x);
    Recorded<Directional> result = reference_nll(model(), data(), point.data());
    recording.sweep(result);
    for (std::size_t i = 0; i < n(); ++i) use(i, point[i].getGradient());
  }

  Tape<double> tape_;
  Tape<Directional> directional_tape_;
};

}  // namespace

std::unique_ptr<Evaluator> make_codipack_evaluator(const Likelihood& likelihood) {
  return std::make_unique<CodipackEvaluator>(likelihood);
}

}  // namespace nablafit::detail
