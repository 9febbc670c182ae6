#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace resnetd {

// FAILED_PRECONDITION (STORE_UNUSABLE): there is no such folder, or its file
// system cannot keep a store.
absl::Status CheckStorage(const std::string& folder);

// The right of one process to use a folder: flock(2) on its file LOCK, which
// also names the process for people. Ends with the process, however it ends.
// Not thread-safe.
class FolderLock {
 public:
  // FAILED_PRECONDITION (STORE_UNUSABLE): another process has it, the folder
  // cannot be written, or its file system is not suitable.
  static absl::StatusOr<std::unique_ptr<FolderLock>> Take(
      const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace resnetd
