#include "server/store/blob_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/ids.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/store/hash_file.h"
#include "server/store/staged_blob.h"

namespace resnetd {
namespace {

constexpr absl::string_view kBlobs = "blobs/sha256";

absl::Status NoBlob() {
  return Error(absl::StatusCode::kNotFound, Reason::kBlobNotFound,
               "the store has no blob of this digest");
}

absl::Status NoRoom(absl::string_view where, std::int64_t needed,
                    std::int64_t free) {
  free = std::max<std::int64_t>(free, 0);
  return Error(absl::StatusCode::kResourceExhausted, Reason::kStorageFull,
               absl::StrCat(needed, " bytes are needed, ", free, " are free ",
                            where,
                            "; delete versions that are no longer needed, or "
                            "give the store more room"))
      .Metadata("needed", absl::StrCat(needed))
      .Metadata("free", absl::StrCat(free));
}

std::string FolderOf(const Digest& digest) {
  return absl::StrCat(kBlobs, "/", digest.substr(0, 2));
}

// Removes what is in the folder, and what is in folders in it.
absl::Status Empty(FileSystem& files, const std::string& folder) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(folder));
  for (const std::string& name : names) {
    std::string path = absl::StrCat(folder, "/", name);
    if (absl::EndsWith(path, "/")) {
      path.pop_back();
      RETURN_IF_ERROR(Empty(files, path));
      RETURN_IF_ERROR(files.RemoveFolder(path));
    } else {
      RETURN_IF_ERROR(files.Remove(path));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string PathOfBlob(const Digest& digest) {
  return absl::StrCat(FolderOf(digest), "/", digest);
}

BlobStore::BlobStore(std::unique_ptr<FileSystem> files, const Options& options,
                     const Clock& clock)
    : files_(std::move(files)),
      options_(options),
      clock_(clock),
      staging_(absl::StrCat("staging/", NewRequestId())) {}

absl::StatusOr<std::shared_ptr<BlobStore>> BlobStore::Open(
    std::unique_ptr<FileSystem> files, const Options& options,
    const Clock& clock) {
  std::shared_ptr<BlobStore> store(
      new BlobStore(std::move(files), options, clock));
  RETURN_IF_ERROR(store->Prepare());
  RETURN_IF_ERROR(store->CountBlobs());
  return store;
}

absl::Status BlobStore::Prepare() {
  for (const char* const folder :
       {"blobs", "blobs/sha256", "staging", "quarantine"}) {
    RETURN_IF_ERROR(files_->MakeFolder(folder));
  }
  RETURN_IF_ERROR(Empty(*files_, "staging"));
  RETURN_IF_ERROR(files_->MakeFolder(staging_));
  RETURN_IF_ERROR(files_->SyncFolder("blobs"));
  return files_->SyncFolder("");
}

absl::Status BlobStore::CountBlobs() {
  const std::string blobs(kBlobs);
  ASSIGN_OR_RETURN(const std::vector<std::string> folders, files_->List(blobs));
  std::map<Digest, Entry> found;
  std::int64_t bytes = 0;
  for (const std::string& folder : folders) {
    if (folder.size() != 3 || folder.back() != '/') {
      continue;
    }
    const std::string path = absl::StrCat(blobs, "/", folder.substr(0, 2));
    ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->List(path));
    for (const std::string& name : names) {
      if (IsSha256Hex(name) && absl::StartsWith(name, folder.substr(0, 2))) {
        ASSIGN_OR_RETURN(const std::int64_t size,
                         files_->SizeOf(PathOfBlob(name)));
        found[name] = {.present = true, .bytes = size};
        bytes += size;
      }
    }
  }
  MutexLock lock(mutex_);
  entries_ = std::move(found);
  blob_bytes_ = bytes;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> BlobStore::StrangeFiles() {
  const std::string blobs(kBlobs);
  std::vector<std::string> strange;
  ASSIGN_OR_RETURN(const std::vector<std::string> folders, files_->List(blobs));
  for (const std::string& folder : folders) {
    if (folder.back() != '/') {
      strange.push_back(absl::StrCat(blobs, "/", folder));
      continue;
    }
    const std::string path =
        absl::StrCat(blobs, "/", folder.substr(0, folder.size() - 1));
    ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->List(path));
    for (const std::string& name : names) {
      if (!IsSha256Hex(name) ||
          PathOfBlob(name) != absl::StrCat(path, "/", name)) {
        strange.push_back(absl::StrCat(path, "/", name));
      }
    }
  }
  return strange;
}

absl::Status BlobStore::Reserve(std::int64_t bytes) {
  ASSIGN_OR_RETURN(const std::int64_t free, files_->FreeBytes());
  if (free - options_.reserve_bytes < bytes) {
    return NoRoom("on the disk", bytes, free - options_.reserve_bytes);
  }
  MutexLock lock(mutex_);
  if (options_.quota_bytes > 0) {
    const std::int64_t left =
        options_.quota_bytes - blob_bytes_ - reserved_bytes_;
    if (left < bytes) {
      return NoRoom("within the quota of the store", bytes, left);
    }
  }
  reserved_bytes_ += bytes;
  return absl::OkStatus();
}

void BlobStore::Unreserve(std::int64_t bytes) {
  MutexLock lock(mutex_);
  reserved_bytes_ -= bytes;
}

absl::StatusOr<std::unique_ptr<BlobWriter>> BlobStore::NewBlob(
    std::int64_t expected_bytes) {
  const std::int64_t expected = std::max<std::int64_t>(expected_bytes, 0);
  RETURN_IF_ERROR(Reserve(expected));
  return StagedBlob::Create(shared_from_this(), NextStagedName(), expected);
}

std::string BlobStore::NextStagedName() {
  MutexLock lock(mutex_);
  return absl::StrCat(staging_, "/", ++staged_);
}

absl::StatusOr<std::unique_ptr<BlobReader>> BlobStore::OpenBlob(
    const Digest& digest) {
  ASSIGN_OR_RETURN(Pin pin, PinBlob(digest));
  ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file,
                   files_->Open(PathOfBlob(digest)));
  return std::make_unique<OpenedBlob>(std::move(pin), std::move(file));
}

absl::StatusOr<std::vector<std::uint8_t>> BlobStore::ReadBlob(
    const Digest& digest, std::int64_t max_bytes) {
  ASSIGN_OR_RETURN(const Pin pin, PinBlob(digest));
  ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file,
                   files_->Open(PathOfBlob(digest)));
  if (file->size() > max_bytes) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kLimitExceeded,
                 absl::StrCat("the blob has ", file->size(), " bytes, at most ",
                              max_bytes, " are read at once"))
        .Metadata("limit", absl::StrCat(max_bytes));
  }
  absl::StatusOr<std::vector<std::uint8_t>> bytes = ReadVerified(*file, digest);
  if (absl::IsDataLoss(bytes.status())) {
    RETURN_IF_ERROR(PutAside(digest));
  }
  return bytes;
}

