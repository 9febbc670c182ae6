#include "client/model_types.h"

namespace resnetd::client {

absl::string_view ResidencyName(Residency residency) {
  switch (residency) {
    case Residency::kUnknown:
      break;
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
  return "UNKNOWN";
}

absl::string_view VersionStateName(VersionState state) {
  switch (state) {
    case VersionState::kUnknown:
      break;
    case VersionState::kStaged:
      return "STAGED";
    case VersionState::kCommitted:
      return "COMMITTED";
    case VersionState::kRetired:
      return "RETIRED";
  }
  return "UNKNOWN";
}

absl::string_view ModelEventKindName(ModelEventKind kind) {
  switch (kind) {
    case ModelEventKind::kUnknown:
      break;
    case ModelEventKind::kVersionImported:
      return "VERSION_IMPORTED";
    case ModelEventKind::kVersionDeleted:
      return "VERSION_DELETED";
    case ModelEventKind::kAliasSet:
      return "ALIAS_SET";
    case ModelEventKind::kAliasRolledBack:
      return "ALIAS_ROLLED_BACK";
    case ModelEventKind::kAliasDeleted:
      return "ALIAS_DELETED";
  }
  return "UNKNOWN";
}

}  // namespace resnetd::client
