#include "server/engine/precision_choice.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/engine/precision.h"
#include "server/models/precision_report.h"

namespace resnetd {
namespace {

// What the pictures that judged cannot tell.
std::string Reservation(const PrecisionTrial& trial) {
  const int real = trial.agreement.pictures - trial.golden;
  if (real >= static_cast<int>(kLeastRealPictures)) {
    return "";
  }
  return absl::StrFormat(" (%d real: too few to tell %.1f %%)", real,
                         100 * LeastAgreement(trial.precision));
}

std::string Describe(const PrecisionTrial& trial, absl::string_view objection) {
  std::string text = absl::StrCat(PrecisionName(trial.precision), ": ");
  if (!trial.obstacle.empty()) {
    return absl::StrCat(text, objection);
  }
  absl::StrAppendFormat(&text, "%.3f ms", 1e3 * trial.seconds);
  const Agreement& agreement = trial.agreement;
  if (trial.precision != Precision::kFloat32) {
    absl::StrAppendFormat(&text,
                          ", agrees on %d of %d pictures%s, logits off by %.4f",
                          agreement.same_top1, agreement.pictures,
                          Reservation(trial), agreement.error);
  }
  if (trial.clipped) {
    absl::StrAppendFormat(&text, ", cuts off %.3f %% of the activations",
                          100 * *trial.clipped);
  }
  if (agreement.labelled > 0) {
    absl::StrAppendFormat(&text, ", right on %d of %d", agreement.correct,
                          agreement.labelled);
  }
  if (!objection.empty()) {
    absl::StrAppend(&text, " (", objection, ")");
  }
  return text;
}

bool IsWanted(Precision precision, const PrecisionPolicy& policy) {
  return std::find(policy.candidates.begin(), policy.candidates.end(),
                   precision) != policy.candidates.end();
}

PrecisionFigures FiguresOf(const PrecisionTrial& trial,
                           const TrialObjection& objection) {
  const Agreement& agreement = trial.agreement;
  return {.precision = std::string(PrecisionName(trial.precision)),
          .seconds = trial.obstacle.empty() ? trial.seconds : 0.0,
          .pictures = agreement.pictures,
          .agreeing = agreement.same_top1,
          .error = agreement.error,
          .labelled = agreement.labelled,
          .correct = agreement.correct,
          .bytes = trial.bytes,
          .objection = objection.kind,
          .obstacle = objection.text};
}

}  // namespace

TrialObjection ObjectionTo(const PrecisionTrial& trial,
                           const PrecisionTrial& floats, bool must_be_faster) {
  const Agreement& agreement = trial.agreement;
  if (!trial.obstacle.empty()) {
    return {trial.kind, trial.obstacle};
  }
  if (agreement.pictures == 0) {
    return {PrecisionObjection::kNoPictures, "no pictures to compare on"};
  }
  if (agreement.not_finite > 0) {
    return {PrecisionObjection::kDisagrees,
            absl::StrFormat("logits of %d pictures are not finite",
                            agreement.not_finite)};
  }
  if (agreement.share() < LeastAgreement(trial.precision)) {
    return {PrecisionObjection::kDisagrees,
            absl::StrFormat("agrees on too few, %.1f %% are wanted",
                            100 * LeastAgreement(trial.precision))};
  }
  if (!(agreement.error <= MostError(trial.precision))) {
    return {PrecisionObjection::kDisagrees,
            absl::StrFormat("its logits are too far off, %.2f is accepted",
                            MostError(trial.precision))};
  }
  if (agreement.correct < kLeastAccuracy * floats.agreement.correct) {
    return {PrecisionObjection::kDisagrees,
            absl::StrFormat("right on too few, 99 %% of fp32's %d are wanted",
                            floats.agreement.correct)};
  }
  if (must_be_faster && trial.seconds * kLeastGain > floats.seconds) {
    return {PrecisionObjection::kSlower, "not faster"};
  }
  return {};
}

std::optional<PrecisionPolicy> ParsePrecisionPolicy(absl::string_view name) {
  if (name == "auto") {
    return PrecisionPolicy{
        .candidates = {Precision::kBfloat16, Precision::kInt8}};
  }
  const std::optional<Precision> forced = ParsePrecision(name);
  if (!forced) {
    return std::nullopt;
  }
  switch (*forced) {
    case Precision::kFloat32:
      return PrecisionPolicy{};
    case Precision::kBfloat16:
      return PrecisionPolicy{.candidates = {Precision::kBfloat16},
                             .forced = forced};
    case Precision::kInt8:
      return PrecisionPolicy{
          .candidates = {Precision::kInt8, Precision::kBfloat16},
          .forced = forced};
  }
  return std::nullopt;
}

double LeastAgreement(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return 1.0;
    case Precision::kBfloat16:
      return 0.997;
    case Precision::kInt8:
      return 0.985;
  }
  return 1.0;
}

double MostError(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return 0.0;
    case Precision::kBfloat16:
      return 0.02;
    case Precision::kInt8:
      return 0.1;
  }
  return 0.0;
}

PrecisionDecision DecidePrecision(absl::Span<const PrecisionTrial> trials,
                                  const PrecisionPolicy& policy) {
  const PrecisionTrial& floats = trials.front();
  const PrecisionTrial* best = &floats;
  bool is_settled = false;
  std::string text = Describe(floats, "");
  PrecisionDecision decision;
  decision.figures.push_back(FiguresOf(floats, {}));
  for (const PrecisionTrial& trial : trials.subspan(1)) {
    const bool is_forced = policy.forced == trial.precision;
    const TrialObjection objection = ObjectionTo(trial, floats, !is_forced);
    absl::StrAppend(&text, "; ", Describe(trial, objection.text));
    decision.figures.push_back(FiguresOf(trial, objection));
    if (objection.kind == PrecisionObjection::kNone &&
        IsWanted(trial.precision, policy) && !is_settled &&
        (is_forced || best == &floats || trial.seconds < best->seconds)) {
      best = &trial;
      is_settled = is_forced;
    }
  }
  decision.precision = best->precision;
  decision.clipped = best->clipped;
  decision.text =
      absl::StrCat(PrecisionName(best->precision), " chosen; ", text);
  return decision;
}

std::vector<PrecisionFigures> RefusedOf(
    absl::Span<const PrecisionFigures> figures, const PrecisionPolicy& policy) {
  std::vector<PrecisionFigures> refused;
  for (const PrecisionFigures& one : figures) {
    const std::optional<Precision> precision = ParsePrecision(one.precision);
    if (precision && IsWanted(*precision, policy) &&
        one.objection != PrecisionObjection::kNone &&
        one.objection != PrecisionObjection::kSlower) {
      refused.push_back(one);
    }
  }
  return refused;
}

}  // namespace resnetd
