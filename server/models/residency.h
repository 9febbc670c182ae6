#pragma once

#include "absl/strings/string_view.h"

namespace resnetd {

// What this server does with a version; as in model_service.proto.
enum class Residency {
  // Known, not in memory.
  kUnloaded = 1,
  // Weights are being read and checked.
  kLoading = 2,
  // Loaded; first batches run before it answers.
  kWarming = 3,
  // Answers.
  kReady = 4,
  // Takes no new images, finishes those it has.
  kDraining = 5,
  // Could not be loaded.
  kFailed = 6,
};

// "UNLOADED", "LOADING", ...
absl::string_view ResidencyName(Residency residency);

// Whether a version in `from` can be in `to` next. No state follows itself.
bool CanFollow(Residency from, Residency to);

}  // namespace resnetd
