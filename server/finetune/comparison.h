#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/finetune/evaluation.h"

namespace resnetd {

// Exact two-sided p-value of McNemar's test: how likely two equally good models
// differ at least as much, when b examples are right with the first alone and c
// with the second alone: min(1, 2 * sum over k <= min(b, c) of C(b+c, k) /
// 2^(b+c)). Preconditions: b, c >= 0.
double McNemar(std::int64_t b, std::int64_t c);

// Examples by who is right.
struct PairedCounts {
  std::int64_t both = 0;
  std::int64_t only_champion = 0;
  std::int64_t only_candidate = 0;
  std::int64_t neither = 0;
};

std::int64_t Examples(const PairedCounts& counts);
double ChampionAccuracy(const PairedCounts& counts);
double CandidateAccuracy(const PairedCounts& counts);

struct PairedClass {
  // Of the candidate.
  int label = 0;
  // The champion has the class, too.
  bool is_old = false;
  PairedCounts counts;
};

// Two models on the same examples.
struct PairedReport {
  EvaluationReport candidate;
  // Mean cross entropy and so on of the champion, over the examples of classes
  // that it knows, in its own class order.
  EvaluationReport champion;
  // Of all examples; the champion is wrong on classes that it does not know.
  PairedCounts all;
  // Of classes that both know.
  PairedCounts old_classes;
  // Of classes that only the candidate knows.
  PairedCounts new_classes;
  // McNemar() of `all`.
  double p_value = 1;
  // One per class of the candidate.
  std::vector<PairedClass> per_class;
};

// Per label of the champion the class of the candidate with that label, or -1.
// A label that comes twice in one list is matched in the order of the lists.
std::vector<int> ClassMap(const std::vector<std::string>& champion,
                          const std::vector<std::string>& candidate);

// Compares the two on the same examples, whose `labels` are classes of the
// candidate. `class_map`: per class of the champion the same class of the
// candidate, or -1 when it has none; no class comes twice. Preconditions: as
// Evaluate(); class_map has champion.classes entries.
PairedReport Compare(const LogitsView& champion, const LogitsView& candidate,
                     absl::Span<const int> labels,
                     absl::Span<const int> class_map);

}  // namespace resnetd
