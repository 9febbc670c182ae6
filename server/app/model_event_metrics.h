#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/models/memory_ledger.h"
#include "server/models/model.h"
#include "server/models/model_events.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// Makes metrics of what the model manager reports. Thread-safe.
class ModelEventMetrics final : public ModelMetricsSink {
 public:
  // The telemetry outlives this.
  explicit ModelEventMetrics(Telemetry& telemetry) : telemetry_(telemetry) {}

  void VersionLoaded(const ServedVersion& version) override;
  void PrecisionChosen(const ServedVersion& version,
                       const std::vector<PrecisionFigures>& refused) override;
  void VersionUnloaded(const ModelName& model, VersionNumber version) override;
  void LoadFailed(const ModelName& model, const absl::Status& why) override;
  void AliasPointed(const AliasMoved& moved) override;
  void AliasDeleted(const ModelName& model, absl::string_view alias) override;
  void IntegrityFailed(const ModelName& model, VersionNumber version) override;
  void MemoryChanged(const MemoryUse& use) override;
  void ImportEnded(const absl::Status& outcome, std::int64_t bytes) override;

 private:
  Telemetry& telemetry_;
};

}  // namespace resnetd
