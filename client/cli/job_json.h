#pragma once

#include "client/cli/json.h"
#include "client/job_types.h"

namespace resnetd::cli {

// Documents of `-o json` about jobs: the fields of the protos by their names,
// enums without prefix, absent for what is not known.

Json JobJson(const client::Job& job);
// {"sequence", "time", "kind", <kind in lower case>: {...}}.
Json JobEventJson(const client::JobEvent& event);
Json VerdictJson(const client::GateVerdict& verdict);
Json CheckpointJson(const client::Checkpoint& checkpoint);
Json EstimateJson(const client::JobEstimate& estimate);
// The request as grpcurl takes it.
Json CreateJobJson(const client::CreateJobRequest& request);

}  // namespace resnetd::cli
