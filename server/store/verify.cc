#include "server/store/verify.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/store/audit.h"
#include "server/store/checkpoint_table.h"
#include "server/store/database.h"
#include "server/store/dataset_table.h"
#include "server/store/event_table.h"
#include "server/store/job_table.h"
#include "server/store/pack_table.h"
#include "server/store/schema.h"
#include "server/store/seal.h"
#include "server/store/training_check.h"
#include "server/store/version_table.h"

namespace resnetd {
namespace {

// Adds a finding for damage; other errors come back.
absl::Status Note(std::vector<Finding>& findings, absl::string_view what,
                  const absl::Status& status) {
  if (absl::IsDataLoss(status)) {
    findings.push_back({std::string(what), std::string(status.message())});
    return absl::OkStatus();
  }
  return status;
}

// Rows of a check of SQLite's; "ok" is none.
absl::Status RunPragma(Database& database, absl::string_view pragma,
                       std::vector<Finding>& findings) {
  Query query = database.Prepare(pragma);
  while (true) {
    const absl::StatusOr<bool> found = query.Next();
    if (!found.ok()) {
      return Note(findings, "database", found.status());
    }
    if (!*found) {
      return absl::OkStatus();
    }
    if (query.Text(0) != "ok") {
      findings.push_back({"database", absl::StrCat("the database is damaged: ",
                                                   query.Text(0))});
    }
  }
}

// Everything of datasets and jobs that is in the database.
absl::Status CheckTraining(Database& database, std::vector<Finding>& findings) {
  const auto datasets = ListAllDatasets(database);
  RETURN_IF_ERROR(Note(findings, "dataset", datasets.status()));
  for (std::size_t i = 0; datasets.ok() && i < datasets->size(); ++i) {
    const DatasetRecord& record = (*datasets)[i];
    RETURN_IF_ERROR(
        Note(findings, "dataset",
             Annotate(CheckDatasetRows(database, record),
                      absl::StrCat("dataset ", record.row.name.text(), ": "))));
  }
  const auto jobs = ListJobRecords(database, WhichJobs::kAll);
  RETURN_IF_ERROR(Note(findings, "job", jobs.status()));
  for (std::size_t i = 0; jobs.ok() && i < jobs->size(); ++i) {
    const JobRecord& record = (*jobs)[i];
    RETURN_IF_ERROR(
        Note(findings, "job",
             Annotate(CheckJobRows(database, record),
                      absl::StrCat("job ", record.row.number.value, ": "))));
  }
  return absl::OkStatus();
}

absl::Status CheckDatabase(Database& database, std::vector<Finding>& findings) {
  RETURN_IF_ERROR(RunPragma(database, "PRAGMA integrity_check(20)", findings));
  RETURN_IF_ERROR(RunPragma(database, "PRAGMA foreign_key_check", findings));
  RETURN_IF_ERROR(
      Note(findings, "database", CheckSchema(database, Migrations())));
  RETURN_IF_ERROR(Note(findings, "database", CheckCatalog(database)));
  RETURN_IF_ERROR(Note(findings, "events", CheckEventTable(database)));
  RETURN_IF_ERROR(CheckTraining(database, findings));
  return Note(findings, "audit", CheckAudit(database));
}

// A blob that something names.
struct Need {
  Digest digest;
  // -1: of any size.
  std::int64_t bytes = -1;
  // "version 1 of model \"a\"", and what helps when the blob is missing.
  std::string who;
  absl::string_view help;
  // Of a checkpoint, as its step may come again; else 0.
  std::int64_t created_us = 0;

