#pragma once

#include <memory>
#include <string>

#include "server/app/periodic_task.h"
#include "server/models/model_manager.h"
#include "server/store/store.h"

namespace resnetd {

// Removes the precision choices of versions that the store has no more: at
// once, after each change of the versions, and every hour, in a thread of its
// own.
class KeptChoicesTask {
 public:
  // Both outlive it. `folder`: CpuEngineOptions::record_folder.
  KeptChoicesTask(const std::string& folder, Store& store,
                  ModelManager& manager);

 private:
  PeriodicTask task_;
  // Ends before the task that it wakes.
  std::unique_ptr<ModelManager::Subscription> changes_;
};

}  // namespace resnetd
