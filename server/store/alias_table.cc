#include "server/store/alias_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/store/note_table.h"
#include "server/store/seal.h"
#include "server/store/version_table.h"

namespace resnetd {
namespace {

constexpr absl::string_view kColumns =
    "SELECT model, alias, version, previous, generation, updated_us, seal FROM "
    "aliases ";

std::optional<std::int64_t> PreviousOf(const AliasRecord& record) {
  return record.row.previous && !record.removed
             ? std::optional(record.row.previous->value)
             : std::nullopt;
}

std::optional<std::int64_t> VersionOf(const AliasRecord& record) {
  return record.removed ? std::nullopt
                        : std::optional(record.row.version.value);
}

Seal SealOf(const AliasRecord& record) {
  Seal seal("aliases");
  seal.Add(record.row.model.text())
      .Add(record.row.alias)
      .Add(VersionOf(record))
      .Add(PreviousOf(record))
      .Add(record.row.generation)
      .Add(ToMicroseconds(record.row.updated));
  return seal;
}

absl::StatusOr<AliasRecord> ReadRecord(const Query& query) {
  absl::StatusOr<ModelName> model = ModelName::Parse(query.Text(0));
  if (!model.ok()) {
    return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                 "the database of the store is damaged: the name of a model");
  }
  const std::optional<std::int64_t> version = query.MaybeInt(2);
  AliasRecord record{.row = {.model = *std::move(model),
                             .alias = query.Text(1),
                             .version = VersionNumber{version.value_or(0)},
                             .previous = std::nullopt,
                             .generation = query.Int(4),
                             .updated = FromMicroseconds(query.Int(5))},
                     .removed = !version};
  if (const std::optional<std::int64_t> previous = query.MaybeInt(3)) {
    record.row.previous = VersionNumber{*previous};
  }
  RETURN_IF_ERROR(CheckSeal(SealOf(record), query.Text(6), "aliases"));
  return record;
}

std::string OverrideKey(const ModelName& model, absl::string_view alias,
                        std::int64_t generation) {
  return absl::StrCat("override/", model.text(), "/", alias, "/", generation);
}

absl::StatusOr<std::vector<AliasRecord>> ReadAll(Database& database,
                                                 Query& query) {
  std::vector<AliasRecord> records;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      break;
    }
    ASSIGN_OR_RETURN(AliasRecord record, ReadRecord(query));
    records.push_back(std::move(record));
  }
  for (AliasRecord& record : records) {
    AliasRow& row = record.row;
    ASSIGN_OR_RETURN(
        row.gate_override,
        ReadOverride(database, row.model, row.alias, row.generation));
  }
  return records;
}

std::vector<AliasRow> WithoutRemoved(std::vector<AliasRecord> records) {
  std::vector<AliasRow> rows;
  for (AliasRecord& record : records) {
    if (!record.removed) {
      rows.push_back(std::move(record.row));
    }
  }
  return rows;
}

}  // namespace

absl::StatusOr<std::string> ReadOverride(Database& database,
                                         const ModelName& model,
                                         absl::string_view alias,
                                         std::int64_t generation) {
  return ReadNote(database, OverrideKey(model, alias, generation));
}

absl::StatusOr<std::optional<AliasRecord>> FindAlias(Database& database,
                                                     const ModelName& model,
                                                     absl::string_view alias) {
  Query query =
      database.Prepare(absl::StrCat(kColumns, "WHERE model = ? AND alias = ?"));
  query.Bind(model.text()).Bind(alias);
  ASSIGN_OR_RETURN(std::vector<AliasRecord> records, ReadAll(database, query));
  if (records.empty()) {
    return std::optional<AliasRecord>();
  }
  return std::optional(std::move(records.front()));
}

absl::StatusOr<std::vector<AliasRow>> ListAliasRows(Database& database,
                                                    const ModelName& model) {
  Query query = database.Prepare(
      absl::StrCat(kColumns, "WHERE model = ? ORDER BY alias"));
  query.Bind(model.text());
  ASSIGN_OR_RETURN(std::vector<AliasRecord> records, ReadAll(database, query));
  return WithoutRemoved(std::move(records));
}

absl::StatusOr<std::vector<AliasRow>> ListAllAliases(Database& database) {
  Query query =
      database.Prepare(absl::StrCat(kColumns, "ORDER BY model, alias"));
  ASSIGN_OR_RETURN(std::vector<AliasRecord> records, ReadAll(database, query));
  return WithoutRemoved(std::move(records));
}

absl::StatusOr<bool> WriteAlias(Database& database, const AliasRecord& record) {
  ASSIGN_OR_RETURN(const std::optional<AliasRecord> before,
                   FindAlias(database, record.row.model, record.row.alias));
  RETURN_IF_ERROR(
      database
          .Prepare("INSERT OR REPLACE INTO aliases(model, alias, version, "
                   "previous, generation, updated_us, seal) VALUES(?, ?, ?, "
                   "?, ?, ?, ?)")
          .Bind(record.row.model.text())
          .Bind(record.row.alias)
          .Bind(VersionOf(record))
          .Bind(PreviousOf(record))
          .Bind(record.row.generation)
          .Bind(ToMicroseconds(record.row.updated))
          .Bind(SealOf(record).Hex())
          .Run());
  if (const AliasRow& row = record.row; !row.gate_override.empty()) {
    RETURN_IF_ERROR(WriteNote(database,
                              OverrideKey(row.model, row.alias, row.generation),
                              row.gate_override));
  }
  return !before.has_value();
}

absl::Status ForgetPrevious(Database& database, const ModelName& model,
                            VersionNumber version) {
  ASSIGN_OR_RETURN(std::vector<AliasRow> rows, ListAliasRows(database, model));
  for (AliasRow& row : rows) {
    if (row.previous == version) {
      row.previous = std::nullopt;
      RETURN_IF_ERROR(WriteAlias(database, {.row = row}).status());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> CheckAliasTable(Database& database) {
  Query query =
      database.Prepare(absl::StrCat(kColumns, "ORDER BY model, alias"));
  ASSIGN_OR_RETURN(const std::vector<AliasRecord> records,
                   ReadAll(database, query));
  for (const AliasRecord& record : records) {
    if (record.removed) {
      continue;
    }
    ASSIGN_OR_RETURN(
        const std::optional<VersionRow> version,
        FindVersion(database, record.row.model, record.row.version));
    if (!version || version->state != VersionState::kCommitted) {
      return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                   "the database of the store is damaged: an alias names a "
                   "version that is not there");
    }
  }
  return static_cast<std::int64_t>(records.size());
}

}  // namespace resnetd
