#include "server/app/trainers.h"

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/app/plugin.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/finetune/trainer_plugin.h"

namespace resnetd {
namespace {

class LazyTrainers {
 public:
  absl::StatusOr<TrainerFactory*> Get() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    if (trainers_ == nullptr) {
      ASSIGN_OR_RETURN(
          const TrainerPlugin* plugin,
          LoadTrainerPlugin(TorchPluginCandidates(ExecutableFolder())));
      ASSIGN_OR_RETURN(trainers_, plugin->create());
    }
    return trainers_.get();
  }

 private:
  Mutex mutex_;
  std::unique_ptr<TrainerFactory> trainers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

TrainerSource TrainersOfPlugin() {
  auto trainers = std::make_shared<LazyTrainers>();
  return [trainers] { return trainers->Get(); };
}

}  // namespace resnetd
