#include "server/store/upload_table.h"

#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

Seal SealOf(std::int64_t dataset, absl::string_view upload,
            std::int64_t next_index) {
  Seal seal("uploads");
  seal.Add(dataset).Add(upload).Add(next_index);
  return seal;
}

absl::Status CheckRow(const Query& query, std::int64_t dataset) {
  return CheckSeal(SealOf(dataset, query.Text(0), query.Int(1)), query.Text(2),
                   "uploads");
}

}  // namespace

absl::StatusOr<std::optional<std::int64_t>> ReadUpload(
    Database& database, std::int64_t dataset, absl::string_view upload) {
  Query query = database.Prepare(
      "SELECT upload, next_index, seal FROM uploads WHERE dataset = ? AND "
      "upload = ?");
  query.Bind(dataset).Bind(upload);
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) {
    return std::optional<std::int64_t>();
  }
  RETURN_IF_ERROR(CheckRow(query, dataset));
  return std::optional(query.Int(1));
}

absl::Status WriteUpload(Database& database, std::int64_t dataset,
                         absl::string_view upload, std::int64_t next_index) {
  return database
      .Prepare(
          "INSERT OR REPLACE INTO uploads(dataset, upload, next_index, seal) "
          "VALUES(?, ?, ?, ?)")
      .Bind(dataset)
      .Bind(upload)
      .Bind(next_index)
      .Bind(SealOf(dataset, upload, next_index).Hex())
      .Run();
}

absl::Status RemoveUploads(Database& database, std::int64_t dataset) {
  return database.Prepare("DELETE FROM uploads WHERE dataset = ?")
      .Bind(dataset)
      .Run();
}

absl::StatusOr<std::int64_t> CheckUploads(Database& database,
                                          std::int64_t dataset) {
  Query query = database.Prepare(
      "SELECT upload, next_index, seal FROM uploads WHERE dataset = ?");
  query.Bind(dataset);
  for (std::int64_t rows = 0;; ++rows) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return rows;
    }
    RETURN_IF_ERROR(CheckRow(query, dataset));
  }
}

}  // namespace resnetd
