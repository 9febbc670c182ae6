#pragma once

#include <functional>

#include "server/finetune/job_manager.h"
#include "server/finetune/version_prober.h"

namespace resnetd {

// Trainers of the LibTorch plug-in, which is loaded when they are first asked
// for: a server that only serves on the CPU never pays for it. A failure is
// tried again with the next job. `on_broken`: as TrainerPluginOptions has it.
// Thread-safe.
TrainerSource TrainersOfPlugin(std::function<void()> on_broken);
// The same of probers.
ProberSource ProbersOfPlugin();

}  // namespace resnetd
