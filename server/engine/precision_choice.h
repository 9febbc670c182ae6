#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/engine/agreement.h"
#include "server/engine/precision.h"
#include "server/models/precision_report.h"

namespace resnetd {

// Which precisions a version may be served in. A plain value.
struct PrecisionPolicy {
  // Beside float32, in which every version begins, in the order of trying.
  std::vector<Precision> candidates;
  // Taken if it agrees, however fast it is; the others after it only if it does
  // not. nullopt: the fastest.
  std::optional<Precision> forced = std::nullopt;
};

// "auto": all, the fastest. "fp32": no other. "bf16": that one. "int8": that
// one, or bf16 where that is faster than float32. nullopt: none of these.
std::optional<PrecisionPolicy> ParsePrecisionPolicy(absl::string_view name);

// What one precision showed on this machine with this version.
struct PrecisionTrial {
  Precision precision = Precision::kFloat32;
  // Of one batch; float32's is what the others are compared with.
  double seconds = 0;
  // With float32, on the pictures that judge.
  Agreement agreement;
  // Of those pictures: golden ones, the others are real.
  int golden = 0;
  // Why it cannot be used at all; empty: it can.
  std::string obstacle;
  // What kind of obstacle that is.
  PrecisionObjection kind = PrecisionObjection::kUnsupported;
  // Of the plan.
  std::int64_t bytes = 0;
  // Of int8: Clipping::share() on pictures that judge.
  std::optional<double> clipped = std::nullopt;

  friend bool operator==(const PrecisionTrial&,
                         const PrecisionTrial&) = default;
};

// Least share of pictures with the class that float32 puts first: 99.7 % for
// bf16, 98.5 % for int8.
double LeastAgreement(Precision precision);
// Most error (Agreement::error) on the same pictures, beyond which something
// is broken rather than rounded: bf16 rounds to 1 in 256, and ten networks of
// torchvision show 0.003; int8 0.03.
double MostError(Precision precision);
// Of the pictures that float32 is right on, whose class is known.
inline constexpr double kLeastAccuracy = 0.99;

// More than this share of the activations that int8 cuts off says that it was
// calibrated with other pictures than it is asked for: five times what the
// coarsest method leaves out of those that it looked at.
inline constexpr double kMostClipped = 0.005;

// Faster by less than this is not worth other logits.
inline constexpr double kLeastGain = 1.05;

// Why `trial` may not be used; kNone: it may. `floats` is float32's.
struct TrialObjection {
  PrecisionObjection kind = PrecisionObjection::kNone;
  std::string text;
};
TrialObjection ObjectionTo(const PrecisionTrial& trial,
                           const PrecisionTrial& floats, bool must_be_faster);

struct PrecisionDecision {
  Precision precision = Precision::kFloat32;
  // One line with the figures of every trial, for the log and GetVersion, which
  // says so where fewer than kLeastRealPictures real pictures judged.
  std::string text;
  // The same figures, each with what is said against it.
  std::vector<PrecisionFigures> figures;
  // PrecisionTrial::clipped of the one that was chosen.
  std::optional<double> clipped = std::nullopt;

  friend bool operator==(const PrecisionDecision&,
                         const PrecisionDecision&) = default;
};

// The one that is forced, if it agrees; else the fastest of those that agree,
// float32 if there is none. The first trial is float32's. Pure.
PrecisionDecision DecidePrecision(absl::Span<const PrecisionTrial> trials,
                                  const PrecisionPolicy& policy);

// Those of `figures` that `policy` wants and that may not be: too slow a one
// may.
std::vector<PrecisionFigures> RefusedOf(
    absl::Span<const PrecisionFigures> figures, const PrecisionPolicy& policy);

}  // namespace resnetd
