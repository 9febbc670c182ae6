#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace resnetd {

// A file that is being written, from its beginning. Closed by its destructor.
// Not thread-safe.
class WritableFile {
 public:
  virtual ~WritableFile() = default;

  // Takes room for `bytes` on the disk, so that a full disk is noticed before
  // anything was sent. RESOURCE_EXHAUSTED (STORAGE_FULL).
  virtual absl::Status Allocate(std::int64_t bytes) = 0;
  // Appends all of `bytes`. RESOURCE_EXHAUSTED (STORAGE_FULL): no room.
  // UNAVAILABLE (STORE_FAILED): the disk failed.
  virtual absl::Status Write(absl::Span<const std::uint8_t> bytes) = 0;
  // Returns when what was written survives a power cut. After an error the file
  // must be thrown away: a second call may wrongly succeed, as the kernel drops
  // the pages that it could not write.
  virtual absl::Status Sync() = 0;
};

// A file that is read. Thread-safe.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;

  virtual std::int64_t size() const = 0;
  // Fills `bytes` from `offset` on. DATA_LOSS (STORE_CORRUPT): the file ends
  // before. UNAVAILABLE (STORE_FAILED): the disk failed.
  virtual absl::Status ReadAt(std::int64_t offset,
                              absl::Span<std::uint8_t> bytes) const = 0;
};

// The files under one folder. Paths are relative to it, of names joined by "/";
// nothing outside is ever reached, through ".." or links either.
//
// What is created, renamed or removed survives a power cut only once
// SyncFolder() of the folder it is in returned.
//
// Errors of all methods: RESOURCE_EXHAUSTED (STORAGE_FULL), UNAVAILABLE
// (STORE_FAILED: the disk failed, or the folder is not what it was). Texts name
// no path. Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // A new file; ALREADY_EXISTS when there is one.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> Create(
      const std::string& path) = 0;
  // NOT_FOUND when there is none.
  virtual absl::StatusOr<std::unique_ptr<ReadableFile>> Open(
      const std::string& path) = 0;
  // Bytes of the file; NOT_FOUND when there is none.
  virtual absl::StatusOr<std::int64_t> SizeOf(const std::string& path) = 0;
  // Makes `path` read-only for everybody.
  virtual absl::Status Protect(const std::string& path) = 0;
  // Replaces `to`.
  virtual absl::Status Rename(const std::string& from,
                              const std::string& to) = 0;
  // OK when there is none.
  virtual absl::Status Remove(const std::string& path) = 0;
  // OK when there is one. Not its parents.
  virtual absl::Status MakeFolder(const std::string& path) = 0;
  // An empty folder. OK when there is none.
  virtual absl::Status RemoveFolder(const std::string& path) = 0;
  // Names in a folder, ordered; folders end with "/". "" is the root.
  virtual absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) = 0;
  virtual absl::Status SyncFolder(const std::string& path) = 0;
  // Bytes that may still be written.
  virtual absl::StatusOr<std::int64_t> FreeBytes() = 0;
};

// The files under `folder`, by openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
// RESOLVE_NO_MAGICLINKS).
// FAILED_PRECONDITION (STORE_UNUSABLE): no such folder, not writable, or a
// kernel without openat2 (before 5.6).
absl::StatusOr<std::unique_ptr<FileSystem>> OpenFileSystem(
    const std::string& folder);

}  // namespace resnetd
