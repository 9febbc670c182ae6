#include "tests/support/simulated_file_system.h"

#include <utility>

#include "server/base/error.h"

namespace resnetd {
namespace {

absl::Status ToStatus(DiskError error) {
  switch (error) {
    case DiskError::kNone:
      return absl::OkStatus();
    case DiskError::kNoSpace:
      return Error(absl::StatusCode::kResourceExhausted, Reason::kStorageFull,
                   "the simulated disk is full");
    case DiskError::kNotFound:
      return absl::NotFoundError("no such simulated file");
    case DiskError::kExists:
      return absl::AlreadyExistsError("there is such a simulated file");
    case DiskError::kFailed:
    case DiskError::kNotEmpty:
      break;
  }
  return Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed,
               "the simulated disk failed");
}

class SimulatedWritableFile final : public WritableFile {
 public:
  SimulatedWritableFile(SimulatedDisk& disk, SimulatedDisk::File file)
      : disk_(disk), file_(std::move(file)) {}

  absl::Status Allocate(std::int64_t bytes) override {
    return ToStatus(disk_.Allocate(file_, bytes));
  }
  absl::Status Write(absl::Span<const std::uint8_t> bytes) override {
    return ToStatus(disk_.Write(file_, disk_.SizeOf(file_), bytes));
  }
  absl::Status Sync() override { return ToStatus(disk_.Sync(file_)); }

 private:
  SimulatedDisk& disk_;
  SimulatedDisk::File file_;
};

class SimulatedReadableFile final : public ReadableFile {
 public:
  SimulatedReadableFile(SimulatedDisk& disk, SimulatedDisk::File file)
      : disk_(disk), file_(std::move(file)) {}

  std::int64_t size() const override { return disk_.SizeOf(file_); }
  absl::Status ReadAt(std::int64_t offset,
                      absl::Span<std::uint8_t> bytes) const override {
    std::size_t got = 0;
    const DiskError error = disk_.Read(file_, offset, bytes, &got);
    if (error == DiskError::kNone && got < bytes.size()) {
      return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                   "the simulated file ends before");
    }
    return ToStatus(error);
  }

 private:
  SimulatedDisk& disk_;
  SimulatedDisk::File file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WritableFile>> SimulatedFileSystem::Create(
    const std::string& path) {
  SimulatedDisk::File file;
  const DiskError error = disk_.Create(path, &file);
  if (error != DiskError::kNone) {
    return ToStatus(error);
  }
  return std::make_unique<SimulatedWritableFile>(disk_, std::move(file));
}

absl::StatusOr<std::unique_ptr<ReadableFile>> SimulatedFileSystem::Open(
    const std::string& path) {
  SimulatedDisk::File file;
  const DiskError error = disk_.Open(path, &file);
  if (error != DiskError::kNone) {
    return ToStatus(error);
  }
  return std::make_unique<SimulatedReadableFile>(disk_, std::move(file));
}

absl::StatusOr<std::int64_t> SimulatedFileSystem::SizeOf(
    const std::string& path) {
  SimulatedDisk::File file;
  const DiskError error = disk_.Open(path, &file);
  if (error != DiskError::kNone) {
    return ToStatus(error);
  }
  return disk_.SizeOf(file);
}

absl::Status SimulatedFileSystem::Protect(const std::string& path) {
  return ToStatus(disk_.Protect(path));
}

absl::Status SimulatedFileSystem::Rename(const std::string& from,
                                         const std::string& to) {
  return ToStatus(disk_.Rename(from, to));
}

absl::Status SimulatedFileSystem::Remove(const std::string& path) {
  const DiskError error = disk_.Remove(path);
  return error == DiskError::kNotFound ? absl::OkStatus() : ToStatus(error);
}

absl::Status SimulatedFileSystem::MakeFolder(const std::string& path) {
  const DiskError error = disk_.MakeFolder(path);
  return error == DiskError::kExists ? absl::OkStatus() : ToStatus(error);
}

absl::Status SimulatedFileSystem::RemoveFolder(const std::string& path) {
  const DiskError error = disk_.RemoveFolder(path);
  return error == DiskError::kNotFound ? absl::OkStatus() : ToStatus(error);
}

absl::StatusOr<std::vector<std::string>> SimulatedFileSystem::List(
    const std::string& path) {
  std::vector<std::string> names;
  const DiskError error = disk_.List(path, &names);
  if (error != DiskError::kNone) {
    return ToStatus(error);
  }
  return names;
}

absl::Status SimulatedFileSystem::SyncFolder(const std::string& path) {
  return ToStatus(disk_.SyncFolder(path));
}

absl::StatusOr<std::int64_t> SimulatedFileSystem::FreeBytes() {
  return disk_.free_bytes();
}

}  // namespace resnetd
