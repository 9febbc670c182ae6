#pragma once

#include "client/gradient_types.h"
#include "resnetd/v1/gradient.pb.h"

namespace resnetd::client {

// Between messages and the types of gradient_types.h. A kind or an action that
// is not known here is kUnknown.

v1::ObservationSpec ToProto(const ObservationSpec& observation);
ObservationSpec FromProto(const v1::ObservationSpec& message);
v1::AlarmSetting ToProto(const AlarmSetting& setting);
AlarmSetting FromProto(const v1::AlarmSetting& message);
PathNorms FromProto(const v1::PathNorms& message);
ActiveAlarm FromProto(const v1::ActiveAlarm& message);
AlarmRaised FromProto(const v1::AlarmRaised& message);
AlarmCleared FromProto(const v1::AlarmCleared& message);
GradientSample FromProto(const v1::GradientSample& message);
GradientReport FromProto(const v1::GradientReport& message);

}  // namespace resnetd::client
