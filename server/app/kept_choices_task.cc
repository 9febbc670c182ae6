#include "server/app/kept_choices_task.h"

#include <chrono>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/base/ids.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/engine/kept_choices.h"

namespace resnetd {
namespace {

constexpr Duration kInterval = std::chrono::hours(1);

absl::StatusOr<std::set<std::string>> WeightsIn(Store& store) {
  ASSIGN_OR_RETURN(const std::vector<ModelName> models, store.ListModels());
  std::set<std::string> weights;
  for (const ModelName& model : models) {
    ASSIGN_OR_RETURN(const std::vector<VersionRow> versions,
                     store.ListVersions(model));
    for (const VersionRow& version : versions) {
      weights.insert(version.weights);
    }
  }
  return weights;
}

void Collect(const std::string& folder, Store& store) {
  const absl::StatusOr<int> removed =
      CollectKeptChoices(folder, [&store] { return WeightsIn(store); });
  if (!removed.ok()) {
    Log(LogLevel::kWarning,
        "the precision choices of deleted versions are not removed yet",
        {{"error", std::string(removed.status().message())}});
  } else if (*removed > 0) {
    Log(LogLevel::kInfo, "precision choices of deleted versions were removed",
        {{"files", absl::StrCat(*removed)}});
  }
}

}  // namespace

KeptChoicesTask::KeptChoicesTask(const std::string& folder, Store& store,
                                 ModelManager& manager)
    : task_("choices", kInterval, [folder, &store] { Collect(folder, store); }),
      changes_(manager.Subscribe([this] { task_.RunSoon(); })) {}

}  // namespace resnetd
