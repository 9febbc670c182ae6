#pragma once

#include <utility>

#include "client/types.h"

namespace resnetd::client {

// The same pictures for Embed, which knows fewer fields.
inline EmbedRequest EmbedRequestOf(ClassifyRequest request) {
  return {.model = std::move(request.model),
          .images = std::move(request.images),
          .request_id = std::move(request.request_id),
          .priority = request.priority,
          .timing = request.timing,
          .fail_fast = request.fail_fast};
}

}  // namespace resnetd::client
