#include "server/finetune/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>

namespace resnetd {
namespace {

std::vector<std::vector<std::int64_t>> ByClass(absl::Span<const int> labels,
                                               std::int64_t first) {
  std::map<int, std::vector<std::int64_t>> examples;
  for (const int label : labels) {
    examples[label].push_back(first++);
  }
  std::vector<std::vector<std::int64_t>> pool;
  pool.reserve(examples.size());
  for (auto& [label, numbers] : examples) {
    pool.push_back(std::move(numbers));
  }
  return pool;
}

// At least one of each kind when there are both.
int ReplayedOf(const Recipe& recipe, bool has_replay) {
  if (!has_replay || recipe.replay_share <= 0) {
    return 0;
  }
  const auto share =
      static_cast<int>(std::lround(recipe.replay_share * recipe.batch_size));
  return std::clamp(share, std::min(1, recipe.batch_size - 1),
                    recipe.batch_size - 1);
}

// Turns of different classes are no two the same.
std::uint64_t TurnOf(std::uint64_t which, std::uint64_t turn) {
  constexpr unsigned kTurnBits = 40;
  return which << kTurnBits | turn;
}

}  // namespace

Sampler::Sampler(const Recipe& recipe, absl::Span<const int> labels,
                 absl::Span<const int> replay_labels)
    : seed_(recipe.seed),
      batch_size_(recipe.batch_size),
      accumulation_(recipe.accumulation),
      replayed_(ReplayedOf(recipe, !replay_labels.empty())),
      balanced_(recipe.balance == ClassBalance::kSampler),
      new_examples_(static_cast<std::int64_t>(labels.size())),
      new_pool_(ByClass(labels, 0)),
      replay_pool_(ByClass(replay_labels, new_examples_)) {}

std::int64_t Sampler::DrawBalanced(const Pool& pool, RandomPurpose purpose,
                                   std::uint64_t draw) const {
  const std::uint64_t round = draw / pool.size();
  const std::uint64_t turn = Permuted(seed_, purpose, TurnOf(0, round),
                                      pool.size(), draw % pool.size());
  const std::vector<std::int64_t>& examples =
      pool[static_cast<std::size_t>(turn)];
  const std::uint64_t place =
      Permuted(seed_, purpose, TurnOf(turn + 1, round / examples.size()),
               examples.size(), round % examples.size());
  return examples[static_cast<std::size_t>(place)];
}

std::int64_t Sampler::DrawNew(std::uint64_t draw) const {
  if (balanced_) {
    return DrawBalanced(new_pool_, RandomPurpose::kOrder, draw);
  }
  const auto examples = static_cast<std::uint64_t>(new_examples_);
  return static_cast<std::int64_t>(Permuted(seed_, RandomPurpose::kOrder,
                                            draw / examples, examples,
                                            draw % examples));
}

std::vector<std::vector<std::int64_t>> Sampler::BatchesOf(
    std::int64_t step) const {
  const auto number = static_cast<std::uint64_t>(step);
  std::vector<std::int64_t> examples;
  examples.reserve(static_cast<std::size_t>(batch_size_));
  const auto fresh = static_cast<std::uint64_t>(new_per_step());
  for (std::uint64_t i = 0; i < fresh; ++i) {
    examples.push_back(DrawNew(number * fresh + i));
  }
  const auto replayed = static_cast<std::uint64_t>(replayed_);
  for (std::uint64_t i = 0; i < replayed; ++i) {
    examples.push_back(DrawBalanced(replay_pool_, RandomPurpose::kReplayOrder,
                                    number * replayed + i));
  }
  // Dealt out like cards: each batch gets its share of both kinds.
  std::vector<std::vector<std::int64_t>> batches(
      static_cast<std::size_t>(accumulation_));
  for (std::size_t i = 0; i < examples.size(); ++i) {
    batches[i % batches.size()].push_back(examples[i]);
  }
  return batches;
}

double Sampler::EpochsAfter(std::int64_t steps) const {
  return static_cast<double>(steps) * new_per_step() /
         static_cast<double>(new_examples_);
}

std::vector<float> BalancedClassWeights(absl::Span<const int> labels,
                                        int classes) {
  std::vector<std::int64_t> examples(static_cast<std::size_t>(classes), 0);
  for (const int label : labels) {
    ++examples[static_cast<std::size_t>(label)];
  }
  const auto present = static_cast<double>(
      std::count_if(examples.begin(), examples.end(),
                    [](std::int64_t count) { return count > 0; }));
  std::vector<float> weights(examples.size(), 0);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (examples[i] > 0) {
      weights[i] =
          static_cast<float>(static_cast<double>(labels.size()) /
                             (present * static_cast<double>(examples[i])));
    }
  }
  return weights;
}

}  // namespace resnetd