absl::Status BlobStore::VerifyBlob(const Digest& digest) {
  absl::StatusOr<Digest> actual = Digest();
  {
    ASSIGN_OR_RETURN(const Pin pin, PinBlob(digest));
    ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file,
                     files_->Open(PathOfBlob(digest)));
    actual = HashOfFile(*file);
  }
  if (actual.ok() && *actual == digest) {
    return absl::OkStatus();
  }
  if (!actual.ok() && !absl::IsDataLoss(actual.status())) {
    return actual.status();
  }
  RETURN_IF_ERROR(PutAside(digest));
  return WrongBytes();
}

absl::StatusOr<std::int64_t> BlobStore::SizeOf(const Digest& digest) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(digest);
  if (found == entries_.end() || !found->second.present) {
    return NoBlob();
  }
  return found->second.bytes;
}

BlobStore::Pin::~Pin() {
  if (store_ != nullptr) {
    store_->Unpin(digest_);
  }
}

BlobStore::Pin BlobStore::Claim(const Digest& digest) {
  {
    MutexLock lock(mutex_);
    while (entries_[digest].removing) {
      changed_.Wait(mutex_);
    }
    ++entries_[digest].pins;
  }
  return {shared_from_this(), digest};
}

absl::Status BlobStore::PlaceClaimed(const std::string& staged,
                                     const Digest& digest, std::int64_t bytes) {
  {
    MutexLock lock(mutex_);
    // PutAside() does not ask for pins.
    while (entries_[digest].removing) {
      changed_.Wait(mutex_);
    }
    ++entries_[digest].writers;
  }
  absl::Status placed = Place(staged, digest, bytes);
  MutexLock lock(mutex_);
  --entries_[digest].writers;
  return placed;
}

