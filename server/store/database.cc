#include "server/store/database.h"

#include <sqlite3.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

// An operator's sqlite3 may hold the lock for a moment; our own connections
// never make each other wait for longer than a commit.
constexpr int kBusyMilliseconds = 5'000;

bool IsDiskFailure(int code) {
  switch (code & 0xFF) {
    case SQLITE_IOERR:
      return code != SQLITE_IOERR_NOMEM && code != SQLITE_IOERR_CORRUPTFS;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
      return true;
    default:
      return false;
  }
}

absl::Status StatusOfCode(int code) {
  if (IsDiskFailure(code)) {
    return Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed,
                 absl::StrCat("the disk failed under the database of the "
                              "store (code ",
                              code, ")"));
  }
  if (code == SQLITE_IOERR_CORRUPTFS) {
    code = SQLITE_CORRUPT;
  }
  switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return absl::OkStatus();
    case SQLITE_FULL:
      return Error(absl::StatusCode::kResourceExhausted, Reason::kStorageFull,
                   "no room on the disk for the database of the store");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                   "the database of the store is damaged");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed,
                   "another program holds the lock of the store's database");
    case SQLITE_NOMEM:
    case SQLITE_IOERR:  // SQLITE_IOERR_NOMEM: see IsDiskFailure.
      return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
                   "no memory for the database of the store");
    default:
      return Error(absl::StatusCode::kInternal, Reason::kInternal,
                   absl::StrCat("the store's database refused a statement "
                                "(code ",
                                code, ")"));
  }
}

}  // namespace

// --- Query ---

Query::Query(Database& database, std::string sql, sqlite3_stmt* statement,
             int code)
    : database_(&database),
      sql_(std::move(sql)),
      statement_(statement),
      code_(code) {}

Query::Query(Query&& other) noexcept
    : database_(other.database_),
      sql_(std::move(other.sql_)),
      statement_(std::exchange(other.statement_, nullptr)),
      code_(other.code_),
      bound_(other.bound_) {}

Query::~Query() {
  if (statement_ != nullptr) {
    // Repeats the error of the last step, which was told.
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
    database_->idle_.emplace(std::move(sql_), statement_);
  }
}

Query& Query::Bind(std::int64_t value) {
  if (code_ == SQLITE_OK) {
    code_ = sqlite3_bind_int64(statement_, ++bound_, value);
  }
  return *this;
}

Query& Query::Bind(absl::string_view value) {
  if (code_ == SQLITE_OK) {
    // A null pointer would bind NULL.
    code_ = sqlite3_bind_text64(statement_, ++bound_,
                                value.data() == nullptr ? "" : value.data(),
                                value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  return *this;
}

Query& Query::Bind(std::optional<std::int64_t> value) {
  if (value) {
    return Bind(*value);
  }
  if (code_ == SQLITE_OK) {
    code_ = sqlite3_bind_null(statement_, ++bound_);
  }
  return *this;
}

absl::StatusOr<bool> Query::Next() {
  if (code_ == SQLITE_OK) {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) {
      return true;
    }
    if (code == SQLITE_DONE) {
      return false;
    }
    code_ = code;
  }
  return database_->Judge(code_);
}

absl::Status Query::Run() { return Next().status(); }

std::int64_t Query::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Query::Text(int column) const {
  // The text first: it may be converted, which changes the count of bytes.
  const unsigned char* text = sqlite3_column_text(statement_, column);
  const int bytes = sqlite3_column_bytes(statement_, column);
  return text == nullptr ? std::string()
                         : std::string(reinterpret_cast<const char*>(text),
                                       static_cast<std::size_t>(bytes));
}

std::optional<std::int64_t> Query::MaybeInt(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) {
    return std::nullopt;
  }
  return Int(column);
}

// --- Database ---

Database::Database(sqlite3* connection, Access access)
    : connection_(connection), access_(access) {}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(
    const DatabaseOptions& options, Access access) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= access == Access::kReadOnly
               ? SQLITE_OPEN_READONLY
               : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* connection = nullptr;
  const int code =
      sqlite3_open_v2(options.path.c_str(), &connection, flags,
                      options.vfs.empty() ? nullptr : options.vfs.c_str());
  // Owns the connection, which exists after most errors too.
  std::unique_ptr<Database> database(new Database(connection, access));
  if (code != SQLITE_OK) {
    return StatusOfCode(code);
  }
  RETURN_IF_ERROR(database->Configure(options.durable));
  return database;
}

