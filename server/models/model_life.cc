#include "server/models/model_life.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"

namespace resnetd {

ModelLife::ModelLife(const ModelManagerOptions& given, Store& given_store,
                     ModelLoader& model_loader, ModelRegistry& registry,
                     const Clock& given_clock, ModelMetricsSink& given_sink)
    : options(given),
      store(given_store),
      clock(given_clock),
      sink(given_sink),
      table(registry, given_clock),
      views(given_store, table, registry),
      loader({.max_batch = given.max_batch,
              .max_model_bytes = given.max_model_bytes,
              .keep_loaded =
                  static_cast<std::size_t>(std::max(0, given.keep_loaded))},
             given_store, model_loader, table, given_sink, given_clock) {}

absl::StatusOr<bool> ModelLife::WasDone(bool validate_only,
                                        const Mutation& mutation) {
  if (validate_only || mutation.request_id.empty()) {
    return false;
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> answer,
                   store.Remembered(mutation));
  return answer.has_value();
}

absl::StatusOr<std::optional<AliasRow>> ModelLife::FindAlias(
    const ModelName& model, absl::string_view alias) {
  ASSIGN_OR_RETURN(const std::vector<AliasRow> aliases,
                   store.ListAliases(model));
  const auto found =
      std::find_if(aliases.begin(), aliases.end(),
                   [&](const AliasRow& row) { return row.alias == alias; });
  return found == aliases.end() ? std::optional<AliasRow>() : *found;
}

void ModelLife::Switch(const AliasRow& alias, const ServedVersion& version,
                       EventKind kind, SteadyTime committed) {
  table.PointAlias(alias);
  const Duration swap = clock.Now() - committed;
  Log(LogLevel::kInfo, "alias moved",
      {{"alias", AliasResourceName(alias.model, alias.alias)},
       {"version", absl::StrCat(alias.version.value)},
       {"generation", absl::StrCat(alias.generation)}});
  sink.AliasPointed({.alias = alias,
                     .version = &version,
                     .kind = kind,
                     .restored = false,
                     .swap = swap});
}

void ModelLife::Forget(const ModelName& model, VersionNumber version) {
  loader.Unload(model, version);
  table.RemoveVersion(model, version);
}

}  // namespace resnetd