  // Whoever is gone never is the same again.
  friend bool operator==(const Need& a, const Need& b) {
    return a.digest == b.digest && a.who == b.who &&
           a.created_us == b.created_us;
  }
};

absl::Status AddVersionNeeds(Database& database, std::vector<Need>& needs) {
  ASSIGN_OR_RETURN(const std::vector<VersionRow> versions,
                   ListAllVersions(database));
  for (const VersionRow& row : versions) {
    if (row.state != VersionState::kCommitted) {
      continue;
    }
    for (Digest& digest : BlobsOf(row)) {
      needs.push_back(
          {.digest = std::move(digest),
           .who = absl::StrCat("version ", row.version.value, " of model ",
                               Quoted(row.model.text())),
           .help = "import the version again"});
      Need& need = needs.back();
      need.bytes = need.digest == row.weights ? row.weights_bytes : -1;
    }
  }
  return absl::OkStatus();
}

absl::Status AddDatasetNeeds(Database& database, std::vector<Need>& needs) {
  ASSIGN_OR_RETURN(const std::vector<DatasetRecord> datasets,
                   ListAllDatasets(database));
  for (const DatasetRecord& record : datasets) {
    if (record.row.state == DatasetState::kDeleted) {
      continue;
    }
    ASSIGN_OR_RETURN(const std::vector<PackRow> packs,
                     ListPacks(database, record.number));
    for (const PackRow& pack : packs) {
      needs.push_back(
          {.digest = pack.digest,
           .bytes = pack.bytes,
           .who = absl::StrCat("dataset ", Quoted(record.row.name.text())),
           .help = "upload its pictures to a new dataset"});
    }
  }
  return absl::OkStatus();
}

absl::Status AddJobNeeds(Database& database, std::vector<Need>& needs) {
  ASSIGN_OR_RETURN(const std::vector<JobRecord> jobs,
                   ListJobRecords(database, WhichJobs::kAll));
  for (const JobRecord& record : jobs) {
    ASSIGN_OR_RETURN(const std::vector<CheckpointRow> checkpoints,
                     ReadCheckpoints(database, record.row.number));
    for (const CheckpointRow& row : checkpoints) {
      for (const Digest& digest : row.blobs) {
        needs.push_back(
            {.digest = digest,
             .who = absl::StrCat("checkpoint ", row.step, " of job ",
                                 record.row.number.value),
             .help = "remove the checkpoint: nothing can go on from it",
             .created_us = ToMicroseconds(row.created)});
      }
    }
  }
  return absl::OkStatus();
}

// What can be read of them: damaged rows are found elsewhere.
absl::StatusOr<std::vector<Need>> ReadNeeds(Database& database) {
  std::vector<Need> needs;
  for (const auto add : {AddVersionNeeds, AddDatasetNeeds, AddJobNeeds}) {
    const absl::Status added = add(database, needs);
    if (!added.ok() && !absl::IsDataLoss(added)) {
      return added;
    }
  }
  return needs;
}

// Adds a finding for every blob that is needed, then and now, and is not there.
absl::Status CheckNeeds(Connections& db, BlobStore& blobs,
                        const std::vector<Need>& needs,
                        std::vector<Finding>& findings) {
  std::vector<Need> missing;
  for (const Need& need : needs) {
    const absl::StatusOr<std::int64_t> size = blobs.SizeOf(need.digest);
    if (!size.ok() || (need.bytes >= 0 && *size != need.bytes)) {
      missing.push_back(need);
    }
  }
  if (missing.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                   Database::Open(db.options(), Database::Access::kReadOnly));
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(*database));
  ASSIGN_OR_RETURN(const std::vector<Need> now, ReadNeeds(*database));
  for (const Need& need : missing) {
    if (std::find(now.begin(), now.end(), need) != now.end()) {
      findings.push_back(
          {"blob",
           absl::StrCat(need.who, " needs blob ", need.digest,
                        ", which is missing or of another size; ", need.help)});
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBlobs(BlobStore& blobs, std::vector<Finding>& findings) {
  for (const Digest& digest : blobs.List()) {
    absl::Status verified = blobs.VerifyBlob(digest);
    if (absl::IsDataLoss(verified)) {
      findings.push_back(
          {"blob", absl::StrCat("blob ", digest,
                                " has not the bytes of its digest; it was put "
                                "aside")});
    } else if (!verified.ok() && !absl::IsNotFound(verified)) {
      // Not found: the collector came first.
      return verified;
    }
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> strange,
                   blobs.StrangeFiles());
  for (const std::string& name : strange) {
    findings.push_back(
        {"file", absl::StrCat(Quoted(name, 128), " is not a blob")});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Finding>> VerifyStore(Catalog& catalog,
                                                 BlobStore& blobs) {
  std::vector<Finding> findings;
  std::vector<Need> needs;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                     Database::Open(catalog.connections().options(),
                                    Database::Access::kReadOnly));
    ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(*database));
    RETURN_IF_ERROR(CheckDatabase(*database, findings));
    ASSIGN_OR_RETURN(needs, ReadNeeds(*database));
  }
  RETURN_IF_ERROR(CheckBlobs(blobs, findings));
  RETURN_IF_ERROR(CheckNeeds(catalog.connections(), blobs, needs, findings));
  return findings;
}

}  // namespace resnetd
