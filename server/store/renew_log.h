#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/store/file_system.h"

namespace resnetd {

// Replaces the write-ahead log `path` that a former process left by a copy of
// it, synced: from here on what the log shows is on the disk.
//
// Syncing the file as it is would not do. After a sync that failed, the kernel
// keeps showing pages that it could not write and takes them for written: the
// next sync of them succeeds and writes nothing. The database would be brought
// up to date from such a log, and a power cut would then leave a newer database
// beside an older log, which undoes parts of it.
//
// OK without a log. On a full disk the log stays as it is, so that a server can
// be started to remove something. UNAVAILABLE (STORE_FAILED).
absl::Status RenewLog(FileSystem& files, const std::string& path);

}  // namespace resnetd
