#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/store/database.h"
#include "server/store/head_table.h"
#include "server/store/request_table.h"
#include "server/store/store_types.h"

namespace resnetd {

// The database of a store as its catalogs share it: one connection that writes,
// and one that reads beside it and never waits for the disk behind a commit.
// Thread-safe.
class Connections {
 public:
  // A change in the making; nothing of it is seen before Finish(), and
  // destroyed without it nothing happened. Not thread-safe: for whoever holds
  // write_mutex().
  struct Change {
    Transaction transaction;
    Database& database;
    // As the transaction found it and changes it.
    Head head;
    WallTime now;
  };

  // `clock` outlives them.
  Connections(const DatabaseOptions& options, const Clock& clock,
              std::unique_ptr<Database> writer,
              std::unique_ptr<Database> reader);
  ~Connections();

  const DatabaseOptions& options() const { return options_; }
  // As the database gives it back.
  WallTime Now() const;

  // True from when the disk failed under the database, or SetFailed() was
  // called: no change is taken any more.
  bool failed() const { return failed_; }
  void SetFailed() { failed_ = true; }
  // UNAVAILABLE (STORE_FAILED): failed().
  absl::Status CheckWritable() const;

  Mutex& read_mutex() ABSL_LOCK_RETURNED(read_mutex_) { return read_mutex_; }
  Database& reader() ABSL_EXCLUSIVE_LOCKS_REQUIRED(read_mutex_) {
    return *reader_;
  }

  Mutex& write_mutex() ABSL_LOCK_RETURNED(write_mutex_) { return write_mutex_; }
  // UNAVAILABLE (STORE_FAILED).
  absl::StatusOr<Change> Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // The commit. Notes a failed disk.
  absl::Status Finish(Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // Adds key, audit row and `head`, and commits.
  absl::Status Record(Change& change, const Mutation& mutation,
                      const Outcome& outcome, const std::string& audit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // Ends a mutation that changed nothing: its key is kept all the same.
  absl::Status RecordNothing(Change& change, const Mutation& mutation,
                             const Outcome& outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);

 private:
  const DatabaseOptions options_;
  const Clock& clock_;
  // Set by whoever sees the disk fail, read by those who must not wait for a
  // commit; never cleared.
  std::atomic<bool> failed_{false};

  // The writer is closed last: it copies the log into the file.
  Mutex write_mutex_;
  std::unique_ptr<Database> writer_ ABSL_GUARDED_BY(write_mutex_);
  Mutex read_mutex_;
  std::unique_ptr<Database> reader_ ABSL_GUARDED_BY(read_mutex_);
};

}  // namespace resnetd
