#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/base/mutex.h"
#include "server/models/model_package.h"
#include "server/models/model_registry.h"
#include "server/models/resident_table.h"
#include "server/store/store.h"

namespace resnetd {

// A version as the store and this server see it.
struct VersionView {
  VersionRow row;
  // From its manifest; never null. When that cannot be read: what the row says,
  // without architecture and labels, and `failure` says why.
  std::shared_ptr<const VersionFacts> facts;
  // Ordered by name.
  std::vector<std::string> aliases;
  Residency residency = Residency::kUnloaded;
  // Why, if residency is kFailed.
  absl::Status failure;
  // The rest only while it is loaded.
  std::string precision;
  std::string precision_choice;  // Model::precision_choice()
  std::string backend;
  std::int64_t resident_bytes = 0;
  Duration load_time{};
};

struct ModelView {
  ModelName name;
  // Whom the alias "stable" names.
  std::optional<VersionView> serving;
  bool is_default = false;
  // Ordered by name.
  std::vector<AliasRow> aliases;
};

// Puts together what the store and this server know. Thread-safe. Reads the
// store, the manifest of a version once.
class VersionViews {
 public:
  // All outlive the views.
  VersionViews(Store& store, const ResidentTable& residents,
               const ModelRegistry& registry)
      : store_(store), residents_(residents), registry_(registry) {}

  // See ModelManager.
  absl::StatusOr<std::vector<ModelView>> ListModels();
  absl::StatusOr<ModelView> GetModel(const ModelName& model);
  absl::StatusOr<std::vector<VersionView>> ListVersions(const ModelName& model);
  absl::StatusOr<VersionView> GetVersion(const ModelName& model,
                                         VersionNumber version);

  // The row of a version that is not retired.
  // NOT_FOUND (MODEL_NOT_FOUND, VERSION_NOT_FOUND).
  absl::StatusOr<VersionRow> CommittedRow(const ModelName& model,
                                          VersionNumber version);
  // Of any row, of a retired one too.
  VersionView ViewOf(const VersionRow& row,
                     const std::vector<AliasRow>& aliases)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<VersionView> ViewOf(const VersionRow& row);

 private:
  using Key = std::pair<ModelName, VersionNumber>;
  using Facts = std::shared_ptr<const VersionFacts>;

  absl::StatusOr<Facts> FactsOf(const VersionRow& row)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status ModelNotFound(const ModelName& model);

  Store& store_;
  const ResidentTable& residents_;
  const ModelRegistry& registry_;
  Mutex mutex_;
  // What never changes: facts of versions that were asked for.
  std::map<Key, Facts> facts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
