#pragma once

#include <functional>
#include <set>

#include "absl/base/thread_annotations.h"
#include "server/base/ids.h"
#include "server/base/mutex.h"
#include "server/models/model_manager.h"
#include "server/models/model_registry.h"

namespace resnetd {

// Keeps the health of each model ("models/NAME") to whether it answers: models
// that the manager knows, and those of them for which the registry has a
// version. Thread-safe.
class ModelHealth {
 public:
  using Set = std::function<void(const ModelName& model, bool is_serving)>;

  // Both outlive this object; `set` is called by Refresh().
  ModelHealth(ModelManager& manager, const ModelRegistry& registry, Set set);

  // Looks again, after anything that may have changed who answers. Calls of
  // several threads take turns, so that an older look never comes last.
  void Refresh() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Look();

  ModelManager& manager_;
  const ModelRegistry& registry_;
  const Set set_;
  Mutex mutex_;
  CondVar changed_;
  bool is_looking_ ABSL_GUARDED_BY(mutex_) = false;
  // Models that Refresh() has told of; touched by the one that looks.
  std::set<ModelName> known_;
};

}  // namespace resnetd
