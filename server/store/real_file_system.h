#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/file_system.h"

namespace resnetd {

// OpenFileSystem(), and without `durable` one whose Sync() and SyncFolder() do
// nothing: for what need not survive the process.
absl::StatusOr<std::unique_ptr<FileSystem>> OpenRealFileSystem(
    const std::string& folder, bool durable);

// The error for a failed call of the system that was doing `what`, by its
// errno. RESOURCE_EXHAUSTED (STORAGE_FULL) or UNAVAILABLE (STORE_FAILED).
absl::Status DiskError(int code, const char* what);

}  // namespace resnetd
