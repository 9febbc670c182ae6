#include "server/store/pack_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

constexpr absl::string_view kColumns =
    "SELECT dataset, pack, digest, bytes, seal FROM packs WHERE dataset = ? ";

Seal SealOf(const PackRow& row) {
  Seal seal("packs");
  seal.Add(row.dataset).Add(row.number).Add(row.digest).Add(row.bytes);
  return seal;
}

absl::StatusOr<std::vector<PackRow>> ReadAll(Query& query) {
  std::vector<PackRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return rows;
    }
    PackRow row{.dataset = query.Int(0),
                .number = query.Int(1),
                .digest = query.Text(2),
                .bytes = query.Int(3)};
    RETURN_IF_ERROR(CheckSeal(SealOf(row), query.Text(4), "packs"));
    rows.push_back(std::move(row));
  }
}

}  // namespace

absl::StatusOr<std::optional<PackRow>> FindPack(Database& database,
                                                std::int64_t dataset,
                                                const Digest& digest) {
  Query query = database.Prepare(absl::StrCat(kColumns, "AND digest = ?"));
  query.Bind(dataset).Bind(digest);
  ASSIGN_OR_RETURN(std::vector<PackRow> rows, ReadAll(query));
  if (rows.empty()) {
    return std::optional<PackRow>();
  }
  return std::optional(std::move(rows.front()));
}

absl::StatusOr<std::vector<PackRow>> ListPacks(Database& database,
                                               std::int64_t dataset) {
  Query query = database.Prepare(absl::StrCat(kColumns, "ORDER BY pack"));
  query.Bind(dataset);
  return ReadAll(query);
}

absl::Status InsertPack(Database& database, const PackRow& row) {
  return database
      .Prepare(
          "INSERT INTO packs(dataset, pack, digest, bytes, seal) VALUES(?, ?, "
          "?, ?, ?)")
      .Bind(row.dataset)
      .Bind(row.number)
      .Bind(row.digest)
      .Bind(row.bytes)
      .Bind(SealOf(row).Hex())
      .Run();
}

absl::Status RemovePacks(Database& database, std::int64_t dataset) {
  return database.Prepare("DELETE FROM packs WHERE dataset = ?")
      .Bind(dataset)
      .Run();
}

}  // namespace resnetd
