#include "server/models/residency.h"

namespace resnetd {

absl::string_view ResidencyName(Residency residency) {
  switch (residency) {
    case Residency::kUnloaded:
      return "UNLOADED";
    case Residency::kLoading:
      return "LOADING";
    case Residency::kWarming:
      return "WARMING";
    case Residency::kReady:
      return "READY";
    case Residency::kDraining:
      return "DRAINING";
    case Residency::kFailed:
      return "FAILED";
  }
  return "";
}

bool CanFollow(Residency from, Residency to) {
  switch (to) {
    case Residency::kUnloaded:
      // A failed version is forgotten when it is deleted or unloaded.
      return from == Residency::kDraining || from == Residency::kFailed;
    case Residency::kLoading:
      // A version that still drains can be loaded again beside itself.
      return from == Residency::kUnloaded || from == Residency::kFailed ||
             from == Residency::kDraining;
    case Residency::kWarming:
      return from == Residency::kLoading;
    case Residency::kReady:
      return from == Residency::kWarming;
    case Residency::kDraining:
      return from == Residency::kReady;
    case Residency::kFailed:
      return from == Residency::kLoading || from == Residency::kWarming;
  }
  return false;
}

}  // namespace resnetd
