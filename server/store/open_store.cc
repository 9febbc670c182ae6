#include "server/store/open_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/store/blob_store.h"
#include "server/store/catalog.h"
#include "server/store/durable_store.h"
#include "server/store/folder_lock.h"
#include "server/store/format_file.h"
#include "server/store/real_file_system.h"
#include "server/store/renew_log.h"
#include "server/store/temporary_folder.h"

namespace resnetd {
namespace {

// SQLite's name for the write-ahead log of meta.db.
constexpr char kLogFile[] = "meta.db-wal";

// What a store of this process stands on, and gives up last.
struct Ground {
  std::unique_ptr<TemporaryFolder> folder;
  std::unique_ptr<FolderLock> lock;
};

// The same error for an operator: which folder, and what helps.
absl::Status ForOperator(const absl::Status& status,
                         const std::string& folder) {
  absl::Status told(status.code(),
                    absl::StrCat("cannot use the data directory ", folder, ": ",
                                 status.message(),
                                 absl::IsDataLoss(status)
                                     ? "; restore the folder from a backup"
                                     : ""));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    told.SetPayload(url, payload);
  });
  return told;
}

absl::StatusOr<std::unique_ptr<Store>> OpenParts(
    std::shared_ptr<const void> ground, std::unique_ptr<FileSystem> files,
    const DatabaseOptions& database, const StoreOptions& options,
    const Clock& clock) {
  // The order matters: nothing is made in a folder that is something else's,
  // and nothing is removed before the database was found to be ours.
  FileSystem& same_files = *files;
  RETURN_IF_ERROR(CheckOrMakeFormat(same_files));
  if (database.durable) {
    RETURN_IF_ERROR(RenewLog(same_files, kLogFile));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Catalog> catalog,
                   Catalog::Open(database, clock));
  const BlobStore::Options blob_options{
      .quota_bytes = options.quota_bytes,
      .reserve_bytes = options.reserve_bytes,
      .unnamed_grace =
          std::max<Duration>(options.collect_grace, std::chrono::hours(1))};
  ASSIGN_OR_RETURN(std::shared_ptr<BlobStore> blobs,
                   BlobStore::Open(std::move(files), blob_options, clock));
  if (catalog->is_new() && blobs->GetAccount().blobs > 0) {
    return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                 "it holds blobs, but its database meta.db is missing");
  }
  return std::make_unique<DurableStore>(options, clock, std::move(ground),
                                        std::move(catalog), std::move(blobs));
}

// Makes the folder when it is missing, durably.
absl::Status MakeDataFolder(const std::string& folder) {
  if (mkdir(folder.c_str(), 0750) != 0) {
    if (errno == EEXIST) {
      return absl::OkStatus();
    }
    const char* const name = strerrorname_np(errno);
    return Error(absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
                 absl::StrCat("cannot make the data directory ", folder, " (",
                              name == nullptr ? "?" : name,
                              "); its parent must exist and be writable for "
                              "this user"));
  }
  const int parent = open(absl::StrCat(folder, "/..").c_str(),
                          O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    // A parent that cannot be synced shows as a missing folder after a power
    // cut, with nothing in it that was answered.
    fsync(parent);
    close(parent);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Store>> OpenTemporary(
    const StoreOptions& options, const Clock& clock) {
  auto ground = std::make_shared<Ground>();
  ASSIGN_OR_RETURN(ground->folder, TemporaryFolder::Make());
  const std::string folder = ground->folder->path();
  ASSIGN_OR_RETURN(std::unique_ptr<FileSystem> files,
                   OpenRealFileSystem(folder, false));
  const DatabaseOptions database{.path = folder + "/meta.db", .durable = false};
  return OpenParts(std::move(ground), std::move(files), database, options,
                   clock);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenStoreOver(
    std::unique_ptr<FileSystem> files, const DatabaseOptions& database,
    const StoreOptions& options, const Clock& clock) {
  absl::StatusOr<std::unique_ptr<Store>> store =
      OpenParts(nullptr, std::move(files), database, options, clock);
  if (!store.ok()) {
    return ForOperator(store.status(), options.folder);
  }
  return store;
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options,
                                                   const Clock& clock) {
  if (options.folder.empty()) {
    return OpenTemporary(options, clock);
  }
  RETURN_IF_ERROR(MakeDataFolder(options.folder));
  RETURN_IF_ERROR(CheckStorage(options.folder));
  ASSIGN_OR_RETURN(std::unique_ptr<FileSystem> files,
                   OpenRealFileSystem(options.folder, true));
  // Before the lock, whose file would be left in somebody else's folder.
  if (const absl::Status format = CheckFormat(*files); !format.ok()) {
    return ForOperator(format, options.folder);
  }
  auto ground = std::make_shared<Ground>();
  ASSIGN_OR_RETURN(ground->lock, FolderLock::Take(options.folder));
  const DatabaseOptions database{.path = options.folder + "/meta.db"};
  absl::StatusOr<std::unique_ptr<Store>> store =
      OpenParts(std::move(ground), std::move(files), database, options, clock);
  if (!store.ok()) {
    return ForOperator(store.status(), options.folder);
  }
  return store;
}

}  // namespace resnetd
