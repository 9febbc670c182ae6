#include "server/store/sequence_rows.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

absl::StatusOr<std::optional<std::int64_t>> ReadEnd(Database& database,
                                                    absl::string_view end,
                                                    absl::string_view table,
                                                    absl::string_view owner,
                                                    std::int64_t number) {
  Query query = database.Prepare(absl::StrCat(
      "SELECT ", end, "(sequence) FROM ", table, " WHERE ", owner, " = ?"));
  query.Bind(number);
  RETURN_IF_ERROR(query.Next().status());
  return query.MaybeInt(0);
}

}  // namespace

absl::StatusOr<std::int64_t> LastSequence(Database& database,
                                          absl::string_view table,
                                          absl::string_view owner,
                                          std::int64_t number) {
  ASSIGN_OR_RETURN(const std::optional<std::int64_t> last,
                   ReadEnd(database, "max", table, owner, number));
  return last.value_or(0);
}

absl::StatusOr<bool> RemoveOldest(Database& database, absl::string_view table,
                                  absl::string_view owner, std::int64_t number,
                                  std::int64_t limit) {
  ASSIGN_OR_RETURN(const std::optional<std::int64_t> first,
                   ReadEnd(database, "min", table, owner, number));
  if (!first) {
    return false;
  }
  RETURN_IF_ERROR(database
                      .Prepare(absl::StrCat("DELETE FROM ", table, " WHERE ",
                                            owner, " = ? AND sequence < ?"))
                      .Bind(number)
                      .Bind(*first + limit)
                      .Run());
  return true;
}

}  // namespace resnetd
