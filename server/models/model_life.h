#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/models/change_listeners.h"
#include "server/models/model.h"
#include "server/models/model_events.h"
#include "server/models/model_manager.h"
#include "server/models/model_registry.h"
#include "server/models/mutation_turns.h"
#include "server/models/resident_table.h"
#include "server/models/version_loader.h"
#include "server/models/version_views.h"
#include "server/store/store.h"

namespace resnetd {

// What those who change models share: the store, and what this server knows and
// holds. Thread-safe, as its parts are.
class ModelLife {
 public:
  // The references outlive it.
  ModelLife(const ModelManagerOptions& options, Store& store,
            ModelLoader& loader, ModelRegistry& registry, const Clock& clock,
            ModelMetricsSink& sink);

  // The right to change a model, and the promise that other models' loads free
  // nothing of it meanwhile.
  class Changing {
   public:
    Changing(ModelLife& life, const ModelName& model)
        : turn_(life.turns_.Take(model)), hold_(life.table, model) {}

   private:
    MutationTurns::Turn turn_;
    ResidentTable::Hold hold_;
  };

  // Whether the mutation was carried out before under its request_id.
  // ALREADY_EXISTS (REQUEST_ID_CONFLICT).
  absl::StatusOr<bool> WasDone(bool validate_only, const Mutation& mutation);
  // The alias as the store has it; nullopt: there is none.
  absl::StatusOr<std::optional<AliasRow>> FindAlias(const ModelName& model,
                                                    absl::string_view alias);
  // New calls by `alias`, committed at `committed`, get `version` from now on.
  void Switch(const AliasRow& alias, const ServedVersion& version,
              EventKind kind, SteadyTime committed);
  // Forgets a version that was retired.
  void Forget(const ModelName& model, VersionNumber version);

  const ModelManagerOptions options;
  Store& store;
  const Clock& clock;
  ModelMetricsSink& sink;
  ChangeListeners listeners;
  ResidentTable table;
  VersionViews views;
  // Behind what its thread tells of what was freed.
  VersionLoader loader;

 private:
  MutationTurns turns_;
};

}  // namespace resnetd