absl::StatusOr<BlobStore::Pin> BlobStore::PinBlob(const Digest& digest) {
  if (!IsSha256Hex(digest)) {
    return NoBlob();
  }
  Pin pin = Claim(digest);
  RETURN_IF_ERROR(SizeOf(digest).status());
  return pin;
}

void BlobStore::EraseIfIdle(std::map<Digest, Entry>::iterator entry) {
  if (!entry->second.present && entry->second.pins == 0 &&
      !entry->second.removing) {
    entries_.erase(entry);
  }
}

void BlobStore::Unpin(const Digest& digest) {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(digest);
  --entry->second.pins;
  EraseIfIdle(entry);
}

void BlobStore::Named(const Digest& digest) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(digest);
  if (found == entries_.end() || --found->second.unnamed_commits > 0) {
    return;
  }
  found->second.unnamed_commits = 0;
  found->second.unnamed_since = std::nullopt;
}

absl::Status BlobStore::Sync(const std::string& folder) {
  absl::Status synced = files_->SyncFolder(folder);
  if (!synced.ok()) {
    // The kernel tells it once: a later sync would wrongly succeed.
    MutexLock lock(mutex_);
    failed_ = true;
  }
  return synced;
}

bool BlobStore::IsSound(const Digest& digest, std::int64_t bytes) {
  const absl::StatusOr<std::unique_ptr<ReadableFile>> file =
      files_->Open(PathOfBlob(digest));
  if (!file.ok() || (*file)->size() != bytes) {
    return false;
  }
  const absl::StatusOr<Digest> actual = HashOfFile(**file);
  return actual.ok() && *actual == digest;
}

absl::Status BlobStore::Place(const std::string& staged, const Digest& digest,
                              std::int64_t bytes) {
  const std::string folder = FolderOf(digest);
  bool is_present = false;
  bool is_folder_durable = false;
  {
    MutexLock lock(mutex_);
    is_present = entries_[digest].present;
    is_folder_durable = durable_folders_.count(folder) != 0;
  }
  const bool is_kept = is_present && IsSound(digest, bytes);
  if (is_kept) {
    RETURN_IF_ERROR(files_->Remove(staged));
  } else {
    RETURN_IF_ERROR(files_->MakeFolder(folder));
    RETURN_IF_ERROR(files_->Rename(staged, PathOfBlob(digest)));
  }
  // For a blob that was there as well: the process that put it there may have
  // been killed before it did so.
  RETURN_IF_ERROR(Sync(folder));
  if (!is_folder_durable) {
    RETURN_IF_ERROR(Sync(std::string(kBlobs)));
  }
  MutexLock lock(mutex_);
  durable_folders_.insert(folder);
  Entry& entry = entries_[digest];
  integrity_failures_ += is_present && !is_kept ? 1 : 0;
  blob_bytes_ += bytes - (entry.present ? entry.bytes : 0);
  entry.present = true;
  entry.bytes = bytes;
  ++entry.unnamed_commits;
  entry.unnamed_since = clock_.Now();
  return absl::OkStatus();
}

