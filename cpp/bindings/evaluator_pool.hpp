/// \file
/// One Likelihood for all Python threads.
#ifndef NABLAFIT_BINDINGS_EVALUATOR_POOL_HPP
#define NABLAFIT_BINDINGS_EVALUATOR_POOL_HPP

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "nablafit/likelihood.hpp"

namespace nablafit::bindings {

/// Evaluators of one Likelihood. A call borrows one, and makes one if all are in use, so their
/// number is the largest number of simultaneous calls so far. The lock is held while the list
/// changes, never during an evaluation.
class EvaluatorPool {
 public:
  EvaluatorPool(Likelihood likelihood, Backend backend)
      : likelihood_(std::move(likelihood)), backend_(backend) {
    idle_.push_back(make_evaluator(likelihood_, backend_));
  }

  const Likelihood& likelihood() const noexcept { return likelihood_; }
  Backend backend() const noexcept { return backend_; }

  /// Borrows an evaluator for the lifetime of the object.
  class Lease {
   public:
    explicit Lease(EvaluatorPool& pool) : pool_(pool), evaluator_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(evaluator_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Evaluator* operator->() const noexcept { return evaluator_.get(); }

   private:
    EvaluatorPool& pool_;
    std::unique_ptr<Evaluator> evaluator_;
  };

 private:
  std::unique_ptr<Evaluator> take() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<Evaluator> evaluator = std::move(idle_.back());
        idle_.pop_back();
        return evaluator;
      }
    }
    return make_evaluator(likelihood_, backend_);
  }

  void give_back(std::unique_ptr<Evaluator> evaluator) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    // The list already has room for every evaluator that was lent; if not, the evaluator is freed.
    try {
      idle_.push_back(std::move(evaluator));
    } catch (...) {
    }
  }

  Likelihood likelihood_;
  Backend backend_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Evaluator>> idle_;
};

}  // namespace nablafit::bindings

#endif  // NABLAFIT_BINDINGS_EVALUATOR_POOL_HPP
