#pragma once

#include "absl/status/statusor.h"
#include "resnetd/v1/model_service.pb.h"
#include "server/models/model_manager.h"
#include "server/rpc/request_limits.h"

namespace resnetd {

// The domain's header of `message`, whose labels are moved out of it.
// INVALID_ARGUMENT with every violation at once; fields are named from the
// request on: "header.sha256".
absl::StatusOr<ImportHeader> ToImportHeader(v1::ImportVersionHeader& message,
                                            const RequestLimits& limits);

// A SHA-256 as 64 lower-case hex digits. INVALID_ARGUMENT naming `field`.
absl::StatusOr<Digest> ParseDigest(absl::string_view field,
                                   absl::string_view text);

}  // namespace resnetd
