#include "server/store/backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/store/blob_store.h"
#include "server/store/database.h"
#include "server/store/file_system.h"
#include "server/store/format_file.h"
#include "server/store/hash_file.h"
#include "server/store/named_blobs.h"
#include "server/store/real_file_system.h"

namespace resnetd {
namespace {

constexpr char kDatabase[] = "meta.db";
constexpr char kFormat[] = "FORMAT";
constexpr char kFormatNew[] = "FORMAT.new";
constexpr std::int64_t kPieceBytes = 1 << 20;
// With a grace time of nothing, a blob may be collected between the copy of the
// database and its own: then the copy is made again.
constexpr int kAttempts = 3;

absl::Status Unusable(const std::string& text) {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
               text);
}

absl::Status MakeTarget(const std::string& to) {
  if (mkdir(to.c_str(), 0750) == 0) {
    return absl::OkStatus();
  }
  if (errno == EEXIST) {
    return Unusable(absl::StrCat("there is a ", Quoted(to, 256),
                                 " already; a backup goes into a new folder"));
  }
  const char* const name = strerrorname_np(errno);
  return Unusable(absl::StrCat("cannot make ", Quoted(to, 256), " (",
                               name == nullptr ? "?" : name,
                               "); its parent must exist and be writable for "
                               "this user"));
}

// The entry of a folder in its parent is durable.
absl::Status SyncParent(const std::string& folder) {
  const int parent = open(absl::StrCat(folder, "/..").c_str(),
                          O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = parent >= 0 && fsync(parent) == 0;
  if (parent >= 0) {
    close(parent);
  }
  return synced ? absl::OkStatus()
                : Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed,
                        "the disk of the backup failed");
}

// One backup: two folders, and what was taken so far. Not thread-safe.
class Backup {
 public:
  Backup(std::string from, std::string to, std::unique_ptr<FileSystem> source,
         std::unique_ptr<FileSystem> target)
      : from_(std::move(from)),
        to_(std::move(to)),
        source_(std::move(source)),
        target_(std::move(target)) {}

  absl::StatusOr<BackedUp> Run() {
    RETURN_IF_ERROR(target_->MakeFolder("blobs"));
    RETURN_IF_ERROR(target_->MakeFolder("blobs/sha256"));
    absl::Status taken;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      taken = TakeMoment();
      if (!absl::IsNotFound(taken)) {
        break;
      }
    }
    if (absl::IsNotFound(taken)) {
      return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                   "a file that the database names is missing; look at "
                   "resnetd --verify-store");
    }
    RETURN_IF_ERROR(taken);
    RETURN_IF_ERROR(SyncFolders());
    RETURN_IF_ERROR(CopyFormat());
    RETURN_IF_ERROR(SyncParent(to_));
    return taken_;
  }

 private:
  // The database as it is now, and the blobs that it names. NOT_FOUND: one is
  // gone.
  absl::Status TakeMoment() {
    RETURN_IF_ERROR(target_->Remove(kDatabase));
    const std::string copy = absl::StrCat(to_, "/", kDatabase);
    {
      ASSIGN_OR_RETURN(
          const std::unique_ptr<Database> database,
          Database::Open({.path = absl::StrCat(from_, "/", kDatabase)},
                         Database::Access::kReadOnly));
      RETURN_IF_ERROR(database->CopyTo(copy));
    }
    ASSIGN_OR_RETURN(
        const std::unique_ptr<Database> copied,
        Database::Open({.path = copy}, Database::Access::kReadWrite));
    ASSIGN_OR_RETURN(const std::set<Digest> named, ReadNamedBlobs(*copied));
    taken_ = {};
    for (const Digest& digest : named) {
      RETURN_IF_ERROR(TakeBlob(digest));
    }
    return absl::OkStatus();
  }

  absl::Status TakeBlob(const Digest& digest) {
    const std::string path = PathOfBlob(digest);
    ASSIGN_OR_RETURN(const std::int64_t bytes, source_->SizeOf(path));
    RETURN_IF_ERROR(target_->MakeFolder(path.substr(0, path.rfind('/'))));
    if (link(absl::StrCat(from_, "/", path).c_str(),
             absl::StrCat(to_, "/", path).c_str()) == 0 ||
        errno == EEXIST) {
      ++taken_.linked;
    } else {
      // Another disk, or one without links.
      RETURN_IF_ERROR(CopyBlob(digest, path, bytes));
    }
    ++taken_.blobs;
    taken_.bytes += bytes;
    return absl::OkStatus();
  }

  absl::Status CopyBlob(const Digest& digest, const std::string& path,
                        std::int64_t bytes) {
    ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file,
                     source_->Open(path));
    RETURN_IF_ERROR(target_->Remove("part"));
    ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> copy,
                     target_->Create("part"));
    RETURN_IF_ERROR(copy->Allocate(bytes));
    Sha256 hash;
    std::vector<std::uint8_t> piece;
    for (std::int64_t at = 0; at < bytes; at += kPieceBytes) {
      piece.resize(static_cast<std::size_t>(std::min(kPieceBytes, bytes - at)));
      RETURN_IF_ERROR(file->ReadAt(at, absl::MakeSpan(piece)));
      hash.Update(piece);
      RETURN_IF_ERROR(copy->Write(piece));
    }
    if (hash.Finish() != digest) {
      return WrongBytes();
    }
    RETURN_IF_ERROR(copy->Sync());
    RETURN_IF_ERROR(target_->Protect("part"));
    return target_->Rename("part", path);
  }

  absl::Status SyncFolders() {
    ASSIGN_OR_RETURN(const std::vector<std::string> folders,
                     target_->List("blobs/sha256"));
    for (const std::string& folder : folders) {
      RETURN_IF_ERROR(
          target_->SyncFolder("blobs/sha256/" + folder.substr(0, 2)));
    }
    RETURN_IF_ERROR(target_->SyncFolder("blobs/sha256"));
    RETURN_IF_ERROR(target_->SyncFolder("blobs"));
    return target_->SyncFolder("");
  }

  absl::Status CopyFormat() {
    ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> format,
                     source_->Open(kFormat));
    std::vector<std::uint8_t> text(static_cast<std::size_t>(format->size()));
    RETURN_IF_ERROR(format->ReadAt(0, absl::MakeSpan(text)));
    ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> copy,
                     target_->Create(kFormatNew));
    RETURN_IF_ERROR(copy->Write(text));
    RETURN_IF_ERROR(copy->Sync());
    RETURN_IF_ERROR(target_->Rename(kFormatNew, kFormat));
    return target_->SyncFolder("");
  }

  const std::string from_;
  const std::string to_;
  const std::unique_ptr<FileSystem> source_;
  const std::unique_ptr<FileSystem> target_;
  BackedUp taken_;
};

}  // namespace

absl::StatusOr<BackedUp> BackUpStore(const std::string& from,
                                     const std::string& to) {
  ASSIGN_OR_RETURN(std::unique_ptr<FileSystem> source,
                   OpenRealFileSystem(from, true));
  if (!source->SizeOf(kFormat).ok()) {
    return Unusable(absl::StrCat(Quoted(from, 256), " holds no store"));
  }
  // Of a newer server, or something else's.
  RETURN_IF_ERROR(CheckFormat(*source));
  RETURN_IF_ERROR(MakeTarget(to));
  ASSIGN_OR_RETURN(std::unique_ptr<FileSystem> target,
                   OpenRealFileSystem(to, true));
  return Backup(from, to, std::move(source), std::move(target)).Run();
}

}  // namespace resnetd
