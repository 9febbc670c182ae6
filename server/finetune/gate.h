#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/finetune/comparison.h"
#include "server/finetune/evaluation.h"

namespace resnetd {

// What a version must reach to be promoted. Shares from 0 to 1.
struct GateRules {
  // Fewer examples say too little: a difference of 10 points is not yet
  // significant with 50.
  std::int64_t min_examples = 50;
  double min_accuracy = 0;
  // The candidate may have this much less accuracy than the champion.
  double margin = 0.01;
  // A candidate that is worse at this level of McNemar's test is refused, and
  // one that is better at it may be called so.
  double alpha = 0.05;
  // The candidate must be better at `alpha`.
  bool require_better = false;
  // Of any class that both know and that has at least min_class_examples.
  double max_recall_drop = 0.15;
  std::int64_t min_class_examples = 20;
  // How much accuracy on the classes of the champion may be lost when the
  // candidate knows more classes.
  double max_forgetting = 0.05;
  // After the temperature.
  double max_calibration_error = 0.15;
  // Of the candidate to the champion.
  double max_latency_ratio = 1.5;
  double max_size_ratio = 1.5;
  // The candidate's list of labels may differ from the champion's.
  bool allow_label_change = false;
};

// OK, or INVALID_ARGUMENT (RECIPE_INVALID) with a violation "gate.<member>" for
// every rule that is out of its range: shares 0 to 1, alpha above 0 and below
// 1, counts at least 1 (of a class: 0), ratios above 0.
absl::Status Validate(const GateRules& rules);

// What the gate knows beside the measured quality.
struct GateFacts {
  // The list of labels is not the champion's.
  bool labels_changed = false;
  // Names of alarms that were raised and not cleared.
  std::vector<std::string> alarms;
  // A weight or gradient was not finite in the end.
  bool is_finite = true;
  // Candidate / champion; nullopt: not measured.
  std::optional<double> latency_ratio;
  std::optional<double> size_ratio;
};

struct GateCriterion {
  // E.g. "min_examples".
  std::string name;
  // nullopt: not measured, and passed.
  std::optional<double> value;
  double bound = 0;
  bool passed = false;
  // For people, e.g. "49 examples, at least 50 are needed".
  std::string text;
};

struct GateVerdict {
  bool passed = false;
  // The candidate is better at GateRules::alpha.
  bool is_better = false;
  // All that apply, in a fixed order.
  std::vector<GateCriterion> criteria;
};

// Whether the candidate of `candidate` may be promoted. `paired`: against the
// champion; nullopt: there is none, and its criteria do not apply.
GateVerdict DecidePromotion(const GateRules& rules,
                            const EvaluationReport& candidate,
                            const std::optional<PairedReport>& paired,
                            const GateFacts& facts);

// The failed criteria as FAILED_PRECONDITION (GATE_NOT_PASSED), one violation
// each; OK when the verdict is.
absl::Status ToStatus(const GateVerdict& verdict);

}  // namespace resnetd
