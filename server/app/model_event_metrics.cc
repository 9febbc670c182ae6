#include "server/app/model_event_metrics.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/models/model_registry.h"
#include "server/telemetry/version_metrics.h"

namespace resnetd {
namespace {

std::string TextOf(VersionNumber version) {
  return absl::StrCat(version.value);
}

ModelInfoLabels LabelsOf(const ServedVersion& version) {
  const VersionFacts& facts = version.facts;
  return {.model = facts.name.text(),
          .version = TextOf(facts.version),
          .digest = facts.weights_sha256,
          .architecture = facts.architecture.name,
          .precision = version.model->precision(),
          .backend = version.model->backend()};
}

AliasSwitch SwitchOf(const ModelMetricsSink::AliasMoved& moved) {
  if (moved.restored) {
    return AliasSwitch::kRestored;
  }
  return moved.kind == EventKind::kAliasRolledBack ? AliasSwitch::kRolledBack
                                                   : AliasSwitch::kSet;
}

}  // namespace

void ModelEventMetrics::VersionLoaded(const ServedVersion& version) {
  telemetry_.versions().VersionLoaded(LabelsOf(version), version.load_time);
}

void ModelEventMetrics::PrecisionChosen(
    const ServedVersion& version,
    const std::vector<PrecisionFigures>& refused) {
  telemetry_.versions().PrecisionChosen(LabelsOf(version));
  for (const PrecisionFigures& one : refused) {
    telemetry_.versions().PrecisionRefused(
        one.precision, PrecisionObjectionName(one.objection));
  }
}

void ModelEventMetrics::VersionUnloaded(const ModelName& model,
                                        VersionNumber version) {
  telemetry_.versions().VersionUnloaded(model.text(), TextOf(version));
}

void ModelEventMetrics::LoadFailed(const ModelName& /*model*/,
                                   const absl::Status& why) {
  // Not by model: clients choose the names of what they import.
  telemetry_.versions().LoadFailed(DetailsOf(why).reason);
}

void ModelEventMetrics::AliasPointed(const AliasMoved& moved) {
  const AliasRow& alias = moved.alias;
  telemetry_.versions().AliasPointed(
      {.model = alias.model.text(),
       .alias = alias.alias,
       .version = TextOf(alias.version),
       .digest =
           moved.version == nullptr ? "" : moved.version->facts.weights_sha256},
      alias.generation, alias.updated, SwitchOf(moved), moved.swap);
  if (alias.alias == kStableAlias) {
    // Makes the model's series visible before its first call.
    telemetry_.ForModel(alias.model.text());
  }
}

void ModelEventMetrics::AliasDeleted(const ModelName& model,
                                     absl::string_view alias) {
  telemetry_.versions().AliasDeleted(model.text(), alias);
}

void ModelEventMetrics::IntegrityFailed(const ModelName& model,
                                        VersionNumber /*version*/) {
  telemetry_.versions().IntegrityFailed(model.text());
}

void ModelEventMetrics::MemoryChanged(const MemoryUse& use) {
  telemetry_.versions().SetMemory({.weights = use.weights,
                                   .activations = use.activations,
                                   .loading = use.loading});
}

void ModelEventMetrics::ImportEnded(const absl::Status& outcome,
                                    std::int64_t bytes) {
  telemetry_.versions().ImportEnded(outcome.code(), bytes);
}

}  // namespace resnetd
