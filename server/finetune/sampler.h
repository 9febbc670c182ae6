#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "server/finetune/random.h"
#include "server/finetune/recipe.h"

namespace resnetd {

// Which examples each step trains on: follows from the seed and the step alone,
// so that a training goes on anywhere without a state of the sampler.
//
// Examples are numbered: new ones 0 to n - 1, replayed ones n to n + m - 1.
// Without balance the new ones go by in epochs, each a permutation of its own;
// a batch at the end of an epoch goes on into the next one, so that none is
// short. With ClassBalance::kSampler, and always for replayed ones, the classes
// take turns, in an order that is drawn anew each round, and the examples of a
// class go by in epochs of their own. Immutable; thread-safe.
class Sampler {
 public:
  // Batch, accumulation, replay share, balance and seed are the recipe's.
  // `labels`: the class of each new example, at least one; `replay_labels`: of
  // each replayed one; none: batches are of new examples only.
  Sampler(const Recipe& recipe, absl::Span<const int> labels,
          absl::Span<const int> replay_labels);

  // The batches of step `step` >= 0: recipe.accumulation of them, equally large
  // or one example different, with replayed examples spread over all. The same
  // example may come twice when batch_size is larger than what there is to
  // draw from, or where two epochs meet.
  std::vector<std::vector<std::int64_t>> BatchesOf(std::int64_t step) const;

  // Of each step.
  int new_per_step() const { return batch_size_ - replayed_; }
  int replayed_per_step() const { return replayed_; }
  // Epochs of new examples that are begun or done after `steps` steps.
  double EpochsAfter(std::int64_t steps) const;

 private:
  // Example numbers by class; classes without any are left out.
  using Pool = std::vector<std::vector<std::int64_t>>;
  std::int64_t DrawBalanced(const Pool& pool, RandomPurpose purpose,
                            std::uint64_t draw) const;
  std::int64_t DrawNew(std::uint64_t draw) const;

  std::int64_t seed_;
  int batch_size_;
  int accumulation_;
  int replayed_;
  bool balanced_;
  std::int64_t new_examples_;
  Pool new_pool_;
  Pool replay_pool_;
};

// Weights of classes for ClassBalance::kWeights: inverse to their numbers of
// examples, with a mean of 1 over the examples; 0 for classes without any.
std::vector<float> BalancedClassWeights(absl::Span<const int> labels,
                                        int classes);

}  // namespace resnetd
