#include "server/store/tally_table.h"

#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

Seal SealOf(const Tally& tally) {
  Seal seal("tally");
  seal.Add(tally.datasets).Add(tally.jobs).Add(tally.last_job);
  return seal;
}

}  // namespace

absl::StatusOr<Tally> ReadTally(Database& database) {
  Query query =
      database.Prepare("SELECT datasets, jobs, last_job, seal FROM tally");
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) {
    // The row comes with the first dataset. That it vanished shows when the
    // tables have rows all the same.
    return Tally{};
  }
  const Tally tally{
      .datasets = query.Int(0), .jobs = query.Int(1), .last_job = query.Int(2)};
  RETURN_IF_ERROR(CheckSeal(SealOf(tally), query.Text(3), "tally"));
  return tally;
}

absl::Status WriteTally(Database& database, const Tally& tally) {
  return database
      .Prepare(
          "INSERT OR REPLACE INTO tally(one, datasets, jobs, last_job, seal) "
          "VALUES(1, ?, ?, ?, ?)")
      .Bind(tally.datasets)
      .Bind(tally.jobs)
      .Bind(tally.last_job)
      .Bind(SealOf(tally).Hex())
      .Run();
}

}  // namespace resnetd
