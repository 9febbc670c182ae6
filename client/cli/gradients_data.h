#pragma once

#include <string>

#include "client/cli/json.h"
#include "client/gradient_types.h"

namespace resnetd::cli {

// The gradients of a job for other programs. Pure.

Json GradientSampleJson(const client::GradientSample& sample);
// As the message GradientReport of proto/resnetd/v1/gradient.proto.
Json GradientReportJson(const client::GradientReport& report);
Json AlarmRaisedJson(const client::AlarmRaised& raised);
Json ActiveAlarmJson(const client::ActiveAlarm& alarm);

// After RFC 4180, a heading and for each sample a line for everything that is
// trained, whose block is "all", and one for each block. Numbers with all their
// digits; what was not measured is empty.
std::string GradientsCsv(const client::GradientReport& report);

}  // namespace resnetd::cli
