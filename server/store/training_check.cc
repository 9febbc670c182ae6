#include "server/store/training_check.h"

#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/status_macros.h"
#include "server/store/checkpoint_table.h"
#include "server/store/example_table.h"
#include "server/store/job_event_table.h"
#include "server/store/job_sample_table.h"
#include "server/store/pack_table.h"
#include "server/store/rejected_table.h"
#include "server/store/seal.h"
#include "server/store/upload_table.h"

namespace resnetd {
namespace {

// Rows that are read at once, so that a long table needs no memory.
constexpr std::int64_t kPiece = 1000;

// Counts rows that `read` gives in pieces: called with the last sequence, it
// returns the rows after it.
template <typename Read>
absl::StatusOr<std::int64_t> CountPieces(Read read) {
  std::int64_t last = 0;
  while (true) {
    ASSIGN_OR_RETURN(const auto rows, read(last));
    if (rows.empty()) {
      return last;
    }
    last = rows.back().sequence;
  }
}

absl::Status CheckExamples(Database& database, const DatasetRecord& record) {
  ASSIGN_OR_RETURN(const std::vector<PackRow> packs,
                   ListPacks(database, record.number));
  std::map<Digest, std::int64_t> sizes;
  for (const PackRow& pack : packs) {
    sizes[pack.digest] = pack.bytes;
  }
  std::int64_t bytes = 0;
  bool is_inside = true;
  ASSIGN_OR_RETURN(
      const std::int64_t examples,
      ForEachExample(database, record.number, [&](const ExampleRow& row) {
        bytes += row.bytes;
        is_inside &= row.offset + row.bytes <= sizes[row.pack];
      }));
  if (!is_inside) {
    return DamagedDatabase("an example lies in no pack");
  }
  if (examples != record.row.examples || bytes != record.row.bytes ||
      static_cast<std::int64_t>(packs.size()) != record.packs) {
    return DamagedDatabase("a dataset counts other examples than it has");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDatasetRows(Database& database, const DatasetRecord& record) {
  if (record.row.state == DatasetState::kDeleted) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckExamples(database, record));
  ASSIGN_OR_RETURN(const std::int64_t rejected,
                   CountPieces([&](std::int64_t last) {
                     return ReadRejected(database, record.number, last, kPiece);
                   }));
  ASSIGN_OR_RETURN(const std::int64_t uploads,
                   CheckUploads(database, record.number));
  if (rejected != record.row.rejected || uploads != record.uploads) {
    return DamagedDatabase("a dataset counts other uploads than it has");
  }
  return absl::OkStatus();
}

absl::Status CheckJobRows(Database& database, const JobRecord& record) {
  const JobNumber job = record.row.number;
  ASSIGN_OR_RETURN(const std::int64_t events,
                   CountPieces([&](std::int64_t last) {
                     return ReadJobEvents(database, job, last, kPiece);
                   }));
  ASSIGN_OR_RETURN(const std::vector<CheckpointRow> checkpoints,
                   ReadCheckpoints(database, job));
  if (events != record.row.last_event ||
      static_cast<std::int64_t>(checkpoints.size()) != record.checkpoints) {
    return DamagedDatabase("a job counts other events than it has");
  }
  // Seals, and that none is missing between two others.
  ASSIGN_OR_RETURN(const std::vector<JobSampleRow> samples,
                   ReadJobSamples(database, job, 0,
                                  std::numeric_limits<std::int64_t>::max()));
  if (static_cast<std::int64_t>(samples.size()) > kMaxJobSamples) {
    return DamagedDatabase("a job has more samples than are kept");
  }
  return absl::OkStatus();
}

}  // namespace resnetd
