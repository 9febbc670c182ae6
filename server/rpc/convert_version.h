#pragma once

#include "resnetd/v1/model_service.pb.h"
#include "server/models/model_manager.h"

namespace resnetd {

// What the model manager knows, as messages.

// Labels may be many: lists leave them out.
enum class Labels { kInclude, kLeaveOut };

v1::Version ToProto(const VersionView& version, Labels labels);
v1::Model ToProto(const ModelView& model);
v1::Alias ToProto(const AliasRow& alias);
v1::ModelEvent ToProto(const EventRow& event);

}  // namespace resnetd