absl::Status BlobStore::PutAside(const Digest& digest) {
  std::int64_t bytes = 0;
  {
    MutexLock lock(mutex_);
    ++integrity_failures_;
    const auto entry = entries_.find(digest);
    // Who writes the blob right now looks at it, and replaces it.
    if (entry == entries_.end() || !entry->second.present ||
        entry->second.removing || entry->second.writers > 0) {
      return absl::OkStatus();
    }
    // Whoever has it open reads the file that is put aside.
    entry->second.removing = true;
    bytes = entry->second.bytes;
  }
  // A writer may have replaced it since the damage was seen.
  const bool is_healed = IsSound(digest, bytes);
  absl::Status moved =
      is_healed ? absl::OkStatus()
                : files_->Rename(PathOfBlob(digest),
                                 absl::StrCat("quarantine/", digest));
  MutexLock lock(mutex_);
  const auto entry = entries_.find(digest);
  entry->second.removing = false;
  if (moved.ok() && !is_healed) {
    blob_bytes_ -= entry->second.bytes;
    entry->second.present = false;
    entry->second.bytes = 0;
  }
  EraseIfIdle(entry);
  changed_.NotifyAll();
  return moved;
}

std::set<Digest> BlobStore::List() {
  MutexLock lock(mutex_);
  std::set<Digest> digests;
  for (const auto& [digest, entry] : entries_) {
    if (entry.present) {
      digests.insert(digest);
    }
  }
  return digests;
}

std::set<Digest> BlobStore::Unprotected() {
  const SteadyTime now = clock_.Now();
  MutexLock lock(mutex_);
  std::set<Digest> digests;
  for (const auto& [digest, entry] : entries_) {
    if (entry.present && entry.pins == 0 &&
        (!entry.unnamed_since ||
         now - *entry.unnamed_since >= options_.unnamed_grace)) {
      digests.insert(digest);
    }
  }
  return digests;
}

bool BlobStore::BeginRemoval(const Digest& digest) {
  const SteadyTime now = clock_.Now();
  MutexLock lock(mutex_);
  const auto found = entries_.find(digest);
  if (found == entries_.end()) {
    return false;
  }
  Entry& entry = found->second;
  if (!entry.present || entry.pins != 0 || entry.removing ||
      (entry.unnamed_since &&
       now - *entry.unnamed_since < options_.unnamed_grace)) {
    return false;
  }
  entry.removing = true;
  return true;
}

absl::StatusOr<std::int64_t> BlobStore::Remove(const Digest& digest) {
  const absl::Status removed = files_->Remove(PathOfBlob(digest));
  std::int64_t bytes = 0;
  {
    MutexLock lock(mutex_);
    const auto entry = entries_.find(digest);
    entry->second.removing = false;
    if (removed.ok()) {
      bytes = entry->second.bytes;
      blob_bytes_ -= bytes;
      entry->second.present = false;
      entry->second.unnamed_commits = 0;
      entry->second.unnamed_since = std::nullopt;
    }
    EraseIfIdle(entry);
    changed_.NotifyAll();
  }
  RETURN_IF_ERROR(removed);
  return bytes;
}

void BlobStore::CancelRemoval(const Digest& digest) {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(digest);
  entry->second.removing = false;
  EraseIfIdle(entry);
  changed_.NotifyAll();
}

absl::Status BlobStore::SyncFolderOf(const Digest& digest) {
  return Sync(FolderOf(digest));
}

bool BlobStore::failed() {
  MutexLock lock(mutex_);
  return failed_;
}

BlobStore::Account BlobStore::GetAccount() {
  MutexLock lock(mutex_);
  Account account{.blobs = 0,
                  .bytes = blob_bytes_,
                  .integrity_failures = integrity_failures_};
  for (const auto& [digest, entry] : entries_) {
    account.blobs += entry.present ? 1 : 0;
  }
  return account;
}

}  // namespace resnetd
