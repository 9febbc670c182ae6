#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/engine/agreement.h"
#include "server/engine/precision.h"

namespace resnetd {

// Which precisions a version may be served in.
struct PrecisionPolicy {
  // Beside float32, in which every version begins.
  std::vector<Precision> candidates;
  // True: only what is faster on this machine; false: whatever agrees.
  bool must_be_faster = true;
};

// "auto": all, the fastest. "fp32": no other. "bf16", "int8": that one.
// nullopt: none of these.
std::optional<PrecisionPolicy> ParsePrecisionPolicy(absl::string_view name);

// What one precision showed on this machine with this version.
struct PrecisionTrial {
  Precision precision = Precision::kFloat32;
  // Of one batch; float32's is what the others are compared with.
  double seconds = 0;
  // With float32, on the pictures that were there.
  Agreement agreement;
  // Why it cannot be used at all; empty: it can.
  std::string obstacle;

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

// Faster by less than this is not worth other logits.
inline constexpr double kLeastGain = 1.05;

struct PrecisionDecision {
  Precision precision = Precision::kFloat32;
  // One line with the figures of every trial, for the log and GetVersion.
  std::string text;

  friend bool operator==(const PrecisionDecision&,
                         const PrecisionDecision&) = default;
};

// The fastest of those that agree, float32 if there is none. The first trial is
// float32's. Pure.
PrecisionDecision DecidePrecision(absl::Span<const PrecisionTrial> trials,
                                  bool must_be_faster);

}  // namespace resnetd
