#include "server/store/collector.h"

#include <map>
#include <set>
#include <utility>

#include "server/base/status_macros.h"
#include "server/store/tombstone_table.h"

namespace resnetd {
namespace {

// Blobs whose removal began; those that are still there in the end stay.
class Removals {
 public:
  explicit Removals(BlobStore& blobs) : blobs_(blobs) {}
  ~Removals() {
    for (const Digest& digest : begun_) {
      blobs_.CancelRemoval(digest);
    }
  }
  Removals(const Removals&) = delete;
  Removals& operator=(const Removals&) = delete;

  void Begin(const Digest& digest) {
    if (blobs_.BeginRemoval(digest)) {
      begun_.insert(digest);
    }
  }

  // Removes all but `named`, durably; returns what was removed.
  absl::StatusOr<std::set<Digest>> Finish(const std::set<Digest>& named,
                                          Collected& collected) {
    std::set<Digest> removed;
    std::map<std::string, Digest> folders;
    for (const Digest& digest : std::set<Digest>(begun_)) {
      if (named.count(digest) != 0) {
        continue;
      }
      begun_.erase(digest);
      ASSIGN_OR_RETURN(const std::int64_t bytes, blobs_.Remove(digest));
      collected.bytes += bytes;
      ++collected.blobs;
      folders.emplace(digest.substr(0, 2), digest);
      removed.insert(digest);
    }
    for (const auto& [prefix, digest] : folders) {
      RETURN_IF_ERROR(blobs_.SyncFolderOf(digest));
    }
    return removed;
  }

 private:
  BlobStore& blobs_;
  std::set<Digest> begun_;
};

}  // namespace

absl::StatusOr<Collected> CollectGarbage(Catalog& catalog, BlobStore& blobs,
                                         const StoreOptions& options,
                                         const Clock& clock) {
  RETURN_IF_ERROR(catalog.Expire(options.remember, options.keep_events));
  RETURN_IF_ERROR(catalog.UpdateTombstones(blobs.Unprotected(), {}));

  Collected collected;
  ASSIGN_OR_RETURN(const auto tombstones, catalog.Tombstones());
  const WallTime now = clock.WallNow();
  const std::set<Digest> present = blobs.List();
  std::set<Digest> gone;
  Removals removals(blobs);
  for (const auto& [digest, since] : tombstones) {
    if (present.count(digest) == 0) {
      gone.insert(digest);
    } else if (IsDue(since, now, options.collect_grace)) {
      removals.Begin(digest);
    }
  }
  // Whoever publishes pins the blobs first. So a version that names one of
  // these is committed by now, and read here, or will find it missing.
  ASSIGN_OR_RETURN(const std::set<Digest> named, catalog.NamedBlobs());
  ASSIGN_OR_RETURN(const std::set<Digest> removed,
                   removals.Finish(named, collected));
  // Last: a crash before it leaves tombstones of blobs that are gone.
  gone.insert(removed.begin(), removed.end());
  RETURN_IF_ERROR(catalog.UpdateTombstones({}, gone));
  return collected;
}

}  // namespace resnetd
