#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/open_store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace resnetd {

class Database;

// A prepared statement in use; given back to its database when destroyed, which
// it may not outlive. Parameters are bound in the order of their "?", columns
// are counted from 0. Errors of binding come out of Next() and Run(). Not
// thread-safe.
class Query {
 public:
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;
  ~Query();

  Query& Bind(std::int64_t value);
  Query& Bind(absl::string_view value);
  Query& Bind(std::optional<std::int64_t> value);

  // The next row; false: there is none.
  absl::StatusOr<bool> Next();
  // Carries out what returns no rows.
  absl::Status Run();

  std::int64_t Int(int column) const;
  std::string Text(int column) const;
  std::optional<std::int64_t> MaybeInt(int column) const;

 private:
  friend class Database;
  Query(Database& database, std::string sql, sqlite3_stmt* statement, int code);

  Database* database_;
  std::string sql_;
  sqlite3_stmt* statement_;
  // The first error of preparing or binding; SQLITE_OK: none.
  int code_;
  int bound_ = 0;
};

// One connection to a SQLite file in WAL mode. Not thread-safe.
//
// Errors of all methods: RESOURCE_EXHAUSTED (STORAGE_FULL), DATA_LOSS
// (STORE_CORRUPT), UNAVAILABLE (STORE_FAILED: the disk failed, or another
// program holds the lock of the database), INTERNAL (a bug of ours).
class Database {
 public:
  enum class Access { kReadOnly, kReadWrite };

  // Read-write makes the file when it is missing and switches it to WAL.
  static absl::StatusOr<std::unique_ptr<Database>> Open(
      const DatabaseOptions& options, Access access);
  // An empty one in memory.
  static absl::StatusOr<std::unique_ptr<Database>> OpenEmpty();
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Query Prepare(absl::string_view sql);
  // One statement without parameters or rows.
  absl::Status Execute(absl::string_view sql);
  // Several statements.
  absl::Status ExecuteScript(const std::string& sql);
  // The first column of the first row; NOT_FOUND without a row.
  absl::StatusOr<std::int64_t> ReadInt(absl::string_view sql);

  // True once the disk failed under a connection that writes. What the file
  // holds after the last commit is then unknown to this process: nothing more
  // may be written by it, and closing leaves the log to the next opening.
  bool failed() const { return failed_; }
  void MarkFailed() { failed_ = true; }

  // Makes durable what is read now: the process that wrote it may have been
  // killed between writing the log and syncing it, and a power cut must not
  // undo what was shown to anybody since.
  absl::Status Settle();
  // Writes what is committed, as it is at one moment, into the new file `path`,
  // durably. Writers go on meanwhile.
  absl::Status CopyTo(const std::string& path);
  // Copies the log into the file when it has grown over `pages`. A failure
  // undoes no commit; it shows in failed().
  void CheckpointBeyond(int pages);

 private:
  friend class Query;
  friend class Transaction;
  Database(sqlite3* connection, Access access);

  // Status of a SQLite result code; notes a failed disk.
  absl::Status Judge(int code);
  absl::Status Configure(bool durable);

  sqlite3* connection_;
  Access access_;
  bool failed_ = false;
  // Of the log after the last commit.
  int log_pages_ = 0;
  // Prepared statements that are not in use, by their text.
  std::multimap<std::string, sqlite3_stmt*> idle_;
};

// A transaction that writes. Destroyed without Commit(): nothing happened. Not
// thread-safe.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // The point of no return: OK means that it survives a power cut (if the
  // database is durable). Once.
  absl::Status Commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  // Null once it has ended.
  Database* database_;
};

// Several reads of one connection that see the same state, which no writer can
// change under them. Not thread-safe.
class Snapshot {
 public:
  static absl::StatusOr<Snapshot> Begin(Database& database);
  Snapshot(Snapshot&& other) noexcept;
  Snapshot& operator=(Snapshot&&) = delete;
  ~Snapshot();

 private:
  explicit Snapshot(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace resnetd
