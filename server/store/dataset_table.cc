#include "server/store/dataset_table.h"

#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/store/pack_table.h"
#include "server/store/seal.h"
#include "server/store/sequence_rows.h"

namespace resnetd {
namespace {

constexpr absl::string_view kColumns =
    "SELECT dataset, name, state, labels, digest, examples, rejected, bytes, "
    "packs, uploads, created_us, sealed_us, seal FROM datasets ";

// "4:cats,4:dogs,": whatever is in a label, it comes back.
std::string JoinedLabels(const std::vector<std::string>& labels) {
  std::string text;
  for (const std::string& label : labels) {
    absl::StrAppend(&text, label.size(), ":", label, ",");
  }
  return text;
}

// Nullopt: not what JoinedLabels() makes.
std::optional<std::vector<std::string>> SplitLabels(absl::string_view text) {
  std::vector<std::string> labels;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    std::size_t size = 0;
    if (colon == absl::string_view::npos ||
        !absl::SimpleAtoi(text.substr(0, colon), &size) ||
        text.size() - colon - 1 <= size || text[colon + 1 + size] != ',') {
      return std::nullopt;
    }
    labels.emplace_back(text.substr(colon + 1, size));
    text.remove_prefix(colon + size + 2);
  }
  return labels;
}

std::optional<std::int64_t> SealedAt(const DatasetRow& row) {
  return row.sealed ? std::optional(ToMicroseconds(*row.sealed)) : std::nullopt;
}

Seal SealOf(const DatasetRecord& record) {
  const DatasetRow& row = record.row;
  Seal seal("datasets");
  seal.Add(record.number)
      .Add(row.name.text())
      .Add(static_cast<std::int64_t>(row.state))
      .Add(JoinedLabels(row.labels))
      .Add(row.digest)
      .Add(row.examples)
      .Add(row.rejected)
      .Add(row.bytes)
      .Add(record.packs)
      .Add(record.uploads)
      .Add(ToMicroseconds(row.created))
      .Add(SealedAt(row));
  return seal;
}

absl::StatusOr<DatasetRecord> ReadRecord(const Query& query) {
  absl::StatusOr<DatasetName> name = DatasetName::Parse(query.Text(1));
  std::optional<std::vector<std::string>> labels = SplitLabels(query.Text(3));
  if (!name.ok() || !labels) {
    return DamagedDatabase("the name or the labels of a dataset");
  }
  DatasetRecord record{.number = query.Int(0),
                       .row = {.name = *std::move(name),
                               .state = static_cast<DatasetState>(query.Int(2)),
                               .labels = *std::move(labels),
                               .digest = query.Text(4),
                               .examples = query.Int(5),
                               .rejected = query.Int(6),
                               .bytes = query.Int(7),
                               .created = FromMicroseconds(query.Int(10)),
                               .sealed = std::nullopt},
                       .packs = query.Int(8),
                       .uploads = query.Int(9)};
  if (const std::optional<std::int64_t> sealed = query.MaybeInt(11)) {
    record.row.sealed = FromMicroseconds(*sealed);
  }
  RETURN_IF_ERROR(CheckSeal(SealOf(record), query.Text(12), "datasets"));
  return record;
}

absl::StatusOr<std::vector<DatasetRecord>> ReadAll(Query& query) {
  std::vector<DatasetRecord> records;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return records;
    }
    ASSIGN_OR_RETURN(DatasetRecord record, ReadRecord(query));
    records.push_back(std::move(record));
  }
}

}  // namespace

std::string EtagOf(const DatasetRow& dataset) {
  // Nothing of it ever becomes less, and every change adds to one of these.
  return absl::StrCat("d", dataset.examples + dataset.rejected +
                               static_cast<int>(dataset.state));
}

absl::StatusOr<std::optional<DatasetRecord>> FindDataset(
    Database& database, const DatasetName& name) {
  Query query = database.Prepare(absl::StrCat(kColumns, "WHERE name = ?"));
  query.Bind(name.text());
  ASSIGN_OR_RETURN(std::vector<DatasetRecord> records, ReadAll(query));
  if (records.empty()) {
    return std::optional<DatasetRecord>();
  }
  return std::optional(std::move(records.front()));
}

absl::StatusOr<std::vector<DatasetRecord>> ListAllDatasets(Database& database) {
  Query query = database.Prepare(absl::StrCat(kColumns, "ORDER BY name"));
  return ReadAll(query);
}

absl::Status InsertDataset(Database& database, const DatasetRecord& record) {
  const DatasetRow& row = record.row;
  return database
      .Prepare(
          "INSERT INTO datasets(dataset, name, state, labels, digest, "
          "examples, rejected, bytes, packs, uploads, created_us, sealed_us, "
          "seal) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .Bind(record.number)
      .Bind(row.name.text())
      .Bind(static_cast<std::int64_t>(row.state))
      .Bind(JoinedLabels(row.labels))
      .Bind(row.digest)
      .Bind(row.examples)
      .Bind(row.rejected)
      .Bind(row.bytes)
      .Bind(record.packs)
      .Bind(record.uploads)
      .Bind(ToMicroseconds(row.created))
      .Bind(SealedAt(row))
      .Bind(SealOf(record).Hex())
      .Run();
}

absl::Status UpdateDataset(Database& database, const DatasetRecord& record) {
  const DatasetRow& row = record.row;
  return database
      .Prepare(
          "UPDATE datasets SET state = ?, digest = ?, examples = ?, rejected = "
          "?, bytes = ?, packs = ?, uploads = ?, sealed_us = ?, seal = ? WHERE "
          "dataset = ?")
      .Bind(static_cast<std::int64_t>(row.state))
      .Bind(row.digest)
      .Bind(row.examples)
      .Bind(row.rejected)
      .Bind(row.bytes)
      .Bind(record.packs)
      .Bind(record.uploads)
      .Bind(SealedAt(row))
      .Bind(SealOf(record).Hex())
      .Bind(record.number)
      .Run();
}

absl::StatusOr<DatasetCount> CountDatasets(Database& database) {
  Query query = database.Prepare(
      "SELECT count(*), sum(examples) FROM datasets WHERE state != 3");
  RETURN_IF_ERROR(query.Next().status());
  return DatasetCount{.datasets = query.Int(0), .examples = query.Int(1)};
}

absl::Status CheckDatasetTables(Database& database, std::int64_t datasets) {
  ASSIGN_OR_RETURN(const std::vector<DatasetRecord> records,
                   ListAllDatasets(database));
  if (static_cast<std::int64_t>(records.size()) != datasets) {
    return DamagedDatabase("a dataset is missing");
  }
  for (const DatasetRecord& record : records) {
    if (record.row.state == DatasetState::kDeleted) {
      continue;  // Its rows are removed in pieces.
    }
    ASSIGN_OR_RETURN(const std::vector<PackRow> packs,
                     ListPacks(database, record.number));
    ASSIGN_OR_RETURN(
        const std::int64_t examples,
        LastSequence(database, "examples", "dataset", record.number));
    ASSIGN_OR_RETURN(
        const std::int64_t rejected,
        LastSequence(database, "rejected_examples", "dataset", record.number));
    if (static_cast<std::int64_t>(packs.size()) != record.packs) {
      return DamagedDatabase("a pack of a dataset is missing");
    }
    if (examples != record.row.examples || rejected != record.row.rejected) {
      return DamagedDatabase("examples of a dataset are missing");
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd
