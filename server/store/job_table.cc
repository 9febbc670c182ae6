#include "server/store/job_table.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/store/checkpoint_table.h"
#include "server/store/note_table.h"
#include "server/store/seal.h"
#include "server/store/sequence_rows.h"

namespace resnetd {
namespace {

constexpr absl::string_view kColumns =
    "SELECT job, state, is_done, spec, status, dataset, generation, events, "
    "checkpoints, created_us, updated_us, seal FROM jobs ";

Seal SealOf(const JobRecord& record) {
  const JobRow& row = record.row;
  Seal seal("jobs");
  seal.Add(row.number.value)
      .Add(static_cast<std::int64_t>(row.state))
      .Add(static_cast<std::int64_t>(row.is_done))
      .Add(row.spec)
      .Add(row.status)
      .Add(row.dataset.text())
      .Add(row.generation)
      .Add(row.last_event)
      .Add(record.checkpoints)
      .Add(ToMicroseconds(row.created))
      .Add(ToMicroseconds(row.updated));
  return seal;
}

// Of a note: the table `jobs` was made without such a column.
std::string CreatorKey(JobNumber job) {
  return absl::StrCat("job-creator/", job.value);
}

absl::StatusOr<JobRecord> ReadRecord(const Query& query) {
  absl::StatusOr<DatasetName> dataset = DatasetName::Parse(query.Text(5));
  if (!dataset.ok()) {
    return DamagedDatabase("the dataset of a job");
  }
  JobRecord record{.row = {.number = JobNumber{query.Int(0)},
                           .state = static_cast<int>(query.Int(1)),
                           .is_done = query.Int(2) != 0,
                           .spec = query.Text(3),
                           .status = query.Text(4),
                           .dataset = *std::move(dataset),
                           .generation = query.Int(6),
                           .last_event = query.Int(7),
                           .created = FromMicroseconds(query.Int(9)),
                           .updated = FromMicroseconds(query.Int(10))},
                   .checkpoints = query.Int(8)};
  RETURN_IF_ERROR(CheckSeal(SealOf(record), query.Text(11), "jobs"));
  return record;
}

absl::StatusOr<std::vector<JobRecord>> ReadAll(Query& query) {
  std::vector<JobRecord> records;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return records;
    }
    ASSIGN_OR_RETURN(JobRecord record, ReadRecord(query));
    records.push_back(std::move(record));
  }
}

}  // namespace

std::string EtagOf(const JobRow& job) {
  return absl::StrCat("j", job.generation);
}

absl::StatusOr<std::optional<JobRecord>> FindJob(Database& database,
                                                 JobNumber job) {
  Query query = database.Prepare(absl::StrCat(kColumns, "WHERE job = ?"));
  query.Bind(job.value);
  ASSIGN_OR_RETURN(std::vector<JobRecord> records, ReadAll(query));
  if (records.empty()) {
    return std::optional<JobRecord>();
  }
  return std::optional(std::move(records.front()));
}

absl::StatusOr<std::vector<JobRecord>> ListJobRecords(Database& database,
                                                      WhichJobs which) {
  Query query = database.Prepare(absl::StrCat(
      kColumns, which == WhichJobs::kOpen ? "WHERE is_done = 0 " : "",
      "ORDER BY job"));
  return ReadAll(query);
}

absl::StatusOr<std::int64_t> CountJobs(Database& database) {
  return database.ReadInt("SELECT count(*) FROM jobs");
}

absl::StatusOr<OpenJobs> CountOpenJobs(Database& database,
                                       absl::string_view creator) {
  ASSIGN_OR_RETURN(const std::vector<JobRecord> records,
                   ListJobRecords(database, WhichJobs::kOpen));
  OpenJobs open{.all = static_cast<std::int64_t>(records.size())};
  if (creator.empty()) {
    return open;
  }
  for (const JobRecord& record : records) {
    ASSIGN_OR_RETURN(const std::string one,
                     ReadNote(database, CreatorKey(record.row.number)));
    open.of_creator += one == creator ? 1 : 0;
  }
  return open;
}

absl::Status WriteJob(Database& database, const JobRecord& record) {
  const JobRow& row = record.row;
  // Not "INSERT OR REPLACE", which removes the row that events refer to.
  return database
      .Prepare(
          "INSERT INTO jobs(job, state, is_done, spec, status, dataset, "
          "generation, events, checkpoints, created_us, updated_us, seal) "
          "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(job) DO "
          "UPDATE SET state = excluded.state, is_done = excluded.is_done, "
          "status = excluded.status, generation = excluded.generation, events "
          "= excluded.events, checkpoints = excluded.checkpoints, updated_us = "
          "excluded.updated_us, seal = excluded.seal")
      .Bind(row.number.value)
      .Bind(static_cast<std::int64_t>(row.state))
      .Bind(static_cast<std::int64_t>(row.is_done))
      .Bind(row.spec)
      .Bind(row.status)
      .Bind(row.dataset.text())
      .Bind(row.generation)
      .Bind(row.last_event)
      .Bind(record.checkpoints)
      .Bind(ToMicroseconds(row.created))
      .Bind(ToMicroseconds(row.updated))
      .Bind(SealOf(record).Hex())
      .Run();
}

absl::Status WriteJobCreator(Database& database, JobNumber job,
                             absl::string_view creator) {
  return WriteNote(database, CreatorKey(job), creator);
}

absl::Status RemoveJob(Database& database, JobNumber job) {
  RETURN_IF_ERROR(WriteJobCreator(database, job, ""));
  return database.Prepare("DELETE FROM jobs WHERE job = ?")
      .Bind(job.value)
      .Run();
}

absl::Status CheckJobTables(Database& database, const Tally& tally) {
  ASSIGN_OR_RETURN(const std::vector<JobRecord> records,
                   ListJobRecords(database, WhichJobs::kAll));
  if (static_cast<std::int64_t>(records.size()) != tally.jobs ||
      (!records.empty() && records.back().row.number.value > tally.last_job)) {
    return DamagedDatabase("a job is missing");
  }
  for (const JobRecord& record : records) {
    const JobNumber job = record.row.number;
    ASSIGN_OR_RETURN(const std::int64_t events,
                     LastSequence(database, "job_events", "job", job.value));
    ASSIGN_OR_RETURN(const std::vector<CheckpointRow> checkpoints,
                     ReadCheckpoints(database, job));
    if (events != record.row.last_event) {
      return DamagedDatabase("events of a job are missing");
    }
    if (static_cast<std::int64_t>(checkpoints.size()) != record.checkpoints) {
      return DamagedDatabase("a checkpoint of a job is missing");
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd
