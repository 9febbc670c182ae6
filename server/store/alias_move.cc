#include "server/store/alias_move.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

absl::Status CheckExpectedVersion(const AliasMove& move,
                                  const std::optional<AliasRow>& current) {
  const std::int64_t version = current ? current->version.value : 0;
  if (!move.expected_version || *move.expected_version == version) {
    return absl::OkStatus();
  }
  const std::string now =
      current ? absl::StrCat("names version ", version) : "does not exist";
  const std::string expected =
      *move.expected_version == 0
          ? "it was expected not to exist"
          : absl::StrCat("version ", *move.expected_version, " was expected");
  return Error(absl::StatusCode::kAborted, Reason::kAliasMoved,
               absl::StrCat("alias ", Quoted(move.alias), " of model ",
                            Quoted(move.model.text()), " ", now, ", ", expected,
                            "; read it again and decide anew"))
      .Metadata("current", absl::StrCat(version))
      .Metadata("etag", current ? EtagOf(*current) : "");
}

}  // namespace

std::string EtagOf(const AliasRow& alias) {
  return absl::StrCat("g", alias.generation);
}

std::string EtagOf(const VersionRow& version) {
  return absl::StrCat("s", static_cast<int>(version.state));
}

absl::Status CheckEtag(absl::string_view what, absl::string_view expected,
                       absl::string_view current) {
  if (expected.empty() || expected == current) {
    return absl::OkStatus();
  }
  return Error(
             absl::StatusCode::kAborted, Reason::kEtagMismatch,
             absl::StrCat(what, " has etag ", Quoted(current), ", not ",
                          Quoted(expected), "; read it again and decide anew"))
      .Metadata("etag", current);
}

absl::StatusOr<DecidedMove> DecideMove(const std::optional<AliasRecord>& before,
                                       const AliasMove& move, WallTime now) {
  std::optional<AliasRow> current;
  if (before && !before->removed) {
    current = before->row;
  }
  RETURN_IF_ERROR(CheckExpectedVersion(move, current));
  RETURN_IF_ERROR(
      CheckEtag(absl::StrCat("alias ", Quoted(move.alias), " of model ",
                             Quoted(move.model.text())),
                move.etag, current ? EtagOf(*current) : ""));
  if (current && current->version == move.to) {
    return DecidedMove{.row = *current, .changed = false};
  }
  AliasRow row{.model = move.model,
               .alias = move.alias,
               .version = move.to,
               .previous = std::nullopt,
               .generation = before ? before->row.generation + 1 : 1,
               .updated = now,
               .gate_override = move.gate_override};
  if (current) {
    row.previous = current->version;
  }
  return DecidedMove{.row = row, .changed = true};
}

}  // namespace resnetd
