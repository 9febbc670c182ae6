#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/store/alias_move.h"
#include "server/store/audit.h"
#include "server/store/catalog.h"
#include "server/store/event_table.h"
#include "server/store/note_table.h"
#include "server/store/seal.h"
#include "server/store/tombstone_table.h"
#include "server/store/version_table.h"

namespace resnetd {
namespace {

// The log is copied into the file beyond 4 MiB: seldom enough to cost nothing,
// often enough that an opening after a crash reads little.
constexpr int kLogPages = 1000;

// The row that an outcome of Publish() or DeleteVersion() names, as it is now.
absl::StatusOr<VersionRow> ReadBack(Database& database,
                                    const Outcome& outcome) {
  const std::vector<std::string> parts =
      absl::StrSplit(outcome.resource, absl::MaxSplits('/', 3));
  std::int64_t number = 0;
  if (parts.size() == 4 && parts[2] == "versions" &&
      absl::SimpleAtoi(parts[3], &number)) {
    const absl::StatusOr<ModelName> model = ModelName::Parse(parts[1]);
    if (model.ok()) {
      ASSIGN_OR_RETURN(std::optional<VersionRow> row,
                       FindVersion(database, *model, VersionNumber{number}));
      if (row) {
        return *std::move(row);
      }
    }
  }
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               "the database of the store is damaged: a request names what is "
               "not there");
}

// The alias as it is now: it may have been removed since.
absl::StatusOr<AliasRow> ReadBackAlias(Database& database,
                                       const AliasMove& move) {
  ASSIGN_OR_RETURN(std::optional<AliasRecord> record,
                   FindAlias(database, move.model, move.alias));
  if (!record || record->removed) {
    return NoAlias(move.model, move.alias);
  }
  return std::move(record->row);
}

absl::StatusOr<VersionRow> ReadCommitted(Database& database,
                                         const ModelName& model,
                                         VersionNumber version) {
  ASSIGN_OR_RETURN(std::optional<VersionRow> row,
                   FindVersion(database, model, version));
  if (row && row->state == VersionState::kCommitted) {
    return *std::move(row);
  }
  ASSIGN_OR_RETURN(const bool has_model, HasModel(database, model));
  return has_model ? NoVersion(model, version) : NoModel(model);
}

absl::Status CheckUnused(Database& database, const VersionRow& row) {
  ASSIGN_OR_RETURN(const std::vector<AliasRow> aliases,
                   ListAliasRows(database, row.model));
  std::vector<std::string> names;
  for (const AliasRow& alias : aliases) {
    if (alias.version == row.version) {
      names.push_back(alias.alias);
    }
  }
  if (names.empty()) {
    return absl::OkStatus();
  }
  const std::string list = absl::StrJoin(names, ",");
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kVersionInUse,
               absl::StrCat("version ", row.version.value, " of model ",
                            Quoted(row.model.text()), " is named by ",
                            names.size() == 1 ? "alias " : "aliases ",
                            Quoted(list), "; move or delete them first"))
      .Metadata("aliases", list);
}

std::string AuditOf(const AliasRow& row) {
  return absl::StrCat("version ", row.version.value, ", previous ",
                      row.previous ? row.previous->value : 0, ", generation ",
                      row.generation);
}

}  // namespace

absl::StatusOr<Catalog::Change> Catalog::Begin() {
  failed_ = failed_ || writer_->failed();
  if (failed_) {
    return Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed,
                 "the disk of the store failed: no change is taken until the "
                 "server was started again");
  }
  absl::StatusOr<Transaction> transaction = Transaction::Begin(*writer_);
  if (!transaction.ok()) {
    failed_ = failed_ || writer_->failed();
    return transaction.status();
  }
  ASSIGN_OR_RETURN(Head head, ReadHead(*writer_));
  // As the database will give it back.
  const WallTime now = FromMicroseconds(ToMicroseconds(clock_.WallNow()));
  return Change{*std::move(transaction), std::move(head), now};
}

