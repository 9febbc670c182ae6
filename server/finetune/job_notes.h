#pragma once

#include <vector>

#include "server/finetune/job.h"

namespace resnetd {

// What an event says of the job that it happens to, written into its status.
void NoteEvent(const JobEventBody& event, JobStatus& status);

// Share of the most frequent label, 0 to 1: what always guessing it reaches. 0
// without labels.
double MajorityShare(const std::vector<int>& labels);

}  // namespace resnetd
