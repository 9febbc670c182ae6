#pragma once

#include <set>

#include "absl/base/thread_annotations.h"
#include "server/base/ids.h"
#include "server/base/mutex.h"

namespace resnetd {

// Lets one mutation of a model run at a time; those of other models run beside
// it. Not a Mutex: a turn lasts as long as a network loads, and nobody who only
// reads waits for it. Thread-safe.
class MutationTurns {
 public:
  // The right to change one model, until destroyed. Outlived by the turns.
  class Turn {
   public:
    ~Turn() { turns_.Leave(model_); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    friend class MutationTurns;
    Turn(MutationTurns& turns, const ModelName& model)
        : turns_(turns), model_(model) {
      turns_.Enter(model_);
    }

    MutationTurns& turns_;
    const ModelName model_;
  };

  // Waits until no other mutation of `model` runs.
  [[nodiscard]] Turn Take(const ModelName& model) ABSL_LOCKS_EXCLUDED(mutex_) {
    return {*this, model};
  }

 private:
  void Enter(const ModelName& model) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(const ModelName& model) ABSL_LOCKS_EXCLUDED(mutex_);

  Mutex mutex_;
  CondVar left_;
  std::set<ModelName> busy_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
