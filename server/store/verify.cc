#include "server/store/verify.h"

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/store/audit.h"
#include "server/store/database.h"
#include "server/store/event_table.h"
#include "server/store/schema.h"
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

absl::Status CheckDatabase(Database& database, std::vector<Finding>& findings) {
  RETURN_IF_ERROR(RunPragma(database, "PRAGMA integrity_check(20)", findings));
  RETURN_IF_ERROR(RunPragma(database, "PRAGMA foreign_key_check", findings));
  RETURN_IF_ERROR(
      Note(findings, "database", CheckSchema(database, Migrations())));
  RETURN_IF_ERROR(Note(findings, "database", CheckCatalog(database)));
  RETURN_IF_ERROR(Note(findings, "events", CheckEventTable(database)));
  return Note(findings, "audit", CheckAudit(database));
}

// Whether a version that was committed in the state that is verified still is.
bool IsCommittedNow(Catalog& catalog, const VersionRow& row) {
  const absl::StatusOr<VersionRow> now =
      catalog.GetVersion(row.model, row.version);
  return now.ok() && now->state == VersionState::kCommitted;
}

void CheckBlobsOf(Catalog& catalog, BlobStore& blobs, const VersionRow& row,
                  std::vector<Finding>& findings) {
  for (const Digest& digest : BlobsOf(row)) {
    const absl::StatusOr<std::int64_t> size = blobs.SizeOf(digest);
    const bool is_right =
        size.ok() && (digest != row.weights || *size == row.weights_bytes);
    if (!is_right && IsCommittedNow(catalog, row)) {
      findings.push_back(
          {"blob", absl::StrCat("version ", row.version.value, " of model ",
                                Quoted(row.model.text()), " needs blob ",
                                digest, ", which is ",
                                size.ok() ? "of another size" : "missing",
                                "; import the version again")});
    }
  }
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
  std::vector<VersionRow> versions;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                     Database::Open(catalog.connections().options(),
                                    Database::Access::kReadOnly));
    ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(*database));
    RETURN_IF_ERROR(CheckDatabase(*database, findings));
    absl::StatusOr<std::vector<VersionRow>> all = ListAllVersions(*database);
    if (all.ok()) {
      versions = *std::move(all);
    } else {
      RETURN_IF_ERROR(Note(findings, "database", all.status()));
    }
  }
  RETURN_IF_ERROR(CheckBlobs(blobs, findings));
  for (const VersionRow& row : versions) {
    if (row.state == VersionState::kCommitted) {
      CheckBlobsOf(catalog, blobs, row, findings);
    }
  }
  return findings;
}

}  // namespace resnetd
