#include "server/store/job_event_table.h"

#include <utility>

#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

Seal SealOf(JobNumber job, const JobEventRow& event) {
  Seal seal("job_events");
  seal.Add(job.value)
      .Add(event.sequence)
      .Add(ToMicroseconds(event.time))
      .Add(static_cast<std::int64_t>(event.kind))
      .Add(event.payload);
  return seal;
}

}  // namespace

absl::Status InsertJobEvent(Database& database, JobNumber job,
                            const JobEventRow& event) {
  return database
      .Prepare(
          "INSERT INTO job_events(job, sequence, time_us, kind, payload, seal) "
          "VALUES(?, ?, ?, ?, ?, ?)")
      .Bind(job.value)
      .Bind(event.sequence)
      .Bind(ToMicroseconds(event.time))
      .Bind(static_cast<std::int64_t>(event.kind))
      .Bind(event.payload)
      .Bind(SealOf(job, event).Hex())
      .Run();
}

absl::StatusOr<std::vector<JobEventRow>> ReadJobEvents(Database& database,
                                                       JobNumber job,
                                                       std::int64_t after,
                                                       std::int64_t limit) {
  Query query = database.Prepare(
      "SELECT sequence, time_us, kind, payload, seal FROM job_events WHERE job "
      "= ? AND sequence > ? ORDER BY sequence LIMIT ?");
  query.Bind(job.value).Bind(after).Bind(limit);
  std::vector<JobEventRow> events;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return events;
    }
    JobEventRow event{.sequence = query.Int(0),
                      .time = FromMicroseconds(query.Int(1)),
                      .kind = static_cast<int>(query.Int(2)),
                      .payload = query.Text(3)};
    RETURN_IF_ERROR(CheckSeal(SealOf(job, event), query.Text(4), "job_events"));
    if (event.sequence != ++after) {
      return DamagedDatabase("an event of a job is missing");
    }
    events.push_back(std::move(event));
  }
}

absl::Status RemoveJobEvents(Database& database, JobNumber job) {
  return database.Prepare("DELETE FROM job_events WHERE job = ?")
      .Bind(job.value)
      .Run();
}

}  // namespace resnetd
