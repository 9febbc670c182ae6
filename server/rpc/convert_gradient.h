#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "resnetd/v1/fine_tune_service.pb.h"
#include "resnetd/v1/gradient.pb.h"
#include "server/base/violations.h"
#include "server/finetune/alarm.h"
#include "server/finetune/gradient_report.h"
#include "server/finetune/gradient_sample.h"

namespace resnetd {

// What is wrong is added under "spec.observation" and "spec.alarms[i]".
ObservationSpec ToObservation(const v1::ObservationSpec& message,
                              Violations& violations);
std::vector<AlarmSetting> ToAlarms(
    const google::protobuf::RepeatedPtrField<v1::AlarmSetting>& messages,
    Violations& violations);
v1::ObservationSpec ToProto(const ObservationSpec& observation);
v1::AlarmSetting ToProto(const AlarmSetting& setting);

v1::PathNorms ToProto(const PathNorms& paths);
v1::ActiveAlarm ToProto(const ActiveAlarm& alarm);
v1::AlarmRaised ToProto(const AlarmRaised& raised);
v1::AlarmCleared ToProto(const AlarmCleared& cleared);
v1::GradientSample ToProto(const GradientSample& sample);
v1::GradientReport ToProto(const GradientReport& report);

// INVALID_ARGUMENT (REQUEST_INVALID) with every violation.
absl::StatusOr<GradientQuery> ToGradientQuery(
    const v1::GetGradientReportRequest& request);

}  // namespace resnetd
