#pragma once

#include "server/finetune/job_manager.h"
#include "server/finetune/version_prober.h"

namespace resnetd {

// Trainers of the LibTorch plug-in, which is loaded when they are first asked
// for: a server that only serves on the CPU never pays for it. A failure is
// tried again with the next job. Thread-safe.
TrainerSource TrainersOfPlugin();
// The same of probers.
ProberSource ProbersOfPlugin();

}  // namespace resnetd