absl::Status Catalog::Finish(Change& change) {
  absl::Status committed = change.transaction.Commit();
  if (committed.ok()) {
    writer_->CheckpointBeyond(kLogPages);
  }
  failed_ = failed_ || writer_->failed();
  return committed;
}

absl::Status Catalog::Record(Change& change, const Mutation& mutation,
                             const Outcome& outcome, const std::string& audit) {
  RETURN_IF_ERROR(RememberRequest(*writer_, mutation, outcome, change.now));
  RETURN_IF_ERROR(AppendAudit(*writer_,
                              {.time = change.now,
                               .actor = mutation.actor,
                               .method = mutation.method,
                               .resource = outcome.resource,
                               .request_id = mutation.request_id,
                               .outcome = audit},
                              change.head));
  RETURN_IF_ERROR(WriteHead(*writer_, change.head));
  return Finish(change);
}

absl::Status Catalog::RecordNothing(Change& change, const Mutation& mutation,
                                    const Outcome& outcome) {
  if (mutation.request_id.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(RememberRequest(*writer_, mutation, outcome, change.now));
  return Finish(change);
}

absl::Status Catalog::PutAlias(Change& change, const AliasRecord& record,
                               EventKind kind) {
  ASSIGN_OR_RETURN(const bool added, WriteAlias(*writer_, record));
  change.head.aliases += added ? 1 : 0;
  ASSIGN_OR_RETURN(const std::optional<VersionRow> version,
                   FindVersion(*writer_, record.row.model, record.row.version));
  return AppendEvent(*writer_,
                     {.time = change.now,
                      .kind = kind,
                      .model = record.row.model,
                      .version = record.row.version,
                      .alias = record.row.alias,
                      .previous = record.row.previous,
                      .generation = record.row.generation,
                      .weights = version ? version->weights : ""},
                     change.head);
}

absl::StatusOr<Published> Catalog::Insert(Change& change,
                                          const NewVersion& version,
                                          std::int64_t weights_bytes,
                                          const Mutation& mutation) {
  ASSIGN_OR_RETURN(const bool had_model, HasModel(*writer_, version.model));
  ASSIGN_OR_RETURN(const std::int64_t committed,
                   CountCommitted(*writer_, version.model));
  ASSIGN_OR_RETURN(const VersionNumber number,
                   TakeVersionNumber(*writer_, version.model));
  change.head.models += had_model ? 0 : 1;
  const VersionRow row{.model = version.model,
                       .version = number,
                       .state = VersionState::kCommitted,
                       .weights = version.weights,
                       .weights_bytes = weights_bytes,
                       .manifest = version.manifest,
                       .labels = version.labels,
                       .golden = version.golden,
                       .content_key = version.content_key,
                       .source = version.source,
                       .source_format = version.source_format,
                       .parent = version.parent,
                       .created = change.now};
  RETURN_IF_ERROR(InsertVersion(*writer_, row));
  for (const Digest& digest : BlobsOf(row)) {
    RETURN_IF_ERROR(RemoveTombstone(*writer_, digest));
  }
  RETURN_IF_ERROR(AppendEvent(*writer_,
                              {.time = change.now,
                               .kind = EventKind::kVersionImported,
                               .model = row.model,
                               .version = number,
                               .weights = row.weights},
                              change.head));
  std::string audit = "committed";
  if (committed == 0 && !version.first_alias.empty()) {
    const AliasMove move{
        .model = row.model, .alias = version.first_alias, .to = number};
    ASSIGN_OR_RETURN(const std::optional<AliasRecord> before,
                     FindAlias(*writer_, move.model, move.alias));
    ASSIGN_OR_RETURN(const DecidedMove decided,
                     DecideMove(before, move, change.now));
    RETURN_IF_ERROR(
        PutAlias(change, {.row = decided.row}, EventKind::kAliasSet));
    absl::StrAppend(&audit, ", alias ", version.first_alias, ": ",
                    AuditOf(decided.row));
  }
  RETURN_IF_ERROR(Record(
      change, mutation,
      {.resource = ResourceOf(row.model, number), .created = true}, audit));
  return Published{.version = row, .created = true};
}

absl::StatusOr<Published> Catalog::Publish(const NewVersion& version,
                                           std::int64_t weights_bytes,
                                           const Mutation& mutation) {
  MutexLock lock(write_mutex_);
  ASSIGN_OR_RETURN(Change change, Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(*writer_, mutation));
  if (repeated) {
    ASSIGN_OR_RETURN(VersionRow row, ReadBack(*writer_, *repeated));
    return Published{.version = std::move(row), .created = repeated->created};
  }
  ASSIGN_OR_RETURN(
      std::optional<VersionRow> same,
      FindCommittedByContent(*writer_, version.model, version.content_key));
  if (same) {
    RETURN_IF_ERROR(
        RecordNothing(change, mutation,
                      {.resource = ResourceOf(same->model, same->version)}));
    return Published{.version = *std::move(same), .created = false};
  }
  if (version.parent) {
    ASSIGN_OR_RETURN(const std::optional<VersionRow> parent,
                     FindVersion(*writer_, version.model, *version.parent));
    if (!parent) {
      return NoVersion(version.model, *version.parent);
    }
  }
  return Insert(change, version, weights_bytes, mutation);
}

absl::StatusOr<std::optional<Published>> Catalog::RepeatedPublish(
    const Mutation& mutation) {
  MutexLock lock(read_mutex_);
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(*reader_));
  ASSIGN_OR_RETURN(const std::optional<Outcome> outcome,
                   FindRequest(*reader_, mutation));
  if (!outcome) {
    return std::optional<Published>();
  }
  ASSIGN_OR_RETURN(VersionRow row, ReadBack(*reader_, *outcome));
  return std::optional(
      Published{.version = std::move(row), .created = outcome->created});
}

