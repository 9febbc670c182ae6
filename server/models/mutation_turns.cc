#include "server/models/mutation_turns.h"

namespace resnetd {

void MutationTurns::Enter(const ModelName& model) {
  const MutexLock lock(mutex_);
  while (busy_.contains(model)) {
    left_.Wait(mutex_);
  }
  busy_.insert(model);
}

void MutationTurns::Leave(const ModelName& model) {
  {
    const MutexLock lock(mutex_);
    busy_.erase(model);
  }
  // All, since they wait for different models.
  left_.NotifyAll();
}

}  // namespace resnetd
