#pragma once

#include "resnetd/v1/fine_tune_job.pb.h"
#include "server/finetune/job.h"

namespace resnetd {

// What the job manager knows, as messages.

// A job that was only checked has the number 0 and gets no name and no times.
v1::FineTuneJob ToProto(const Job& job);
v1::JobEvent ToProto(const JobEvent& event);
v1::GateVerdict ToProto(const GateVerdict& verdict);
v1::Checkpoint ToProto(JobNumber job, const Checkpoint& checkpoint);

// Which part of the body of its message an event fills.
v1::JobEventKind KindOf(const JobEventBody& body);

}  // namespace resnetd
