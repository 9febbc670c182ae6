#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/store/file_system.h"
#include "server/store/store.h"

namespace resnetd {

// A blob is a file blobs/sha256/<first two digits>/<digest>, read-only, and
// never changes. It is written under staging/ and renamed when it is durable.
// What is in memory here is only an account of the files; which of them mean
// anything the database says.
//
// Readers, writers and pins may outlive the caller's reference. Thread-safe: no
// lock is held while the disk works.
class BlobStore : public std::enable_shared_from_this<BlobStore> {
 public:
  struct Options {
    // All blobs together; 0: no limit.
    std::int64_t quota_bytes = 0;
    // Left free on the disk.
    std::int64_t reserve_bytes = 0;
    // How long a blob is kept that was committed and that nothing names.
    Duration unnamed_grace = std::chrono::hours(1);
  };

  // Makes the folders, empties staging and counts the blobs. `clock` outlives
  // the store.
  static absl::StatusOr<std::shared_ptr<BlobStore>> Open(
      std::unique_ptr<FileSystem> files, const Options& options,
      const Clock& clock);

  // Keeps blobs from being removed while it lives. Thread-safe.
  class Pin {
   public:
    Pin(std::shared_ptr<BlobStore> store, Digest digest)
        : store_(std::move(store)), digest_(std::move(digest)) {}
    Pin(Pin&&) = default;
    Pin& operator=(Pin&&) = delete;
    ~Pin();

   private:
    std::shared_ptr<BlobStore> store_;
    Digest digest_;
  };

  absl::StatusOr<std::unique_ptr<BlobWriter>> NewBlob(
      std::int64_t expected_bytes);
  absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(const Digest& digest);
  absl::StatusOr<std::vector<std::uint8_t>> ReadBlob(const Digest& digest,
                                                     std::int64_t max_bytes);
  // Bytes of a blob; NOT_FOUND (BLOB_NOT_FOUND).
  absl::StatusOr<std::int64_t> SizeOf(const Digest& digest)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for a removal that is under way. NOT_FOUND (BLOB_NOT_FOUND).
  absl::StatusOr<Pin> PinBlob(const Digest& digest) ABSL_LOCKS_EXCLUDED(mutex_);
  // A version names it now: the commit for it needs no other protection.
  void Named(const Digest& digest) ABSL_LOCKS_EXCLUDED(mutex_);

  // Reads it all. DATA_LOSS (STORE_CORRUPT): the bytes are not those of the
  // digest; counted, and the blob is put aside.
  absl::Status VerifyBlob(const Digest& digest);
  // Moves a damaged blob to quarantine/.
  absl::Status PutAside(const Digest& digest) ABSL_LOCKS_EXCLUDED(mutex_);

  // Every blob there is.
  std::set<Digest> List() ABSL_LOCKS_EXCLUDED(mutex_);
  // Of these, those that nothing in this process protects.
  std::set<Digest> Unprotected() ABSL_LOCKS_EXCLUDED(mutex_);
  // From here to EndRemoval() nobody can pin, write or open the blob. False: it
  // is protected, or not there.
  bool BeginRemoval(const Digest& digest) ABSL_LOCKS_EXCLUDED(mutex_);
  // Removes the file of a blob whose removal began, and ends it. Returns its
  // bytes. Durable only after SyncAfterRemoval().
  absl::StatusOr<std::int64_t> Remove(const Digest& digest)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The blob stays.
  void CancelRemoval(const Digest& digest) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status SyncFolderOf(const Digest& digest);

  // Files under blobs/ that are no blobs, for Verify().
  absl::StatusOr<std::vector<std::string>> StrangeFiles();

  // True from when the disk failed to make a folder durable: what is in it is
  // unknown then.
  bool failed() ABSL_LOCKS_EXCLUDED(mutex_);
  struct Account {
    std::int64_t blobs = 0;
    std::int64_t bytes = 0;
    std::int64_t integrity_failures = 0;
  };
  Account GetAccount() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::int64_t> FreeBytes() { return files_->FreeBytes(); }

 private:
  friend class StagedBlob;
  friend class OpenedBlob;

  // What is known of a digest that is there, pinned, or on its way out.
  struct Entry {
    bool present = false;
    std::int64_t bytes = 0;
    int pins = 0;
    // Of the pins, those in Place().
    int writers = 0;
    bool removing = false;
    // Commits by this process that nothing was named by since, and when the
    // last one was. A count: of two who commit the same blob, one may name it
    // and give it up again before the other names it.
    int unnamed_commits = 0;
    std::optional<SteadyTime> unnamed_since;
  };

  BlobStore(std::unique_ptr<FileSystem> files, const Options& options,
            const Clock& clock);
  absl::Status Prepare();
  absl::Status CountBlobs() ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes `bytes` of quota and disk. RESOURCE_EXHAUSTED (STORAGE_FULL).
  absl::Status Reserve(std::int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  void Unreserve(std::int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // A pin on a digest that need not be there yet.
  Pin Claim(const Digest& digest) ABSL_LOCKS_EXCLUDED(mutex_);
  void Unpin(const Digest& digest) ABSL_LOCKS_EXCLUDED(mutex_);
  // Puts the synced file `staged` under its digest, durably; the caller holds a
  // claim. The file is gone from staging in any case but an error.
  absl::Status PlaceClaimed(const std::string& staged, const Digest& digest,
                            std::int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Place(const std::string& staged, const Digest& digest,
                     std::int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether the blob that is there has these bytes.
  bool IsSound(const Digest& digest, std::int64_t bytes);
  absl::Status Sync(const std::string& folder) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string NextStagedName() ABSL_LOCKS_EXCLUDED(mutex_);
  void EraseIfIdle(std::map<Digest, Entry>::iterator entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<FileSystem> files_;
  const Options options_;
  const Clock& clock_;
  // staging/<random>: of this opening alone.
  std::string staging_;

  Mutex mutex_;
  CondVar changed_;
  std::map<Digest, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  // Sum of the bytes of present entries.
  std::int64_t blob_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Promised to writers.
  std::int64_t reserved_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t integrity_failures_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t staged_ ABSL_GUARDED_BY(mutex_) = 0;
  // Folders blobs/sha256/ab whose own entry is durable for sure.
  std::set<std::string> durable_folders_ ABSL_GUARDED_BY(mutex_);
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
};

// "blobs/sha256/ab/ab...".
std::string PathOfBlob(const Digest& digest);

}  // namespace resnetd
