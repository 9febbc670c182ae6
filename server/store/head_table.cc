#include "server/store/head_table.h"

#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

Seal SealOf(const Head& head) {
  Seal seal("head");
  seal.Add(head.audit_sequence)
      .Add(head.audit_hash)
      .Add(head.event_sequence)
      .Add(head.oldest_event)
      .Add(head.models)
      .Add(head.aliases);
  return seal;
}

}  // namespace

absl::StatusOr<Head> ReadHead(Database& database) {
  Query query = database.Prepare(
      "SELECT audit_sequence, audit_hash, event_sequence, oldest_event, "
      "models, aliases, seal FROM head");
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) {
    // The row comes with the first change. That it vanished shows when the
    // tables have rows all the same (CheckCatalog).
    return Head{};
  }
  Head head{.audit_sequence = query.Int(0),
            .audit_hash = query.Text(1),
            .event_sequence = query.Int(2),
            .oldest_event = query.Int(3),
            .models = query.Int(4),
            .aliases = query.Int(5)};
  RETURN_IF_ERROR(CheckSeal(SealOf(head), query.Text(6), "head"));
  return head;
}

absl::Status WriteHead(Database& database, const Head& head) {
  return database
      .Prepare(
          "INSERT OR REPLACE INTO head(one, audit_sequence, audit_hash, "
          "event_sequence, oldest_event, models, aliases, seal) VALUES(1, "
          "?, ?, ?, ?, ?, ?, ?)")
      .Bind(head.audit_sequence)
      .Bind(head.audit_hash)
      .Bind(head.event_sequence)
      .Bind(head.oldest_event)
      .Bind(head.models)
      .Bind(head.aliases)
      .Bind(SealOf(head).Hex())
      .Run();
}

}  // namespace resnetd
