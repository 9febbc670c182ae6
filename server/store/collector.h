#pragma once

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/store/blob_store.h"
#include "server/store/catalog.h"
#include "server/store/store.h"

namespace resnetd {

// Store::Collect(). A blob that no committed version names, and that nothing in
// this process protects, gets a tombstone; one whose tombstone is as old as the
// grace time is removed. May run beside anything, itself too.
absl::StatusOr<Collected> CollectGarbage(Catalog& catalog, BlobStore& blobs,
                                         const StoreOptions& options,
                                         const Clock& clock);

}  // namespace resnetd
