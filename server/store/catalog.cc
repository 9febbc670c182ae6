#include "server/store/catalog.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/store/alias_move.h"
#include "server/store/audit.h"
#include "server/store/dataset_table.h"
#include "server/store/event_table.h"
#include "server/store/job_table.h"
#include "server/store/named_blobs.h"
#include "server/store/note_table.h"
#include "server/store/page_check.h"
#include "server/store/schema.h"
#include "server/store/seal.h"
#include "server/store/tally_table.h"
#include "server/store/tombstone_table.h"
#include "server/store/version_table.h"

namespace resnetd {
namespace {

absl::StatusOr<VersionRow> ReadVersionOr404(Database& database,
                                            const ModelName& model,
                                            VersionNumber version) {
  ASSIGN_OR_RETURN(std::optional<VersionRow> row,
                   FindVersion(database, model, version));
  if (row) {
    return *std::move(row);
  }
  ASSIGN_OR_RETURN(const bool has_model, HasModel(database, model));
  return has_model ? NoVersion(model, version) : NoModel(model);
}

}  // namespace

std::string ResourceOf(const ModelName& model, VersionNumber version) {
  return absl::StrCat("models/", model.text(), "/versions/", version.value);
}

std::string ResourceOf(const ModelName& model, absl::string_view alias) {
  return absl::StrCat("models/", model.text(), "/aliases/", alias);
}

absl::Status NoModel(const ModelName& model) {
  return Error(absl::StatusCode::kNotFound, Reason::kModelNotFound,
               absl::StrCat("model ", Quoted(model.text()), " does not exist"))
      .Resource("model", absl::StrCat("models/", model.text()));
}

absl::Status NoVersion(const ModelName& model, VersionNumber version) {
  return Error(absl::StatusCode::kNotFound, Reason::kVersionNotFound,
               absl::StrCat("model ", Quoted(model.text()), " has no version ",
                            version.value))
      .Resource("version", ResourceOf(model, version));
}

absl::Status NoAlias(const ModelName& model, absl::string_view alias) {
  return Error(absl::StatusCode::kNotFound, Reason::kAliasNotFound,
               absl::StrCat("model ", Quoted(model.text()), " has no alias ",
                            Quoted(alias)))
      .Resource("alias", ResourceOf(model, alias));
}

absl::Status CheckCatalog(Database& database) {
  ASSIGN_OR_RETURN(const Head head, ReadHead(database));
  ASSIGN_OR_RETURN(const std::int64_t models, CheckVersionTables(database));
  if (models != head.models) {
    return DamagedDatabase("a model is missing");
  }
  ASSIGN_OR_RETURN(const std::int64_t aliases, CheckAliasTable(database));
  if (aliases != head.aliases) {
    return DamagedDatabase("an alias is missing");
  }
  ASSIGN_OR_RETURN(const Tally tally, ReadTally(database));
  RETURN_IF_ERROR(CheckDatasetTables(database, tally.datasets));
  RETURN_IF_ERROR(CheckJobTables(database, tally));
  RETURN_IF_ERROR(CheckRequestTable(database));
  RETURN_IF_ERROR(CheckNoteTable(database));
  RETURN_IF_ERROR(ReadTombstones(database).status());
  // The end of the chain; Verify() goes over all of it.
  ASSIGN_OR_RETURN(const std::vector<AuditRow> last,
                   ReadAudit(database, head.audit_sequence - 1, 1));
  if (!last.empty() && last.back().hash != head.audit_hash) {
    return DamagedDatabase("the end of the audit is missing");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Catalog>> Catalog::Open(
    const DatabaseOptions& options, const Clock& clock) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> writer,
                   Database::Open(options, Database::Access::kReadWrite));
  ASSIGN_OR_RETURN(const bool is_new, Migrate(*writer, Migrations()));
  if (!is_new) {
    RETURN_IF_ERROR(CheckSchema(*writer, Migrations()));
    RETURN_IF_ERROR(CheckPages(*writer));
    RETURN_IF_ERROR(CheckCatalog(*writer));
    RETURN_IF_ERROR(writer->Settle());
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Database> reader,
                   Database::Open(options, Database::Access::kReadOnly));
  return std::unique_ptr<Catalog>(
      new Catalog(std::make_unique<Connections>(
                      options, clock, std::move(writer), std::move(reader)),
                  is_new));
}

absl::StatusOr<std::vector<ModelName>> Catalog::ListModels() {
  MutexLock lock(db_->read_mutex());
  return ListModelRows(db_->reader());
}

absl::StatusOr<std::vector<VersionRow>> Catalog::ListVersions(
    const ModelName& model) {
  MutexLock lock(db_->read_mutex());
  return ListCommitted(db_->reader(), model);
}

absl::StatusOr<VersionRow> Catalog::GetVersion(const ModelName& model,
                                               VersionNumber version) {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_->reader()));
  return ReadVersionOr404(db_->reader(), model, version);
}

