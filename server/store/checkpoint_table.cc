#include "server/store/checkpoint_table.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

constexpr absl::string_view kColumns =
    "SELECT job, step, manifest, blobs, bytes, created_us, seal FROM "
    "checkpoints ";

Seal SealOf(JobNumber job, const CheckpointRow& row) {
  Seal seal("checkpoints");
  seal.Add(job.value)
      .Add(row.step)
      .Add(row.manifest)
      .Add(absl::StrJoin(row.blobs, ","))
      .Add(row.bytes)
      .Add(ToMicroseconds(row.created));
  return seal;
}

absl::StatusOr<std::vector<CheckpointRow>> ReadAll(Query& query) {
  std::vector<CheckpointRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return rows;
    }
    CheckpointRow row{
        .step = query.Int(1),
        .manifest = query.Text(2),
        .blobs = absl::StrSplit(query.Text(3), ',', absl::SkipEmpty()),
        .bytes = query.Int(4),
        .created = FromMicroseconds(query.Int(5))};
    RETURN_IF_ERROR(CheckSeal(SealOf(JobNumber{query.Int(0)}, row),
                              query.Text(6), "checkpoints"));
    rows.push_back(std::move(row));
  }
}

absl::StatusOr<bool> IsThere(Database& database, JobNumber job,
                             std::int64_t step) {
  Query query =
      database.Prepare("SELECT 1 FROM checkpoints WHERE job = ? AND step = ?");
  query.Bind(job.value).Bind(step);
  return query.Next();
}

}  // namespace

absl::StatusOr<bool> WriteCheckpoint(Database& database, JobNumber job,
                                     const CheckpointRow& row) {
  ASSIGN_OR_RETURN(const bool was_there, IsThere(database, job, row.step));
  RETURN_IF_ERROR(
      database
          .Prepare("INSERT OR REPLACE INTO checkpoints(job, step, manifest, "
                   "blobs, bytes, created_us, seal) VALUES(?, ?, ?, ?, ?, ?, "
                   "?)")
          .Bind(job.value)
          .Bind(row.step)
          .Bind(row.manifest)
          .Bind(absl::StrJoin(row.blobs, ","))
          .Bind(row.bytes)
          .Bind(ToMicroseconds(row.created))
          .Bind(SealOf(job, row).Hex())
          .Run());
  return !was_there;
}

absl::StatusOr<bool> RemoveCheckpoint(Database& database, JobNumber job,
                                      std::int64_t step) {
  ASSIGN_OR_RETURN(const bool was_there, IsThere(database, job, step));
  RETURN_IF_ERROR(
      database.Prepare("DELETE FROM checkpoints WHERE job = ? AND step = ?")
          .Bind(job.value)
          .Bind(step)
          .Run());
  return was_there;
}

absl::Status RemoveCheckpoints(Database& database, JobNumber job) {
  return database.Prepare("DELETE FROM checkpoints WHERE job = ?")
      .Bind(job.value)
      .Run();
}

absl::StatusOr<std::vector<CheckpointRow>> ReadCheckpoints(Database& database,
                                                           JobNumber job) {
  Query query =
      database.Prepare(absl::StrCat(kColumns, "WHERE job = ? ORDER BY step"));
  query.Bind(job.value);
  return ReadAll(query);
}

absl::StatusOr<std::vector<CheckpointRow>> ReadAllCheckpoints(
    Database& database) {
  Query query = database.Prepare(absl::StrCat(kColumns, "ORDER BY job, step"));
  return ReadAll(query);
}

}  // namespace resnetd
