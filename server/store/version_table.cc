#include "server/store/version_table.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

constexpr absl::string_view kColumns =
    "SELECT model, version, state, weights, weights_bytes, manifest, labels, "
    "golden, content_key, source, source_format, parent, created_us, seal "
    "FROM versions ";

std::optional<std::int64_t> ValueOf(std::optional<VersionNumber> version) {
  return version ? std::optional(version->value) : std::nullopt;
}

Seal SealOfModel(absl::string_view model, std::int64_t next_version) {
  Seal seal("models");
  seal.Add(model).Add(next_version);
  return seal;
}

Seal SealOfVersion(const VersionRow& row) {
  Seal seal("versions");
  seal.Add(row.model.text())
      .Add(row.version.value)
      .Add(static_cast<std::int64_t>(row.state))
      .Add(row.weights)
      .Add(row.weights_bytes)
      .Add(row.manifest)
      .Add(row.labels)
      .Add(row.golden)
      .Add(row.content_key)
      .Add(row.source)
      .Add(row.source_format)
      .Add(ValueOf(row.parent))
      .Add(ToMicroseconds(row.created));
  return seal;
}

absl::StatusOr<ModelName> NameOf(absl::string_view text) {
  absl::StatusOr<ModelName> name = ModelName::Parse(text);
  if (!name.ok()) {
    return DamagedDatabase("the name of a model");
  }
  return name;
}

absl::StatusOr<VersionRow> ReadVersion(const Query& query) {
  ASSIGN_OR_RETURN(ModelName model, NameOf(query.Text(0)));
  VersionRow row{.model = std::move(model),
                 .version = VersionNumber{query.Int(1)},
                 .state = static_cast<VersionState>(query.Int(2)),
                 .weights = query.Text(3),
                 .weights_bytes = query.Int(4),
                 .manifest = query.Text(5),
                 .labels = query.Text(6),
                 .golden = query.Text(7),
                 .content_key = query.Text(8),
                 .source = query.Text(9),
                 .source_format = query.Text(10),
                 .parent = std::nullopt,
                 .created = FromMicroseconds(query.Int(12))};
  if (const std::optional<std::int64_t> parent = query.MaybeInt(11)) {
    row.parent = VersionNumber{*parent};
  }
  RETURN_IF_ERROR(CheckSeal(SealOfVersion(row), query.Text(13), "versions"));
  return row;
}

absl::StatusOr<std::optional<VersionRow>> ReadOne(Query& query) {
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) {
    return std::optional<VersionRow>();
  }
  ASSIGN_OR_RETURN(VersionRow row, ReadVersion(query));
  return std::optional(std::move(row));
}

absl::StatusOr<std::vector<VersionRow>> ReadAll(Query& query) {
  std::vector<VersionRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(std::optional<VersionRow> row, ReadOne(query));
    if (!row) {
      return rows;
    }
    rows.push_back(*std::move(row));
  }
}

struct ModelRow {
  ModelName model;
  std::int64_t next_version;
};

absl::StatusOr<std::vector<ModelRow>> ReadModels(Query& query) {
  std::vector<ModelRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return rows;
    }
    ASSIGN_OR_RETURN(ModelName name, NameOf(query.Text(0)));
    const std::int64_t next_version = query.Int(1);
    RETURN_IF_ERROR(CheckSeal(SealOfModel(name.text(), next_version),
                              query.Text(2), "models"));
    rows.push_back({std::move(name), next_version});
  }
}

absl::StatusOr<std::optional<ModelRow>> FindModel(Database& database,
                                                  const ModelName& model) {
  Query query = database.Prepare(
      "SELECT model, next_version, seal FROM models WHERE model = ?");
  query.Bind(model.text());
  ASSIGN_OR_RETURN(std::vector<ModelRow> rows, ReadModels(query));
  if (rows.empty()) {
    return std::optional<ModelRow>();
  }
  return std::optional(std::move(rows.front()));
}

}  // namespace

absl::StatusOr<bool> HasModel(Database& database, const ModelName& model) {
  ASSIGN_OR_RETURN(const std::optional<ModelRow> row,
                   FindModel(database, model));
  return row.has_value();
}

absl::StatusOr<VersionNumber> TakeVersionNumber(
    Database& database, const ModelName& model,
    std::optional<VersionNumber> wanted) {
  ASSIGN_OR_RETURN(const std::optional<ModelRow> row,
                   FindModel(database, model));
  const std::int64_t next = row ? row->next_version : 1;
  const std::int64_t number = wanted ? wanted->value : next;
  const std::int64_t after = std::max(next, number + 1);
  RETURN_IF_ERROR(
      database
          .Prepare("INSERT INTO models(model, next_version, seal) VALUES(?, ?, "
                   "?) ON CONFLICT(model) DO UPDATE SET next_version = "
                   "excluded.next_version, seal = excluded.seal")
          .Bind(model.text())
          .Bind(after)
          .Bind(SealOfModel(model.text(), after).Hex())
          .Run());
  return VersionNumber{number};
}

