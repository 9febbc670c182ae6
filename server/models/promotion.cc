#include "server/models/promotion.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/models/labels.h"
#include "server/models/model_registry.h"

namespace resnetd {
namespace {

constexpr char kSameLabels[] = "same_labels";
constexpr char kOtherLabels[] =
    "the labels differ from those that the alias stands for; "
    "allow_label_change allows it";

// The criteria that count now.
std::vector<FailedCriterion> FailedNow(const VersionFacts& facts) {
  std::vector<FailedCriterion> failed;
  if (facts.gate) {
    for (const FailedCriterion& criterion : facts.gate->failed) {
      if (criterion.name != kSameLabels) {
        failed.push_back(criterion);
      }
    }
  }
  return failed;
}

absl::Status LabelChange(const std::string& version) {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kLabelChange,
               absl::StrCat(version,
                            " has other labels than the version that answers "
                            "now: set allow_label_change if callers expect "
                            "them"))
      .Resource("version", version);
}

absl::Status GateNotPassed(const std::string& version,
                           const std::vector<FailedCriterion>& failed) {
  std::vector<std::string> texts;
  texts.reserve(failed.size());
  for (const FailedCriterion& criterion : failed) {
    texts.push_back(absl::StrCat(criterion.name, ": ", criterion.text));
  }
  Error error(absl::StatusCode::kFailedPrecondition, Reason::kGateNotPassed,
              absl::StrCat(version, " did not pass the gate: ",
                           absl::StrJoin(texts, "; "),
                           "; gate_override with a reason promotes it all the "
                           "same"));
  for (const FailedCriterion& criterion : failed) {
    error.AddViolation(criterion.name, criterion.text);
  }
  return std::move(error).Resource("version", version);
}

}  // namespace

absl::Status CheckOverride(absl::string_view reason) {
  static_assert(kMaxOverrideBytes == kMaxLabelBytes);
  if (reason.empty()) {
    return absl::OkStatus();
  }
  std::string complaint = LabelComplaint(reason);
  if (absl::StripAsciiWhitespace(reason).empty()) {
    complaint = "says nothing";
  }
  if (complaint.empty()) {
    return absl::OkStatus();
  }
  complaint = absl::StrCat("gate_override ", complaint);
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               complaint)
      .Violation("gate_override", complaint);
}

PromotionDecision DecideTerms(const VersionFacts& facts, bool labels_differ,
                              const PromotionTerms& terms) {
  const std::string version = ResourceName(facts.name, facts.version);
  std::vector<FailedCriterion> failed;
  if (!terms.is_judged) {
    failed = FailedNow(facts);
  }
  const bool is_overridden = !failed.empty() && !terms.gate_override.empty();
  const bool has_other_labels = labels_differ && !terms.allow_label_change;
  if (failed.empty() || is_overridden) {
    return {
        .status = has_other_labels ? LabelChange(version) : absl::OkStatus(),
        .overrides = is_overridden};
  }
  if (has_other_labels) {
    failed.push_back({.name = kSameLabels, .text = kOtherLabels});
  }
  return {.status = GateNotPassed(version, failed), .overrides = false};
}

}  // namespace resnetd