absl::StatusOr<VersionRow> Catalog::DeleteVersion(const ModelName& model,
                                                  VersionNumber version,
                                                  absl::string_view etag,
                                                  const Mutation& mutation) {
  MutexLock lock(write_mutex_);
  ASSIGN_OR_RETURN(Change change, Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(*writer_, mutation));
  if (repeated) {
    return ReadBack(*writer_, *repeated);
  }
  ASSIGN_OR_RETURN(VersionRow row, ReadCommitted(*writer_, model, version));
  RETURN_IF_ERROR(CheckEtag(absl::StrCat("version ", version.value,
                                         " of model ", Quoted(model.text())),
                            etag, EtagOf(row)));
  RETURN_IF_ERROR(CheckUnused(*writer_, row));
  row.state = VersionState::kRetired;
  RETURN_IF_ERROR(UpdateVersionState(*writer_, row));
  RETURN_IF_ERROR(ForgetPrevious(*writer_, model, version));
  RETURN_IF_ERROR(AppendEvent(*writer_,
                              {.time = change.now,
                               .kind = EventKind::kVersionDeleted,
                               .model = model,
                               .version = version,
                               .weights = row.weights},
                              change.head));
  RETURN_IF_ERROR(Record(change, mutation,
                         {.resource = ResourceOf(model, version)}, "retired"));
  return row;
}

