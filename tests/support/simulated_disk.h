#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/mutex.h"
#include "tests/support/simulated_inode.h"

namespace resnetd {

enum class DiskError {
  kNone,
  kNoSpace,
  kFailed,
  kNotFound,
  kExists,
  kNotEmpty,
};

// What programs do to a disk. Reads are counted apart from the rest.
enum class DiskOp {
  kCreate,
  kWrite,
  kAllocate,
  kTruncate,
  kSync,
  kProtect,
  kRename,
  kRemove,
  kMakeFolder,
  kRemoveFolder,
  kSyncFolder,
  kRead,
};
absl::string_view NameOf(DiskOp op);

// What goes wrong at one operation.
struct DiskFault {
  enum class Kind {
    kNone,
    // The process dies while the operation runs: of a write a part is done, of
    // all others nothing. Whatever it asks for afterwards fails.
    kDie,
    // No room: a write is done in part (half of it). Only operations that may
    // need room fail.
    kFull,
    // The disk reports an error.
    kFail,
  };
  Kind kind = Kind::kNone;
  // Counted from 0, over all operations but reads; of reads: over reads.
  std::int64_t at = 0;
  // Whether all later operations fail, too.
  bool lasting = false;
  bool of_reads = false;
};

// For the names of tests.
inline void PrintTo(const DiskFault& fault, std::ostream* out) {
  *out << "fault " << static_cast<int>(fault.kind)
       << (fault.lasting ? " lasting" : " once");
}

// A disk with folders and files, as a kernel shows it to one process, and with
// what of it would be there after a power cut.
//
// Written bytes are durable once the file was synced, names once their folder
// was: a created, removed or renamed file, a folder in its parent. A rename is
// one step, made durable by the folder of the new name. When syncing a file
// fails, its unsynced bytes stay visible and no later sync makes them durable:
// this is what Linux does. Paths are names joined by "/", "" is the root.
// Thread-safe.
class SimulatedDisk {
 public:
  using File = std::shared_ptr<SimulatedInode>;

  SimulatedDisk() = default;
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  // The disk as it could be found after a power cut at this moment, one
  // possibility for each seed: what is synced is there; every change since was
  // kept, lost or torn into sectors of 512 or 4,096 bytes, in any order.
  std::unique_ptr<SimulatedDisk> Crash(std::uint64_t seed) const;
  // The disk as the next process finds it when this one is killed: the kernel
  // lost nothing, and nothing more is durable than before.
  std::unique_ptr<SimulatedDisk> Kill() const;

  void Plan(const DiskFault& fault);
  // Everything that would need more room than this fails.
  void set_capacity(std::int64_t bytes);
  // Whether a planned fault happened.
  bool struck() const;
  // What it hit first, e.g. "write of meta.db-wal"; empty: nothing.
  std::string struck_at() const;
  bool dead() const;
  // Operations so far, in their order, without reads.
  std::vector<DiskOp> operations() const;
  std::int64_t operation_count() const;
  std::int64_t read_count() const;

  DiskError Create(const std::string& path, File* file);
  DiskError Open(const std::string& path, File* file);
  DiskError Allocate(const File& file, std::int64_t bytes);
  DiskError Write(const File& file, std::int64_t offset,
                  absl::Span<const std::uint8_t> bytes);
  DiskError Truncate(const File& file, std::int64_t bytes);
  DiskError Sync(const File& file);
  // Fills what there is of `bytes` and says how much that was.
  DiskError Read(const File& file, std::int64_t offset,
                 absl::Span<std::uint8_t> bytes, std::size_t* got);
  std::int64_t SizeOf(const File& file) const;

  DiskError Protect(const std::string& path);
  DiskError Rename(const std::string& from, const std::string& to);
  DiskError Remove(const std::string& path);
  DiskError MakeFolder(const std::string& path);
  DiskError RemoveFolder(const std::string& path);
  DiskError SyncFolder(const std::string& path);
  // Names in a folder, ordered; folders end with "/".
  DiskError List(const std::string& path, std::vector<std::string>* names);
  bool Exists(const std::string& path) const;
  std::int64_t free_bytes() const;

  // For tests, without being an operation: all files, ordered by path, and
  // what is in one.
  std::vector<std::string> Files() const;
  std::vector<std::uint8_t> Contents(const std::string& path) const;
  // 0 when there is no such file.
  std::int64_t BytesOf(const std::string& path) const;
  // Changes one bit, as decay does: durable and visible alike.
  void FlipBit(const std::string& path, std::int64_t bit);

 private:
  // By path; a folder when null.
  using Tree = std::map<std::string, File>;
  // What happened to names and is not durable yet.
  struct Move {
    std::int64_t sequence = 0;
    // Empty: the name `to` is new. Else it ceases to exist.
    std::string from;
    // Empty: `from` is removed.
    std::string to;
    // Null: a folder.
    File file;
  };

  // Counts an operation; what goes wrong with it.
  DiskError Begin(DiskOp op, const std::string& path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  DiskError Begin(DiskOp op, const File& file)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  DiskError Strike(DiskOp op) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::int64_t Free() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasParent(const std::string& path) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Does a move in what a process sees.
  void Do(Move move) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Tree CrashedTree(std::uint64_t seed, std::int64_t cut) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Apply(const Move& move, Tree* tree);

  mutable Mutex mutex_;
  Tree now_ ABSL_GUARDED_BY(mutex_);
  Tree durable_ ABSL_GUARDED_BY(mutex_);
  std::vector<Move> moves_ ABSL_GUARDED_BY(mutex_);
  // Numbers all changes, so that a cut in time can be made through all files.
  std::int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t capacity_ ABSL_GUARDED_BY(mutex_) = 1LL << 40;
  DiskFault fault_ ABSL_GUARDED_BY(mutex_);
  // Empty: the planned fault did not happen.
  std::string struck_at_ ABSL_GUARDED_BY(mutex_);
  bool dead_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<DiskOp> operations_ ABSL_GUARDED_BY(mutex_);
  std::int64_t reads_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace resnetd
