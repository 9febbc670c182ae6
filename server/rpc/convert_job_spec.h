#pragma once

#include <chrono>

#include "resnetd/v1/fine_tune_job.pb.h"
#include "server/base/violations.h"
#include "server/finetune/job.h"

namespace resnetd {

// Longest limit of time that a job may have.
inline constexpr std::chrono::seconds kMaxJobDuration =
    std::chrono::hours(8760);
// Of serving_guard.max_p99: beyond it every call has met its deadline.
inline constexpr std::chrono::seconds kMaxGuardP99 = std::chrono::minutes(1);
// Bytes of FineTuneJobSpec.display_name.
inline constexpr std::size_t kMaxDisplayNameBytes = 128;

// What a job is asked to do, every field checked that can be without knowing
// models and datasets; what is wrong becomes a violation of "spec.<field>".
// With violations the result is of no use.
JobSpec ToJobSpec(const v1::FineTuneJobSpec& message, Violations& violations);

v1::FineTuneJobSpec ToProto(const JobSpec& spec);

}  // namespace resnetd
