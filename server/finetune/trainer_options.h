#pragma once

#include <cstddef>

#include "server/finetune/job_manager.h"
#include "server/finetune/job_plan.h"
#include "server/finetune/trainer.h"

namespace resnetd {

// What phase `phase` of the plan's recipe asks of a trainer.
TrainerOptions TrainerOptionsFor(const JobPlan& plan, std::size_t phase,
                                 const JobManagerOptions& options);

}  // namespace resnetd