absl::StatusOr<std::vector<ModelName>> ListModelRows(Database& database) {
  Query query = database.Prepare(
      "SELECT model, next_version, seal FROM models m WHERE EXISTS (SELECT 1 "
      "FROM versions v WHERE v.model = m.model AND v.state = 2) ORDER BY "
      "model");
  ASSIGN_OR_RETURN(std::vector<ModelRow> rows, ReadModels(query));
  std::vector<ModelName> names;
  names.reserve(rows.size());
  for (ModelRow& row : rows) {
    names.push_back(std::move(row.model));
  }
  return names;
}

absl::Status InsertVersion(Database& database, const VersionRow& row) {
  return database
      .Prepare(
          "INSERT INTO versions(model, version, state, weights, "
          "weights_bytes, manifest, labels, golden, content_key, source, "
          "source_format, parent, created_us, seal) VALUES(?, ?, ?, ?, ?, ?, "
          "?, ?, ?, ?, ?, ?, ?, ?)")
      .Bind(row.model.text())
      .Bind(row.version.value)
      .Bind(static_cast<std::int64_t>(row.state))
      .Bind(row.weights)
      .Bind(row.weights_bytes)
      .Bind(row.manifest)
      .Bind(row.labels)
      .Bind(row.golden)
      .Bind(row.content_key)
      .Bind(row.source)
      .Bind(row.source_format)
      .Bind(ValueOf(row.parent))
      .Bind(ToMicroseconds(row.created))
      .Bind(SealOfVersion(row).Hex())
      .Run();
}

absl::Status UpdateVersionState(Database& database, const VersionRow& row) {
  return database
      .Prepare(
          "UPDATE versions SET state = ?, seal = ? WHERE model = ? AND "
          "version = ?")
      .Bind(static_cast<std::int64_t>(row.state))
      .Bind(SealOfVersion(row).Hex())
      .Bind(row.model.text())
      .Bind(row.version.value)
      .Run();
}

absl::StatusOr<std::optional<VersionRow>> FindVersion(Database& database,
                                                      const ModelName& model,
                                                      VersionNumber version) {
  Query query = database.Prepare(absl::StrCat(kColumns,
                                              "WHERE model = ? AND version = "
                                              "?"));
  query.Bind(model.text()).Bind(version.value);
  return ReadOne(query);
}

absl::StatusOr<std::optional<VersionRow>> FindCommittedByContent(
    Database& database, const ModelName& model, absl::string_view content_key) {
  Query query = database.Prepare(absl::StrCat(
      kColumns, "WHERE model = ? AND content_key = ? AND state = 2"));
  query.Bind(model.text()).Bind(content_key);
  return ReadOne(query);
}

absl::StatusOr<std::int64_t> CountCommitted(Database& database,
                                            const ModelName& model) {
  Query query = database.Prepare(
      "SELECT count(*) FROM versions WHERE model = ? AND state = 2");
  query.Bind(model.text());
  RETURN_IF_ERROR(query.Next().status());
  return query.Int(0);
}

absl::StatusOr<std::vector<VersionRow>> ListCommitted(Database& database,
                                                      const ModelName& model) {
  Query query = database.Prepare(absl::StrCat(
      kColumns, "WHERE model = ? AND state = 2 ORDER BY version DESC"));
  query.Bind(model.text());
  return ReadAll(query);
}

absl::StatusOr<std::vector<VersionRow>> ListAllVersions(Database& database) {
  Query query =
      database.Prepare(absl::StrCat(kColumns, "ORDER BY model, version"));
  return ReadAll(query);
}

std::vector<Digest> BlobsOf(const VersionRow& row) {
  std::vector<Digest> digests;
  for (const Digest* digest :
       {&row.weights, &row.manifest, &row.labels, &row.golden}) {
    if (!digest->empty()) {
      digests.push_back(*digest);
    }
  }
  return digests;
}

absl::StatusOr<std::int64_t> CheckVersionTables(Database& database) {
  Query query = database.Prepare(
      "SELECT model, next_version, seal FROM models ORDER BY model");
  ASSIGN_OR_RETURN(const std::vector<ModelRow> models, ReadModels(query));
  ASSIGN_OR_RETURN(const std::vector<VersionRow> versions,
                   ListAllVersions(database));
  std::map<std::string, std::int64_t> next;
  for (const VersionRow& row : versions) {
    std::int64_t& last = next[row.model.text()];
    if (row.version.value != ++last) {
      return DamagedDatabase("a version is missing");
    }
  }
  for (const ModelRow& row : models) {
    if (next[row.model.text()] + 1 != row.next_version) {
      return DamagedDatabase("a version is missing");
    }
  }
  if (next.size() != models.size()) {
    return DamagedDatabase("a model is missing");
  }
  return static_cast<std::int64_t>(models.size());
}

}  // namespace resnetd
