#pragma once

#include "client/types.h"
#include "resnetd/v1/classification_service.pb.h"

namespace resnetd::client {

// What Embed sends; see convert.h.
v1::EmbedRequest ToProto(EmbedRequest request);

}  // namespace resnetd::client
