#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "server/app/config.h"
#include "server/app/model_precisions.h"
#include "server/app/thread_plan.h"
#include "server/engine/cpu_engine.h"
#include "server/engine/kernel_selftest.h"
#include "server/models/model.h"
#include "server/rpc/server_facts.h"

namespace resnetd {

// Makes the loader of config.backend. `on_broken`: as BackendOptions has it,
// but for several devices together, of which each may call it.
// FAILED_PRECONDITION (BACKEND_UNAVAILABLE): the plug-in is missing or cannot
// be used, or the device is not there; the text says what to do.
// `pictures`: those that the store has. `precisions`: of single models.
absl::StatusOr<std::unique_ptr<ModelLoader>> CreateBackend(
    const Config& config, const ThreadPlan& plan,
    const std::function<void()>& on_broken, const CalibrationPictures& pictures,
    const ModelPrecisions& precisions);

// Both backends. Looks whether the plug-in is installed, but does not load it:
// that would cost every start what only its users need.
std::vector<ServerFacts::Backend> DescribeBackends(
    const Config& config, const ModelLoader& loader,
    const KernelSelftest& kernels);

}  // namespace resnetd
