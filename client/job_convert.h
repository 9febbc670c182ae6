#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/job_types.h"
#include "client/recipe_types.h"
#include "resnetd/v1/fine_tune_job.pb.h"
#include "resnetd/v1/recipe.pb.h"

namespace resnetd::client {

// Between the messages about jobs and the types of the client; nothing else.
// An enum value of a newer server becomes kUnknown.

v1::RecipeOptions ToProto(const RecipeOptions& options);
RecipeOptions FromProto(const v1::RecipeOptions& message);
Recipe FromProto(const v1::Recipe& message);

v1::FineTuneJobSpec ToProto(const JobSpec& spec);
Job FromProto(const v1::FineTuneJob& message);
JobEvent FromProto(const v1::JobEvent& message);
Checkpoint FromProto(const v1::Checkpoint& message);
GateVerdict FromProto(const v1::GateVerdict& message);

// "jobs/N" for a number with or without "jobs/" in front.
std::string JobResource(absl::string_view name);

}  // namespace resnetd::client
