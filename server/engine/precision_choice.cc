#include "server/engine/precision_choice.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/engine/precision.h"

namespace resnetd {
namespace {

// Why the trial cannot be chosen, empty if it can.
std::string ObjectionTo(const PrecisionTrial& trial, double float_seconds,
                        bool must_be_faster) {
  if (!trial.obstacle.empty()) {
    return trial.obstacle;
  }
  if (trial.agreement.pictures == 0) {
    return "no pictures to compare on";
  }
  if (trial.agreement.share() < LeastAgreement(trial.precision)) {
    return absl::StrFormat("agrees on too few, %.1f %% are wanted",
                           100 * LeastAgreement(trial.precision));
  }
  if (!(trial.agreement.error <= MostError(trial.precision))) {
    return absl::StrFormat("its logits are too far off, %.2f is accepted",
                           MostError(trial.precision));
  }
  if (must_be_faster && trial.seconds * kLeastGain > float_seconds) {
    return "not faster";
  }
  return "";
}

std::string Describe(const PrecisionTrial& trial, absl::string_view objection) {
  std::string text = absl::StrCat(PrecisionName(trial.precision), ": ");
  if (trial.obstacle.empty()) {
    absl::StrAppendFormat(&text, "%.3f ms", 1e3 * trial.seconds);
    if (trial.precision != Precision::kFloat32) {
      absl::StrAppendFormat(&text,
                            ", agrees on %d of %d pictures, logits off by %.4f",
                            trial.agreement.same_top1, trial.agreement.pictures,
                            trial.agreement.error);
    }
    if (!objection.empty()) {
      absl::StrAppend(&text, " (", objection, ")");
    }
    return text;
  }
  return absl::StrCat(text, objection);
}

}  // namespace

std::optional<PrecisionPolicy> ParsePrecisionPolicy(absl::string_view name) {
  if (name == "auto") {
    return PrecisionPolicy{
        .candidates = {Precision::kBfloat16, Precision::kInt8},
        .must_be_faster = true};
  }
  const std::optional<Precision> forced = ParsePrecision(name);
  if (!forced) {
    return std::nullopt;
  }
  if (*forced == Precision::kFloat32) {
    return PrecisionPolicy{.candidates = {}, .must_be_faster = true};
  }
  return PrecisionPolicy{.candidates = {*forced}, .must_be_faster = false};
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
                                  bool must_be_faster) {
  const PrecisionTrial& floats = trials.front();
  const PrecisionTrial* best = &floats;
  // Of a policy that forces, float32 is not in the race.
  bool has_other = false;
  std::string figures = Describe(floats, "");
  for (const PrecisionTrial& trial : trials.subspan(1)) {
    const std::string objection =
        ObjectionTo(trial, floats.seconds, must_be_faster);
    absl::StrAppend(&figures, "; ", Describe(trial, objection));
    if (objection.empty() && (!has_other || trial.seconds < best->seconds)) {
      best = &trial;
      has_other = true;
    }
  }
  return {.precision = best->precision,
          .text = absl::StrCat(PrecisionName(best->precision), " chosen; ",
                               figures)};
}

}  // namespace resnetd