absl::StatusOr<std::unique_ptr<Database>> Database::OpenEmpty() {
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(
      ":memory:", &connection,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  std::unique_ptr<Database> database(
      new Database(connection, Access::kReadWrite));
  RETURN_IF_ERROR(StatusOfCode(code));
  return database;
}

absl::Status Database::Configure(bool durable) {
  sqlite3_busy_timeout(connection_, kBusyMilliseconds);
  sqlite3_db_config(connection_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(connection_, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
  // No mmap: an error of the disk shall be a code, not a signal. A cache of 256
  // KiB instead of 2 MiB: a change touches some 10 pages, the system caches the
  // file, and each move of an alias adds 0.4 KiB to the cache until it is full,
  // which looked like a leak for some 3,000 promotions and roll-backs.
  RETURN_IF_ERROR(
      ExecuteScript("PRAGMA mmap_size=0; PRAGMA cell_size_check=ON;"
                    "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-256;"));
  if (access_ == Access::kReadOnly) {
    return absl::OkStatus();
  }
  // WAL with less than FULL forgets commits at a power cut. First of all: the
  // switch to WAL writes, too.
  RETURN_IF_ERROR(
      Execute(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF"));
  {
    Query mode = Prepare("PRAGMA journal_mode=WAL");
    ASSIGN_OR_RETURN(const bool answered, mode.Next());
    if (!answered || mode.Text(0) != "wal") {
      return Error(absl::StatusCode::kFailedPrecondition,
                   Reason::kStoreUnusable,
                   "the file system cannot keep the write-ahead log of the "
                   "store's database");
    }
    // A new file is switched after the answer; without this step a failure to
    // do so would pass, and commits would go by a journal that is not synced.
    RETURN_IF_ERROR(mode.Next().status());
  }
  // Also switches the automatic checkpoint off, whose failures nobody sees.
  sqlite3_wal_hook(
      connection_,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Database*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  return absl::OkStatus();
}

Database::~Database() {
  for (const auto& [sql, statement] : idle_) {
    sqlite3_finalize(statement);
  }
  if (failed_ && connection_ != nullptr) {
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                      nullptr);
  }
  sqlite3_close(connection_);
}

absl::Status Database::Judge(int code) {
  if (access_ == Access::kReadWrite && IsDiskFailure(code)) {
    failed_ = true;
  }
  return StatusOfCode(code);
}

Query Database::Prepare(absl::string_view sql) {
  std::string text(sql);
  if (const auto found = idle_.find(text); found != idle_.end()) {
    sqlite3_stmt* const statement = found->second;
    idle_.erase(found);
    return Query(*this, std::move(text), statement, SQLITE_OK);
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(
      connection_, text.data(), static_cast<int>(text.size()),
      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  return Query(*this, std::move(text), statement, code);
}

absl::Status Database::Execute(absl::string_view sql) {
  return Prepare(sql).Run();
}

absl::Status Database::ExecuteScript(const std::string& sql) {
  return Judge(
      sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr));
}

absl::StatusOr<std::int64_t> Database::ReadInt(absl::string_view sql) {
  Query query = Prepare(sql);
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) {
    return absl::NotFoundError("no row");
  }
  return query.Int(0);
}

absl::Status Database::Settle() {
  const int code = sqlite3_wal_checkpoint_v2(
      connection_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  // The log is synced before the first page is copied, and that is enough.
  return code == SQLITE_FULL ? absl::OkStatus() : Judge(code);
}

void Database::CheckpointBeyond(int pages) {
  if (failed_ || log_pages_ <= pages) {
    return;
  }
  const int code = sqlite3_wal_checkpoint_v2(
      connection_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  // Busy: a reader needs the log; after the next commit then. A full disk: the
  // log stays as it is.
  failed_ = IsDiskFailure(code);
}

absl::Status Database::CopyTo(const std::string& path) {
  sqlite3* target = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &target,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                 SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             nullptr);
  if (code == SQLITE_OK) {
    sqlite3_busy_timeout(target, kBusyMilliseconds);
    if (sqlite3_backup* const copy =
            sqlite3_backup_init(target, "main", connection_, "main")) {
      // All pages in one step: of one moment.
      sqlite3_backup_step(copy, -1);
      code = sqlite3_backup_finish(copy);
    } else {
      code = sqlite3_extended_errcode(target);
    }
  }
  // The default is synchronous=FULL: closed is durable.
  sqlite3_close(target);
  return StatusOfCode(code);
}

// --- Transaction ---

absl::StatusOr<Transaction> Transaction::Begin(Database& database) {
  // Not deferred: the lock is taken before anything is decided by a read.
  RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // SQLite ends a transaction by itself after some errors.
  if (database_ != nullptr &&
      sqlite3_get_autocommit(database_->connection_) == 0) {
    // Nothing of it is in the file, whatever comes of this; a failed disk is
    // noted by the database.
    database_->Execute("ROLLBACK").IgnoreError();
  }
}

absl::Status Transaction::Commit() {
  RETURN_IF_ERROR(database_->Execute("COMMIT"));
  database_ = nullptr;
  return absl::OkStatus();
}

// --- Snapshot ---

absl::StatusOr<Snapshot> Snapshot::Begin(Database& database) {
  RETURN_IF_ERROR(database.Execute("BEGIN DEFERRED"));
  return Snapshot(database);
}

Snapshot::Snapshot(Snapshot&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Snapshot::~Snapshot() {
  if (database_ != nullptr) {
    // Nothing was written that could be lost.
    database_->Execute("ROLLBACK").IgnoreError();
  }
}

}  // namespace resnetd
