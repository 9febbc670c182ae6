#include "server/store/audit.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

absl::Status Broken(std::int64_t sequence) {
  return Error(
      absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
      absl::StrCat("the audit of the store is damaged at row ", sequence));
}

absl::StatusOr<std::string> HashOf(Database& database, std::int64_t sequence) {
  if (sequence == 0) {
    return std::string();
  }
  Query query = database.Prepare("SELECT hash FROM audit WHERE sequence = ?");
  query.Bind(sequence);
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) {
    return Broken(sequence);
  }
  return query.Text(0);
}

// Rows after `last`, whose hash is `hash`.
absl::StatusOr<std::vector<AuditRow>> ReadAfter(Database& database,
                                                std::int64_t last,
                                                std::string hash,
                                                std::int64_t limit) {
  Query query = database.Prepare(
      "SELECT sequence, time_us, actor, method, resource, request_id, outcome, "
      "hash FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?");
  query.Bind(last).Bind(limit);
  std::vector<AuditRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return rows;
    }
    AuditRow row{.sequence = query.Int(0),
                 .time = FromMicroseconds(query.Int(1)),
                 .actor = query.Text(2),
                 .method = query.Text(3),
                 .resource = query.Text(4),
                 .request_id = query.Text(5),
                 .outcome = query.Text(6),
                 .hash = query.Text(7)};
    if (row.sequence != ++last || row.hash != AuditHash(hash, row)) {
      return Broken(last);
    }
    hash = row.hash;
    rows.push_back(std::move(row));
  }
}

}  // namespace

std::string AuditHash(const std::string& before, const AuditRow& row) {
  Seal seal("audit");
  seal.Add(before)
      .Add(row.sequence)
      .Add(ToMicroseconds(row.time))
      .Add(row.actor)
      .Add(row.method)
      .Add(row.resource)
      .Add(row.request_id)
      .Add(row.outcome);
  return seal.Hex();
}

absl::Status AppendAudit(Database& database, AuditRow row, Head& head) {
  row.sequence = ++head.audit_sequence;
  row.hash = AuditHash(head.audit_hash, row);
  head.audit_hash = row.hash;
  return database
      .Prepare(
          "INSERT INTO audit(sequence, time_us, actor, method, resource, "
          "request_id, outcome, hash) VALUES(?, ?, ?, ?, ?, ?, ?, ?)")
      .Bind(row.sequence)
      .Bind(ToMicroseconds(row.time))
      .Bind(row.actor)
      .Bind(row.method)
      .Bind(row.resource)
      .Bind(row.request_id)
      .Bind(row.outcome)
      .Bind(row.hash)
      .Run();
}

absl::StatusOr<std::vector<AuditRow>> ReadAudit(Database& database,
                                                std::int64_t after,
                                                std::size_t limit) {
  ASSIGN_OR_RETURN(const Head head, ReadHead(database));
  after = std::max<std::int64_t>(after, 0);
  if (after >= head.audit_sequence) {
    return std::vector<AuditRow>();
  }
  const std::int64_t wanted = std::min(
      static_cast<std::int64_t>(std::min(limit, std::size_t{1} << 30U)),
      head.audit_sequence - after);
  ASSIGN_OR_RETURN(std::string hash, HashOf(database, after));
  ASSIGN_OR_RETURN(std::vector<AuditRow> rows,
                   ReadAfter(database, after, std::move(hash), wanted));
  if (static_cast<std::int64_t>(rows.size()) != wanted) {
    return Broken(after + static_cast<std::int64_t>(rows.size()) + 1);
  }
  return rows;
}

absl::Status CheckAudit(Database& database) {
  ASSIGN_OR_RETURN(const Head head, ReadHead(database));
  std::int64_t last = 0;
  std::string hash;
  // In pieces, so that a long chain needs no memory.
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<AuditRow> rows,
                     ReadAfter(database, last, hash, 1000));
    if (rows.empty()) {
      break;
    }
    last = rows.back().sequence;
    hash = rows.back().hash;
  }
  if (last != head.audit_sequence || hash != head.audit_hash) {
    return Broken(last + 1);
  }
  return absl::OkStatus();
}

}  // namespace resnetd
