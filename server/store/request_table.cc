#include "server/store/request_table.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

constexpr absl::string_view kColumns =
    "SELECT request_id, method, request_hash, outcome, created, time_us, seal "
    "FROM requests ";

struct RequestRow {
  std::string request_id;
  std::string method;
  std::string request_hash;
  Outcome outcome;
  std::int64_t time_us = 0;
};

Seal SealOf(const RequestRow& row) {
  Seal seal("requests");
  seal.Add(row.request_id)
      .Add(row.method)
      .Add(row.request_hash)
      .Add(row.outcome.resource)
      .Add(static_cast<std::int64_t>(row.outcome.created))
      .Add(row.time_us);
  return seal;
}

absl::StatusOr<RequestRow> ReadRow(const Query& query) {
  RequestRow row{
      .request_id = query.Text(0),
      .method = query.Text(1),
      .request_hash = query.Text(2),
      .outcome = {.resource = query.Text(3), .created = query.Int(4) != 0},
      .time_us = query.Int(5)};
  RETURN_IF_ERROR(CheckSeal(SealOf(row), query.Text(6), "requests"));
  return row;
}

}  // namespace

absl::StatusOr<std::optional<Outcome>> FindRequest(Database& database,
                                                   const Mutation& mutation) {
  if (mutation.request_id.empty()) {
    return std::optional<Outcome>();
  }
  Query query =
      database.Prepare(absl::StrCat(kColumns, "WHERE request_id = ?"));
  query.Bind(mutation.request_id);
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) {
    return std::optional<Outcome>();
  }
  ASSIGN_OR_RETURN(RequestRow row, ReadRow(query));
  if (row.method != mutation.method ||
      row.request_hash != mutation.request_hash) {
    return Error(absl::StatusCode::kAlreadyExists, Reason::kRequestIdConflict,
                 absl::StrCat("request_id ", Quoted(mutation.request_id),
                              " was used for another request; give each "
                              "request one of its own"))
        .Violation("request_id", "used for another request");
  }
  return std::optional(std::move(row.outcome));
}

absl::Status RememberRequest(Database& database, const Mutation& mutation,
                             const Outcome& outcome, WallTime now) {
  if (mutation.request_id.empty()) {
    return absl::OkStatus();
  }
  const RequestRow row{.request_id = mutation.request_id,
                       .method = mutation.method,
                       .request_hash = mutation.request_hash,
                       .outcome = outcome,
                       .time_us = ToMicroseconds(now)};
  return database
      .Prepare(
          "INSERT INTO requests(request_id, method, request_hash, "
          "outcome, created, time_us, seal) VALUES(?, ?, ?, ?, ?, ?, ?)")
      .Bind(row.request_id)
      .Bind(row.method)
      .Bind(row.request_hash)
      .Bind(row.outcome.resource)
      .Bind(static_cast<std::int64_t>(row.outcome.created))
      .Bind(row.time_us)
      .Bind(SealOf(row).Hex())
      .Run();
}

absl::Status ExpireRequests(Database& database, WallTime before) {
  return database.Prepare("DELETE FROM requests WHERE time_us < ?")
      .Bind(ToMicroseconds(before))
      .Run();
}

absl::Status CheckRequestTable(Database& database) {
  Query query = database.Prepare(kColumns);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(ReadRow(query).status());
  }
}

}  // namespace resnetd
