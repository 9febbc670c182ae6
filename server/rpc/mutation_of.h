#pragma once

#include <google/protobuf/message.h>

#include "absl/strings/string_view.h"
#include "server/store/store.h"

namespace resnetd {

// What the store keeps of a request that changes something: its method, its
// request_id, and a digest of everything else in it, by which a repetition is
// told from another request under the same request_id; and who sent it.
// Precondition: the message has a string field "request_id".
Mutation MutationOf(absl::string_view method,
                    const google::protobuf::Message& request,
                    absl::string_view actor = kAnonymous);

}  // namespace resnetd
