#include "server/store/note_table.h"

#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

Seal SealOf(absl::string_view key, absl::string_view value) {
  Seal seal("notes");
  seal.Add(key).Add(value);
  return seal;
}

}  // namespace

absl::StatusOr<std::string> ReadNote(Database& database,
                                     absl::string_view key) {
  Query query =
      database.Prepare("SELECT key, value, seal FROM notes WHERE key = ?");
  query.Bind(key);
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) {
    return std::string();
  }
  std::string value = query.Text(1);
  RETURN_IF_ERROR(CheckSeal(SealOf(key, value), query.Text(2), "notes"));
  return value;
}

absl::Status WriteNote(Database& database, absl::string_view key,
                       absl::string_view value) {
  if (value.empty()) {
    return database.Prepare("DELETE FROM notes WHERE key = ?").Bind(key).Run();
  }
  return database
      .Prepare("INSERT OR REPLACE INTO notes(key, value, seal) VALUES(?, ?, ?)")
      .Bind(key)
      .Bind(value)
      .Bind(SealOf(key, value).Hex())
      .Run();
}

absl::Status CheckNoteTable(Database& database) {
  Query query = database.Prepare("SELECT key, value, seal FROM notes");
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(CheckSeal(SealOf(query.Text(0), query.Text(1)),
                              query.Text(2), "notes"));
  }
}

}  // namespace resnetd