absl::StatusOr<AliasRow> Catalog::MoveAlias(const AliasMove& move,
                                            const Mutation& mutation) {
  MutexLock lock(write_mutex_);
  ASSIGN_OR_RETURN(Change change, Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(*writer_, mutation));
  if (repeated) {
    return ReadBackAlias(*writer_, move);
  }
  RETURN_IF_ERROR(ReadCommitted(*writer_, move.model, move.to).status());
  ASSIGN_OR_RETURN(const std::optional<AliasRecord> before,
                   FindAlias(*writer_, move.model, move.alias));
  ASSIGN_OR_RETURN(DecidedMove decided, DecideMove(before, move, change.now));
  const Outcome outcome{.resource = ResourceOf(move.model, move.alias)};
  if (!decided.changed) {
    RETURN_IF_ERROR(RecordNothing(change, mutation, outcome));
    return std::move(decided.row);
  }
  RETURN_IF_ERROR(PutAlias(change, {.row = decided.row}, move.kind));
  RETURN_IF_ERROR(Record(change, mutation, outcome, AuditOf(decided.row)));
  return std::move(decided.row);
}

absl::Status Catalog::DeleteAlias(const ModelName& model,
                                  absl::string_view alias,
                                  absl::string_view etag,
                                  const Mutation& mutation) {
  MutexLock lock(write_mutex_);
  ASSIGN_OR_RETURN(Change change, Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(*writer_, mutation));
  if (repeated) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::optional<AliasRecord> record,
                   FindAlias(*writer_, model, alias));
  if (!record || record->removed) {
    ASSIGN_OR_RETURN(const bool has_model, HasModel(*writer_, model));
    return has_model ? NoAlias(model, alias) : NoModel(model);
  }
  RETURN_IF_ERROR(CheckEtag(
      absl::StrCat("alias ", Quoted(alias), " of model ", Quoted(model.text())),
      etag, EtagOf(record->row)));
  record->row.updated = change.now;
  // The event still says what the alias named.
  record->removed = true;
  RETURN_IF_ERROR(PutAlias(change, *record, EventKind::kAliasDeleted));
  return Record(change, mutation, {.resource = ResourceOf(model, alias)},
                "removed");
}

absl::Status Catalog::SetNote(absl::string_view key, absl::string_view value) {
  MutexLock lock(write_mutex_);
  ASSIGN_OR_RETURN(Change change, Begin());
  RETURN_IF_ERROR(WriteNote(*writer_, key, value));
  return Finish(change);
}

absl::Status Catalog::UpdateTombstones(const std::set<Digest>& blobs,
                                       const std::set<Digest>& gone) {
  MutexLock lock(write_mutex_);
  ASSIGN_OR_RETURN(Change change, Begin());
  ASSIGN_OR_RETURN(const auto known, ReadTombstones(*writer_));
  ASSIGN_OR_RETURN(const std::vector<VersionRow> rows,
                   ListAllVersions(*writer_));
  std::set<Digest> named;
  for (const VersionRow& row : rows) {
    if (row.state == VersionState::kCommitted) {
      for (Digest& digest : BlobsOf(row)) {
        named.insert(std::move(digest));
      }
    }
  }
  bool changed = false;
  for (const Digest& digest : blobs) {
    const auto since = known.find(digest);
    if (named.count(digest) == 0 &&
        (since == known.end() || since->second > change.now)) {
      RETURN_IF_ERROR(WriteTombstone(*writer_, digest, change.now));
      changed = true;
    }
  }
  for (const auto& [digest, since] : known) {
    if (named.count(digest) != 0 || gone.count(digest) != 0) {
      RETURN_IF_ERROR(RemoveTombstone(*writer_, digest));
      changed = true;
    }
  }
  return changed ? Finish(change) : absl::OkStatus();
}

absl::Status Catalog::Expire(Duration remember, std::int64_t keep_events) {
  MutexLock lock(write_mutex_);
  ASSIGN_OR_RETURN(Change change, Begin());
  const WallTime before =
      change.now - std::chrono::duration_cast<WallTime::duration>(remember);
  RETURN_IF_ERROR(ExpireRequests(*writer_, before));
  ASSIGN_OR_RETURN(const bool expired,
                   ExpireEvents(*writer_, before, keep_events, change.head));
  if (expired) {
    RETURN_IF_ERROR(WriteHead(*writer_, change.head));
  }
  return Finish(change);
}

}  // namespace resnetd
