#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/image/pixels.h"

namespace resnetd {

// Pictures like those that a version will be asked for, to calibrate reduced
// precisions with and to compare them on. A plain value.
struct RealPictures {
  // Resized and cut for the version.
  std::vector<Pixels> pictures;
  // The class of each, kNoClass where it is not known; empty: of none.
  std::vector<int> classes;
  // Differs for other pictures; empty: there are none.
  std::string identity;
  // The first so many were trained on: they may calibrate, and judge nothing.
  std::size_t trained = 0;

  static constexpr int kNoClass = -1;
};

// More say nothing more, and take longer.
inline constexpr std::size_t kMostRealPictures = 256;
// Fewer cannot tell a share of 98.5 %: int8 is not judged by them, and what is
// says so. How many it takes in all: picture_split.h.
inline constexpr std::size_t kLeastRealPictures = 50;

// Why a precision that may be used is not.
enum class PrecisionObjection {
  kNone,
  // No real pictures to calibrate with or to compare on.
  kNoPictures,
  // Too few to calibrate with and to judge by (SplitPictures()).
  kTooFewPictures,
  // The library has no such arithmetic on this CPU, or none for this network.
  kUnsupported,
  // Too few pictures of the same class as in float32, logits too far off or not
  // finite, or too few right.
  kDisagrees,
  // Not faster than float32 on this machine, where it would have to be.
  kSlower,
  // The memory for versions is taken.
  kNoMemory,
  // It could not be measured: float32's own logits are not finite on a picture,
  // or the library failed.
  kFailed,
};

// "none", "no_pictures", "too_few_pictures", "unsupported", "disagrees",
// "slower", "no_memory", "failed".
const char* PrecisionObjectionName(PrecisionObjection objection);

// What one precision showed on this machine with one version. A plain value.
struct PrecisionFigures {
  std::string precision;  // "fp32", "bf16", "int8"
  // CPU time of one picture; 0: not measured.
  double seconds = 0;
  std::int64_t pictures = 0;
  // Of them: the same class first as in float32.
  std::int64_t agreeing = 0;
  // Average over the pictures of the largest difference of a logit to float32,
  // as a share of the largest logit.
  double error = 0;
  // Pictures whose class is known, and of them those that it puts first.
  std::int64_t labelled = 0;
  std::int64_t correct = 0;
  // Of its packed weights and activations.
  std::int64_t bytes = 0;
  PrecisionObjection objection = PrecisionObjection::kNone;
  // For people; empty: no objection.
  std::string obstacle;

  friend bool operator==(const PrecisionFigures&,
                         const PrecisionFigures&) = default;
};

// What measuring the precisions of a version came to. A plain value.
struct PrecisionReport {
  // "fp32" first.
  std::vector<PrecisionFigures> trials;
  // What the operator lets the model be served in: "fp32", "bf16", "int8",
  // "auto".
  std::string policy;
  // What that comes to, and what "auto" would.
  std::string chosen;
  std::string fastest;
  // How int8's ranges were taken, e.g. "percentile 99.99"; empty: not at all.
  std::string method;
  // One line with the figures.
  std::string text;
};

}  // namespace resnetd
