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
#include "server/store/catalog.h"
#include "server/store/event_table.h"
#include "server/store/named_blobs.h"
#include "server/store/note_table.h"
#include "server/store/tombstone_table.h"
#include "server/store/version_table.h"

namespace resnetd {
namespace {

using Change = Connections::Change;

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
  return absl::StrCat(
      "version ", row.version.value, ", previous ",
      row.previous ? row.previous->value : 0, ", generation ", row.generation,
      row.gate_override.empty()
          ? ""
          : absl::StrCat(", gate overridden: ", row.gate_override));
}

absl::Status PutAlias(Change& change, const AliasRecord& record,
                      EventKind kind) {
  ASSIGN_OR_RETURN(const bool added, WriteAlias(change.database, record));
  change.head.aliases += added ? 1 : 0;
  ASSIGN_OR_RETURN(
      const std::optional<VersionRow> version,
      FindVersion(change.database, record.row.model, record.row.version));
  return AppendEvent(change.database,
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

// What follows when a version is committed: its blobs are named, and an event.
absl::Status AnnounceVersion(Change& change, const VersionRow& row) {
  for (const Digest& digest : BlobsOf(row)) {
    RETURN_IF_ERROR(RemoveTombstone(change.database, digest));
  }
  return AppendEvent(change.database,
                     {.time = change.now,
                      .kind = EventKind::kVersionImported,
                      .model = row.model,
                      .version = row.version,
                      .weights = row.weights},
                     change.head);
}

// A version whose number was given before: it is committed again.
absl::StatusOr<Published> Revive(Connections& db, Change& change,
                                 const NewVersion& version, VersionRow row,
                                 const Mutation& mutation)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(db.write_mutex());

absl::StatusOr<Published> Revive(Connections& db, Change& change,
                                 const NewVersion& version, VersionRow row,
                                 const Mutation& mutation) {
  const Outcome outcome{.resource = ResourceOf(row.model, row.version),
                        .created = row.state != VersionState::kCommitted};
  if (row.weights != version.weights || row.manifest != version.manifest) {
    return Error(
        absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
        absl::StrCat("version ", row.version.value, " of model ",
                     Quoted(row.model.text()), " was another one before"));
  }
  if (!outcome.created) {
    RETURN_IF_ERROR(db.RecordNothing(change, mutation, outcome));
    return Published{.version = std::move(row), .created = false};
  }
  row.state = VersionState::kCommitted;
  RETURN_IF_ERROR(UpdateVersionState(change.database, row));
  RETURN_IF_ERROR(AnnounceVersion(change, row));
  RETURN_IF_ERROR(db.Record(change, mutation, outcome, "committed again"));
  return Published{.version = std::move(row), .created = true};
}

// What is told of a version that was added.
struct Inserted {
  VersionRow row;
  std::string audit;
};

absl::StatusOr<Inserted> Insert(Change& change, const NewVersion& version,
                                std::int64_t weights_bytes) {
  ASSIGN_OR_RETURN(const bool had_model,
                   HasModel(change.database, version.model));
  ASSIGN_OR_RETURN(const std::int64_t committed,
                   CountCommitted(change.database, version.model));
  ASSIGN_OR_RETURN(
      const VersionNumber number,
      TakeVersionNumber(change.database, version.model, version.number));
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
  RETURN_IF_ERROR(InsertVersion(change.database, row));
  RETURN_IF_ERROR(AnnounceVersion(change, row));
  std::string audit = "committed";
  if (committed == 0 && !version.first_alias.empty()) {
    const AliasMove move{
        .model = row.model, .alias = version.first_alias, .to = number};
    ASSIGN_OR_RETURN(const std::optional<AliasRecord> before,
                     FindAlias(change.database, move.model, move.alias));
    ASSIGN_OR_RETURN(const DecidedMove decided,
                     DecideMove(before, move, change.now));
    RETURN_IF_ERROR(
        PutAlias(change, {.row = decided.row}, EventKind::kAliasSet));
    absl::StrAppend(&audit, ", alias ", version.first_alias, ": ",
                    AuditOf(decided.row));
  }
  return Inserted{.row = row, .audit = std::move(audit)};
}

}  // namespace

absl::StatusOr<Published> Catalog::Publish(const NewVersion& version,
                                           std::int64_t weights_bytes,
                                           const Mutation& mutation) {
  MutexLock lock(db_->write_mutex());
  ASSIGN_OR_RETURN(Change change, db_->Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(change.database, mutation));
  if (repeated) {
    ASSIGN_OR_RETURN(VersionRow row, ReadBack(change.database, *repeated));
    return Published{.version = std::move(row), .created = repeated->created};
  }
  if (version.number) {
    ASSIGN_OR_RETURN(
        std::optional<VersionRow> row,
        FindVersion(change.database, version.model, *version.number));
    if (row) {
      return Revive(*db_, change, version, *std::move(row), mutation);
    }
  }
  ASSIGN_OR_RETURN(std::optional<VersionRow> same,
                   FindCommittedByContent(change.database, version.model,
                                          version.content_key));
  if (same) {
    RETURN_IF_ERROR(db_->RecordNothing(
        change, mutation,
        {.resource = ResourceOf(same->model, same->version)}));
    return Published{.version = *std::move(same), .created = false};
  }
  if (version.parent) {
    ASSIGN_OR_RETURN(
        const std::optional<VersionRow> parent,
        FindVersion(change.database, version.model, *version.parent));
    if (!parent) {
      return NoVersion(version.model, *version.parent);
    }
  }
  ASSIGN_OR_RETURN(Inserted added, Insert(change, version, weights_bytes));
  const Outcome outcome{
      .resource = ResourceOf(version.model, added.row.version),
      .created = true};
  RETURN_IF_ERROR(db_->Record(change, mutation, outcome, added.audit));
  return Published{.version = std::move(added.row), .created = true};
}

absl::StatusOr<std::optional<Published>> Catalog::RepeatedPublish(
    const Mutation& mutation) {
  MutexLock lock(db_->read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_->reader()));
  ASSIGN_OR_RETURN(const std::optional<Outcome> outcome,
                   FindRequest(db_->reader(), mutation));
  if (!outcome) {
    return std::optional<Published>();
  }
  ASSIGN_OR_RETURN(VersionRow row, ReadBack(db_->reader(), *outcome));
  return std::optional(
      Published{.version = std::move(row), .created = outcome->created});
}

absl::StatusOr<VersionRow> Catalog::DeleteVersion(const ModelName& model,
                                                  VersionNumber version,
                                                  absl::string_view etag,
                                                  const Mutation& mutation) {
  MutexLock lock(db_->write_mutex());
  ASSIGN_OR_RETURN(Change change, db_->Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(change.database, mutation));
  if (repeated) {
    return ReadBack(change.database, *repeated);
  }
  ASSIGN_OR_RETURN(VersionRow row,
                   ReadCommitted(change.database, model, version));
  RETURN_IF_ERROR(CheckEtag(absl::StrCat("version ", version.value,
                                         " of model ", Quoted(model.text())),
                            etag, EtagOf(row)));
  RETURN_IF_ERROR(CheckUnused(change.database, row));
  row.state = VersionState::kRetired;
  RETURN_IF_ERROR(UpdateVersionState(change.database, row));
  RETURN_IF_ERROR(ForgetPrevious(change.database, model, version));
  RETURN_IF_ERROR(AppendEvent(change.database,
                              {.time = change.now,
                               .kind = EventKind::kVersionDeleted,
                               .model = model,
                               .version = version,
                               .weights = row.weights},
                              change.head));
  RETURN_IF_ERROR(db_->Record(
      change, mutation, {.resource = ResourceOf(model, version)}, "retired"));
  return row;
}

absl::StatusOr<AliasRow> Catalog::MoveAlias(const AliasMove& move,
                                            const Mutation& mutation) {
  MutexLock lock(db_->write_mutex());
  ASSIGN_OR_RETURN(Change change, db_->Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(change.database, mutation));
  if (repeated) {
    return ReadBackAlias(change.database, move);
  }
  RETURN_IF_ERROR(ReadCommitted(change.database, move.model, move.to).status());
  ASSIGN_OR_RETURN(const std::optional<AliasRecord> before,
                   FindAlias(change.database, move.model, move.alias));
  ASSIGN_OR_RETURN(DecidedMove decided, DecideMove(before, move, change.now));
  const Outcome outcome{.resource = ResourceOf(move.model, move.alias)};
  if (!decided.changed) {
    RETURN_IF_ERROR(db_->RecordNothing(change, mutation, outcome));
    return std::move(decided.row);
  }
  RETURN_IF_ERROR(PutAlias(change, {.row = decided.row}, move.kind));
  RETURN_IF_ERROR(db_->Record(change, mutation, outcome, AuditOf(decided.row)));
  return std::move(decided.row);
}

absl::Status Catalog::DeleteAlias(const ModelName& model,
                                  absl::string_view alias,
                                  absl::string_view etag,
                                  const Mutation& mutation) {
  MutexLock lock(db_->write_mutex());
  ASSIGN_OR_RETURN(Change change, db_->Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(change.database, mutation));
  if (repeated) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::optional<AliasRecord> record,
                   FindAlias(change.database, model, alias));
  if (!record || record->removed) {
    ASSIGN_OR_RETURN(const bool has_model, HasModel(change.database, model));
    return has_model ? NoAlias(model, alias) : NoModel(model);
  }
  RETURN_IF_ERROR(CheckEtag(
      absl::StrCat("alias ", Quoted(alias), " of model ", Quoted(model.text())),
      etag, EtagOf(record->row)));
  record->row.updated = change.now;
  // The event still says what the alias named.
  record->removed = true;
  RETURN_IF_ERROR(PutAlias(change, *record, EventKind::kAliasDeleted));
  return db_->Record(change, mutation, {.resource = ResourceOf(model, alias)},
                     "removed");
}

