#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/models/model_package.h"

namespace resnetd {

// Under which terms a version may take over an alias.
struct PromotionTerms {
  // The labels may differ from those that the alias stands for now.
  bool allow_label_change = false;
  // Why the version is promoted although the gate said no; empty: it is not.
  // See CheckOverride().
  std::string gate_override = {};
  // The caller has judged the version itself, against the one that the alias
  // names now: what the gate said when it was made does not count.
  bool is_judged = false;
};

// Longest reason to override the gate, bytes.
inline constexpr std::size_t kMaxOverrideBytes = 256;

// OK for a reason of 1 to kMaxOverrideBytes of UTF-8 without control
// characters, not of spaces alone; and for none. INVALID_ARGUMENT
// (REQUEST_INVALID) with a violation "gate_override".
absl::Status CheckOverride(absl::string_view reason);

// What a promotion comes to. A plain value.
struct PromotionDecision {
  // FAILED_PRECONDITION (GATE_NOT_PASSED: one violation for each criterion, and
  // "same_labels" when the labels differ too; LABEL_CHANGE: the labels alone).
  absl::Status status;
  // The gate said no, and the terms override it.
  bool overrides = false;
};

// Whether the version of `facts` may take over. The criterion "same_labels" of
// its gate is looked at anew: `labels_differ` from those of the version that
// the alias names now; false when there is none. A version that was never
// judged, an imported one, has no gate to pass. Pure.
PromotionDecision DecideTerms(const VersionFacts& facts, bool labels_differ,
                              const PromotionTerms& terms);

}  // namespace resnetd
