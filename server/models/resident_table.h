#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/base/mutex.h"
#include "server/models/memory_ledger.h"
#include "server/models/model.h"
#include "server/models/model_registry.h"
#include "server/models/residency.h"
#include "server/store/store.h"

namespace resnetd {

// What this server does with one version.
struct VersionStatus {
  Residency residency = Residency::kUnloaded;
  // Why, if residency is kFailed.
  absl::Status failure;
  // Null unless residency is kReady.
  ModelHandle handle;
  // Somebody asked for it: see Use().
  bool requested = false;
};

// Which versions this server knows, what it does with each, and what the
// aliases name: what the store says, plus what is loaded. Every change is
// published to the registry before the call returns. Thread-safe; of one model,
// one thread at a time adds, loads, points and removes (MutationTurns), while
// others free what is idle.
class ResidentTable {
 public:
  // `registry` and `clock` outlive the table.
  ResidentTable(ModelRegistry& registry, const Clock& clock)
      : registry_(registry), clock_(clock) {}

  // Versions and aliases of `model` are these; what is loaded stays.
  void Learn(const ModelName& model, const std::vector<VersionNumber>& versions,
             const std::vector<AliasRow>& aliases) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddVersion(const ModelName& model, VersionNumber version)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveVersion(const ModelName& model, VersionNumber version)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void PointAlias(const AliasRow& alias) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveAlias(const ModelName& model, absl::string_view alias)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The way of a version into memory: Loading, Warming, then Ready or Failed.
  void Loading(const ModelName& model, VersionNumber version)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Warming(const ModelName& model, VersionNumber version)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // `bytes`: what freeing it would bring.
  void Ready(ModelHandle handle, std::int64_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Failed(const ModelName& model, VersionNumber version, absl::Status why)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // And out of it: what was READY and drains now; null when it was not. One
  // that failed is UNLOADED.
  ModelHandle Unload(const ModelName& model, VersionNumber version)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Marks a READY version as used now. `requested`: from now on it is freed
  // only by Unload(), until an alias has named it. Null when it is not READY.
  ModelHandle Use(const ModelName& model, VersionNumber version, bool requested)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Frees, for a mutation of `model`, as many as needed of the idle versions,
  // those that are READY and that no alias names, of all models without a Hold
  // but this one's, the least recently used first: until `needed` bytes fit
  // beside the `used` ones under `limit`. Nothing when all of them would not
  // do. Returns what no longer answers.
  std::vector<ModelHandle> FreeIdle(const ModelName& model, std::int64_t needed,
                                    std::int64_t used, std::int64_t limit)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // `version` holds `bytes` from now on; nothing if it is not READY any more.
  void Restate(const ServedVersion& version, std::int64_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Memory of the versions that are READY: what the ledger has beyond it is
  // being freed.
  std::int64_t HeldBytes() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Frees all but the `keep` most recently used of the idle versions of `model`
  // that nobody requested.
  std::vector<ModelHandle> FreeIdleOf(const ModelName& model, std::size_t keep)
      ABSL_LOCKS_EXCLUDED(mutex_);

  VersionStatus StatusOf(const ModelName& model, VersionNumber version) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::string> AliasesOf(const ModelName& model,
                                     VersionNumber version) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // While it lives, mutations of other models free nothing of `model`: what a
  // mutation has loaded is there when it points the alias.
  class Hold {
   public:
    Hold(ResidentTable& table, const ModelName& model);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    ResidentTable& table_;
    const ModelName model_;
  };

 private:
  struct Slot {
    Residency residency = Residency::kUnloaded;
    absl::Status failure;
    ModelHandle handle;
    // While it drains; empty once the last batch let go.
    std::weak_ptr<const ServedVersion> draining;
    std::int64_t bytes = 0;
    SteadyTime last_used{};
    bool requested = false;
  };
  struct ModelEntry {
    std::map<VersionNumber, Slot> versions;
    std::map<std::string, VersionNumber> aliases;
    int holds = 0;
    std::int64_t revision = 0;
  };
  // A version that could be freed.
  struct Idle {
    ModelName model;
    Slot* slot = nullptr;
  };

  Slot& SlotOf(const ModelName& model, VersionNumber version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void AddIdle(const ModelName& model, ModelEntry& entry,
                      std::vector<Idle>& idle);
  // Gives up the handle of a READY slot.
  static ModelHandle Drain(Slot& slot);
  void Publish(const ModelName& model) ABSL_LOCKS_EXCLUDED(mutex_);

  ModelRegistry& registry_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<ModelName, ModelEntry> models_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