absl::Status Catalog::SetNote(absl::string_view key, absl::string_view value) {
  MutexLock lock(db_->write_mutex());
  ASSIGN_OR_RETURN(Change change, db_->Begin());
  RETURN_IF_ERROR(WriteNote(change.database, key, value));
  return db_->Finish(change);
}

absl::Status Catalog::UpdateTombstones(const std::set<Digest>& blobs,
                                       const std::set<Digest>& gone) {
  MutexLock lock(db_->write_mutex());
  ASSIGN_OR_RETURN(Change change, db_->Begin());
  ASSIGN_OR_RETURN(const auto known, ReadTombstones(change.database));
  ASSIGN_OR_RETURN(const std::set<Digest> named,
                   ReadNamedBlobs(change.database));
  bool changed = false;
  for (const Digest& digest : blobs) {
    const auto since = known.find(digest);
    if (named.count(digest) == 0 &&
        (since == known.end() || since->second > change.now)) {
      RETURN_IF_ERROR(WriteTombstone(change.database, digest, change.now));
      changed = true;
    }
  }
  for (const auto& [digest, since] : known) {
    if (named.count(digest) != 0 || gone.count(digest) != 0) {
      RETURN_IF_ERROR(RemoveTombstone(change.database, digest));
      changed = true;
    }
  }
  return changed ? db_->Finish(change) : absl::OkStatus();
}

absl::Status Catalog::Expire(Duration remember, std::int64_t keep_events) {
  MutexLock lock(db_->write_mutex());
  ASSIGN_OR_RETURN(Change change, db_->Begin());
  const WallTime before =
      change.now - std::chrono::duration_cast<WallTime::duration>(remember);
  RETURN_IF_ERROR(ExpireRequests(change.database, before));
  ASSIGN_OR_RETURN(const bool expired, ExpireEvents(change.database, before,
                                                    keep_events, change.head));
  if (expired) {
    RETURN_IF_ERROR(WriteHead(change.database, change.head));
  }
  return db_->Finish(change);
}

}  // namespace resnetd
