#pragma once

#include <string>

#include "server/app/config.h"
#include "server/app/endpoint.h"
#include "server/app/thread_plan.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/job_manager.h"
#include "server/models/model_manager.h"
#include "server/rpc/grpc_server.h"
#include "server/rpc/registry_client.h"
#include "server/serving/classifier.h"
#include "server/store/store.h"

namespace resnetd {

// The settings as the options of each module. Pure.

ClassifierOptions ClassifierOptionsOf(const Config& config,
                                      const ThreadPlan& plan);
GrpcServerOptions GrpcOptionsOf(const Config& config, const Endpoint& endpoint);
RegistryClientOptions RegistryOptionsOf(const Config& config);
StoreOptions StoreOptionsOf(const Config& config);
// CpuEngineOptions::record_folder; empty: no choice is kept.
std::string ChoicesFolderOf(const Config& config);
ModelManagerOptions ManagerOptionsOf(const Config& config);
DatasetOptions DatasetOptionsOf(const Config& config, const ThreadPlan& plan);
JobManagerOptions JobOptionsOf(const Config& config, const ThreadPlan& plan);

}  // namespace resnetd
