#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/store/blob_store.h"
#include "server/store/catalog.h"
#include "server/store/store.h"

namespace resnetd {

// Store::Verify(): over one state of the database, read by a connection of its
// own, so that nobody waits. Damaged blobs are put aside.
absl::StatusOr<std::vector<Finding>> VerifyStore(Catalog& catalog,
                                                 BlobStore& blobs);

}  // namespace resnetd
