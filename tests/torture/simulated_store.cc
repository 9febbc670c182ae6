#include "tests/torture/simulated_store.h"

#include <string>
#include <utility>

#include "server/base/status_macros.h"
#include "server/store/open_store.h"
#include "tests/support/simulated_file_system.h"
#include "tests/torture/store_check.h"

namespace resnetd {
namespace {

// A file whose sync does nothing.
class CarelessFile final : public WritableFile {
 public:
  explicit CarelessFile(std::unique_ptr<WritableFile> file)
      : file_(std::move(file)) {}
  absl::Status Allocate(std::int64_t bytes) override {
    return file_->Allocate(bytes);
  }
  absl::Status Write(absl::Span<const std::uint8_t> bytes) override {
    return file_->Write(bytes);
  }
  absl::Status Sync() override { return absl::OkStatus(); }

 private:
  std::unique_ptr<WritableFile> file_;
};

// The files of a disk, written in good faith that they will stay.
class CarelessFileSystem final : public SimulatedFileSystem {
 public:
  using SimulatedFileSystem::SimulatedFileSystem;
  absl::StatusOr<std::unique_ptr<WritableFile>> Create(
      const std::string& path) override {
    ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file,
                     SimulatedFileSystem::Create(path));
    return std::make_unique<CarelessFile>(std::move(file));
  }
  absl::Status SyncFolder(const std::string& /*path*/) override {
    return absl::OkStatus();
  }
};

std::unique_ptr<FileSystem> FilesOf(SimulatedDisk& disk,
                                    Carelessness careless) {
  if (careless.files) {
    return std::make_unique<CarelessFileSystem>(disk);
  }
  return std::make_unique<SimulatedFileSystem>(disk);
}

}  // namespace

SimulatedStore::SimulatedStore(std::unique_ptr<SimulatedDisk> disk,
                               const Clock& clock, Carelessness careless)
    : disk_(std::move(disk)),
      vfs_(*disk_),
      clock_(clock),
      careless_(careless) {}

absl::Status SimulatedStore::Open() {
  store_.reset();
  const DatabaseOptions database{
      .path = "/meta.db", .vfs = vfs_.name(), .durable = !careless_.database};
  const StoreOptions options{.folder = "the simulated folder",
                             .reserve_bytes = 0,
                             .collect_grace = kGrace};
  ASSIGN_OR_RETURN(store_, OpenStoreOver(FilesOf(*disk_, careless_), database,
                                         options, clock_));
  return absl::OkStatus();
}

}  // namespace resnetd
