#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/models/memory_ledger.h"
#include "server/models/model.h"
#include "server/store/store.h"

namespace resnetd {

// What a ModelManager tells those who count: metrics and health.
//
// Called from whatever thread does the work, outside every lock of the manager;
// of one model one call at a time, of several models at once. Must be quick,
// must not call the manager, must be thread-safe.
class ModelMetricsSink {
 public:
  virtual ~ModelMetricsSink() = default;

  // `version` is loaded, warmed and checked, and found by its number from now
  // on. `version.load_time` is what it took.
  virtual void VersionLoaded(const ServedVersion& version) = 0;
  // A choice was made for a loaded version, which answers in model->precision()
  // from now on; why, says model->precision_choice(). `refused`: what it was
  // wanted in and may not be. By a thread of the model, maybe beside the other
  // calls.
  virtual void PrecisionChosen(
      const ServedVersion& /*version*/,
      const std::vector<PrecisionFigures>& /*refused*/) {}
  // It is no longer found; batches may still use it.
  virtual void VersionUnloaded(const ModelName& model,
                               VersionNumber version) = 0;
  // Loading failed: at the start, or for a call, whose answer `why` is.
  virtual void LoadFailed(const ModelName& model, const absl::Status& why) = 0;

  struct AliasMoved {
    const AliasRow& alias;
    // The version it names now, loaded. Null at the start, when that version
    // could not be loaded.
    const ServedVersion* version = nullptr;
    // How it came about. kAliasSet for the alias that a first import made.
    EventKind kind = EventKind::kAliasSet;
    // True: it named the version before this process started.
    bool restored = false;
    // From the commit to the moment from which new calls get the version.
    Duration swap{};
  };
  // Calls by the alias get the version from now on.
  virtual void AliasPointed(const AliasMoved& moved) = 0;
  virtual void AliasDeleted(const ModelName& model,
                            absl::string_view alias) = 0;

  // Stored bytes were not what they were stored as, or a network does not
  // compute what it did: STORE_CORRUPT, WEIGHTS_CORRUPT or GOLDEN_MISMATCH of a
  // version that was committed.
  virtual void IntegrityFailed(const ModelName& model,
                               VersionNumber version) = 0;
  // After each of the above that changed it, and when a drained version was
  // freed.
  virtual void MemoryChanged(const MemoryUse& use) = 0;

  // An import ended, or was given up (CANCELLED), after `bytes` of its file.
  virtual void ImportEnded(const absl::Status& /*outcome*/,
                           std::int64_t /*bytes*/) {}
};

}  // namespace resnetd