absl::StatusOr<std::vector<AliasRow>> Catalog::ListAliases(
    const ModelName& model) {
  MutexLock lock(db_->read_mutex());
  return ListAliasRows(db_->reader(), model);
}

absl::StatusOr<AliasRow> Catalog::GetAlias(const ModelName& model,
                                           absl::string_view alias) {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_->reader()));
  ASSIGN_OR_RETURN(std::optional<AliasRecord> record,
                   FindAlias(db_->reader(), model, alias));
  if (record && !record->removed) {
    return std::move(record->row);
  }
  ASSIGN_OR_RETURN(const bool has_model, HasModel(db_->reader(), model));
  return has_model ? NoAlias(model, alias) : NoModel(model);
}

absl::StatusOr<std::vector<EventRow>> Catalog::ListEvents(std::int64_t after,
                                                          std::size_t limit) {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_->reader()));
  return ReadEvents(db_->reader(), after, limit);
}

absl::StatusOr<std::int64_t> Catalog::LastEvent() {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const Head head, ReadHead(db_->reader()));
  return head.event_sequence;
}

absl::StatusOr<std::vector<AuditRow>> Catalog::ListAudit(std::int64_t after,
                                                         std::size_t limit) {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_->reader()));
  return ReadAudit(db_->reader(), after, limit);
}

absl::StatusOr<AliasRow> Catalog::CheckMove(const AliasMove& move) {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_->reader()));
  ASSIGN_OR_RETURN(const VersionRow version,
                   ReadVersionOr404(db_->reader(), move.model, move.to));
  if (version.state != VersionState::kCommitted) {
    return NoVersion(move.model, move.to);
  }
  ASSIGN_OR_RETURN(const std::optional<AliasRecord> before,
                   FindAlias(db_->reader(), move.model, move.alias));
  ASSIGN_OR_RETURN(DecidedMove decided, DecideMove(before, move, db_->Now()));
  return std::move(decided.row);
}

absl::StatusOr<std::optional<std::string>> Catalog::Remembered(
    const Mutation& mutation) {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(std::optional<Outcome> outcome,
                   FindRequest(db_->reader(), mutation));
  if (!outcome) {
    return std::optional<std::string>();
  }
  return std::optional(std::move(outcome->resource));
}

absl::StatusOr<std::string> Catalog::GetNote(absl::string_view key) {
  MutexLock lock(db_->read_mutex());
  return ReadNote(db_->reader(), key);
}

absl::StatusOr<std::int64_t> Catalog::CountVersions() {
  MutexLock lock(db_->read_mutex());
  return db_->reader().ReadInt("SELECT count(*) FROM versions WHERE state = 2");
}

absl::StatusOr<std::int64_t> Catalog::DatabaseBytes() {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const std::int64_t pages,
                   db_->reader().ReadInt("PRAGMA page_count"));
  ASSIGN_OR_RETURN(const std::int64_t size,
                   db_->reader().ReadInt("PRAGMA page_size"));
  return pages * size;
}

absl::StatusOr<std::vector<VersionRow>> Catalog::ListAllCommitted() {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(std::vector<VersionRow> rows,
                   ListAllVersions(db_->reader()));
  std::erase_if(rows, [](const VersionRow& row) {
    return row.state != VersionState::kCommitted;
  });
  return rows;
}

absl::StatusOr<std::vector<VersionRow>> Catalog::ListAliasedVersions() {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_->reader()));
  ASSIGN_OR_RETURN(const std::vector<AliasRow> aliases,
                   ListAllAliases(db_->reader()));
  std::vector<VersionRow> rows;
  for (const AliasRow& alias : aliases) {
    ASSIGN_OR_RETURN(std::optional<VersionRow> row,
                     FindVersion(db_->reader(), alias.model, alias.version));
    if (row) {
      rows.push_back(*std::move(row));
    }
  }
  return rows;
}

absl::StatusOr<std::set<Digest>> Catalog::NamedBlobs() {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_->reader()));
  return ReadNamedBlobs(db_->reader());
}

absl::StatusOr<std::map<Digest, WallTime>> Catalog::Tombstones() {
  MutexLock lock(db_->read_mutex());
  return ReadTombstones(db_->reader());
}

}  // namespace resnetd
