#include "server/rpc/model_health.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/log.h"

namespace resnetd {

ModelHealth::ModelHealth(ModelManager& manager, const ModelRegistry& registry,
                         Set set)
    : manager_(manager), registry_(registry), set_(std::move(set)) {}

void ModelHealth::Refresh() {
  {
    MutexLock lock(mutex_);
    while (is_looking_) {
      changed_.Wait(mutex_);
    }
    is_looking_ = true;
  }
  Look();
  {
    MutexLock lock(mutex_);
    is_looking_ = false;
  }
  changed_.NotifyOne();
}

void ModelHealth::Look() {
  const absl::StatusOr<std::vector<ModelView>> models = manager_.ListModels();
  if (!models.ok()) {
    // The health stays as it was: the models in memory answer all the same.
    Log(LogLevel::kWarning, "cannot list the models for their health",
        {{"error", std::string(models.status().message())}});
    return;
  }
  std::set<ModelName> answering;
  for (const ModelHandle& version : registry_.List()) {
    answering.insert(version->facts.name);
  }
  std::set<ModelName> gone = std::exchange(known_, {});
  for (const ModelView& model : *models) {
    set_(model.name, answering.count(model.name) > 0);
    gone.erase(model.name);
    known_.insert(model.name);
  }
  for (const ModelName& name : gone) {
    set_(name, false);
  }
}

}  // namespace resnetd
