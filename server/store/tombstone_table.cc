#include "server/store/tombstone_table.h"

#include <string>
#include <utility>

#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

Seal SealOf(const Digest& digest, WallTime since) {
  Seal seal("tombstones");
  seal.Add(digest).Add(ToMicroseconds(since));
  return seal;
}

}  // namespace

absl::StatusOr<std::map<Digest, WallTime>> ReadTombstones(Database& database) {
  Query query =
      database.Prepare("SELECT digest, since_us, seal FROM tombstones");
  std::map<Digest, WallTime> tombstones;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return tombstones;
    }
    Digest digest = query.Text(0);
    const WallTime since = FromMicroseconds(query.Int(1));
    RETURN_IF_ERROR(
        CheckSeal(SealOf(digest, since), query.Text(2), "tombstones"));
    tombstones.emplace(std::move(digest), since);
  }
}

absl::Status WriteTombstone(Database& database, const Digest& digest,
                            WallTime since) {
  return database
      .Prepare(
          "INSERT OR REPLACE INTO tombstones(digest, since_us, seal) "
          "VALUES(?, ?, ?)")
      .Bind(digest)
      .Bind(ToMicroseconds(since))
      .Bind(SealOf(digest, since).Hex())
      .Run();
}

absl::Status RemoveTombstone(Database& database, const Digest& digest) {
  return database.Prepare("DELETE FROM tombstones WHERE digest = ?")
      .Bind(digest)
      .Run();
}

bool IsDue(WallTime since, WallTime now, Duration grace) {
  return since <= now && now - since >= grace;
}

}  // namespace resnetd
