#include "server/store/event_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/store/alias_table.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

std::optional<std::int64_t> ValueOf(std::optional<VersionNumber> version) {
  return version ? std::optional(version->value) : std::nullopt;
}

std::optional<VersionNumber> NumberOf(std::optional<std::int64_t> value) {
  return value ? std::optional(VersionNumber{*value}) : std::nullopt;
}

Seal SealOf(const EventRow& event) {
  Seal seal("events");
  seal.Add(event.sequence)
      .Add(ToMicroseconds(event.time))
      .Add(static_cast<std::int64_t>(event.kind))
      .Add(event.model.text())
      .Add(ValueOf(event.version))
      .Add(event.alias)
      .Add(ValueOf(event.previous))
      .Add(event.generation)
      .Add(event.weights);
  return seal;
}

absl::Status Damaged() {
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               "the database of the store is damaged: an event is missing");
}

absl::StatusOr<EventRow> ReadEvent(const Query& query) {
  absl::StatusOr<ModelName> model = ModelName::Parse(query.Text(3));
  if (!model.ok()) {
    return Damaged();
  }
  EventRow event{.sequence = query.Int(0),
                 .time = FromMicroseconds(query.Int(1)),
                 .kind = static_cast<EventKind>(query.Int(2)),
                 .model = *std::move(model),
                 .version = NumberOf(query.MaybeInt(4)),
                 .alias = query.Text(5),
                 .previous = NumberOf(query.MaybeInt(6)),
                 .generation = query.Int(7),
                 .weights = query.Text(8)};
  RETURN_IF_ERROR(CheckSeal(SealOf(event), query.Text(9), "events"));
  return event;
}

// Events from `first` on, each the successor of the one before.
absl::StatusOr<std::vector<EventRow>> ReadFrom(Database& database,
                                               std::int64_t first,
                                               std::int64_t limit) {
  Query query = database.Prepare(
      "SELECT sequence, time_us, kind, model, version, alias, previous, "
      "generation, weights, seal FROM events WHERE sequence >= ? ORDER BY "
      "sequence LIMIT ?");
  query.Bind(first).Bind(limit);
  std::vector<EventRow> events;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      break;
    }
    ASSIGN_OR_RETURN(EventRow event, ReadEvent(query));
    if (event.sequence != first + static_cast<std::int64_t>(events.size())) {
      return Damaged();
    }
    events.push_back(std::move(event));
  }
  for (EventRow& event : events) {
    if (event.kind == EventKind::kAliasSet) {
      ASSIGN_OR_RETURN(
          event.gate_override,
          ReadOverride(database, event.model, event.alias, event.generation));
    }
  }
  return events;
}

}  // namespace

absl::Status AppendEvent(Database& database, EventRow event, Head& head) {
  event.sequence = ++head.event_sequence;
  return database
      .Prepare(
          "INSERT INTO events(sequence, time_us, kind, model, version, alias, "
          "previous, generation, weights, seal) VALUES(?, ?, ?, ?, ?, ?, ?, ?, "
          "?, ?)")
      .Bind(event.sequence)
      .Bind(ToMicroseconds(event.time))
      .Bind(static_cast<std::int64_t>(event.kind))
      .Bind(event.model.text())
      .Bind(ValueOf(event.version))
      .Bind(event.alias)
      .Bind(ValueOf(event.previous))
      .Bind(event.generation)
      .Bind(event.weights)
      .Bind(SealOf(event).Hex())
      .Run();
}

absl::StatusOr<std::vector<EventRow>> ReadEvents(Database& database,
                                                 std::int64_t after,
                                                 std::size_t limit) {
  after = std::max<std::int64_t>(after, 0);
  ASSIGN_OR_RETURN(const Head head, ReadHead(database));
  if (after + 1 < head.oldest_event || after > head.event_sequence) {
    return Error(absl::StatusCode::kOutOfRange, Reason::kEventsExpired,
                 absl::StrCat("event ", after + 1, " is not kept: there are ",
                              head.oldest_event, " to ", head.event_sequence,
                              "; read the current state and go on from there"))
        .Metadata("oldest", absl::StrCat(head.oldest_event));
  }
  const std::int64_t wanted = std::min(
      static_cast<std::int64_t>(std::min(limit, std::size_t{1} << 30U)),
      head.event_sequence - after);
  ASSIGN_OR_RETURN(std::vector<EventRow> events,
                   ReadFrom(database, after + 1, wanted));
  if (static_cast<std::int64_t>(events.size()) != wanted) {
    return Damaged();
  }
  return events;
}

absl::StatusOr<bool> ExpireEvents(Database& database, WallTime before,
                                  std::int64_t keep, Head& head) {
  // The first that stays: either too young or among the newest `keep`. By
  // sequence, as the clock may have jumped.
  const std::int64_t newest_kept =
      std::max(head.oldest_event, head.event_sequence - keep + 1);
  Query query =
      database.Prepare("SELECT min(sequence) FROM events WHERE time_us >= ?");
  query.Bind(ToMicroseconds(before));
  RETURN_IF_ERROR(query.Next().status());
  const std::int64_t oldest =
      std::min(newest_kept, query.MaybeInt(0).value_or(newest_kept));
  if (oldest <= head.oldest_event) {
    return false;
  }
  head.oldest_event = oldest;
  RETURN_IF_ERROR(database.Prepare("DELETE FROM events WHERE sequence < ?")
                      .Bind(oldest)
                      .Run());
  return true;
}

absl::Status CheckEventTable(Database& database) {
  ASSIGN_OR_RETURN(const Head head, ReadHead(database));
  ASSIGN_OR_RETURN(const std::int64_t rows,
                   database.ReadInt("SELECT count(*) FROM events"));
  if (rows != head.event_sequence - head.oldest_event + 1) {
    return Damaged();
  }
  // In pieces, so that a long table needs no memory.
  constexpr std::int64_t kPiece = 1000;
  for (std::int64_t next = head.oldest_event; next <= head.event_sequence;
       next += kPiece) {
    ASSIGN_OR_RETURN(const std::vector<EventRow> events,
                     ReadFrom(database, next, kPiece));
    if (static_cast<std::int64_t>(events.size()) !=
        std::min(kPiece, head.event_sequence - next + 1)) {
      return Damaged();
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd
