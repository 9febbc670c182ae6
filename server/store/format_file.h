#pragma once

#include "absl/status/status.h"
#include "server/store/file_system.h"

namespace resnetd {

// Finds out by its file FORMAT whether a folder is a store, or makes it one
// when it is empty (but for LOCK, lost+found and what an interrupted first
// opening left). FAILED_PRECONDITION (STORE_UNUSABLE): the folder is something
// else's, or the store of a newer server.
absl::Status CheckOrMakeFormat(FileSystem& files);

// The same without making anything: whether CheckOrMakeFormat() would do it.
absl::Status CheckFormat(FileSystem& files);

}  // namespace resnetd
