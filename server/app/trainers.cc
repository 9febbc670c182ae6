#include "server/app/trainers.h"

#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/app/plugin.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/finetune/probe_plugin.h"
#include "server/finetune/trainer_plugin.h"

namespace resnetd {
namespace {

// What a plug-in makes, made on the first call that finds the plug-in.
template <typename Made>
class Lazy {
 public:
  // `options`: of the plug-in's create().
  template <typename Load, typename... Options>
  absl::StatusOr<Made*> Get(const Load& load, const Options&... options)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    if (made_ == nullptr) {
      ASSIGN_OR_RETURN(const auto* plugin,
                       load(TorchPluginCandidates(ExecutableFolder())));
      ASSIGN_OR_RETURN(made_, plugin->create(options...));
    }
    return made_.get();
  }

 private:
  Mutex mutex_;
  std::unique_ptr<Made> made_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

TrainerSource TrainersOfPlugin(std::function<void()> on_broken) {
  auto trainers = std::make_shared<Lazy<TrainerFactory>>();
  return [trainers, options = TrainerPluginOptions{std::move(on_broken)}] {
    return trainers->Get(LoadTrainerPlugin, options);
  };
}

ProberSource ProbersOfPlugin() {
  auto probers = std::make_shared<Lazy<Prober>>();
  return [probers] { return probers->Get(LoadProbePlugin); };
}

}  // namespace resnetd
