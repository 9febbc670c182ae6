#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/file_system.h"
#include "tests/support/simulated_disk.h"

namespace resnetd {

// The files of a SimulatedDisk. `disk` outlives it. Thread-safe.
class SimulatedFileSystem : public FileSystem {
 public:
  explicit SimulatedFileSystem(SimulatedDisk& disk) : disk_(disk) {}

  absl::StatusOr<std::unique_ptr<WritableFile>> Create(
      const std::string& path) override;
  absl::StatusOr<std::unique_ptr<ReadableFile>> Open(
      const std::string& path) override;
  absl::StatusOr<std::int64_t> SizeOf(const std::string& path) override;
  absl::Status Protect(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status MakeFolder(const std::string& path) override;
  absl::Status RemoveFolder(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) override;
  absl::Status SyncFolder(const std::string& path) override;
  absl::StatusOr<std::int64_t> FreeBytes() override;

 private:
  SimulatedDisk& disk_;
};

}  // namespace resnetd
