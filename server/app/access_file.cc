#include "server/app/access_file.h"

// Compiled into this file, without exceptions: nothing to link, nothing thrown.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "server/base/error.h"
#include "server/base/ids.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/base/suggest.h"

namespace resnetd {
namespace {

// Who the audit calls so are others.
constexpr std::string_view kReservedNames[] = {"anonymous", "startup"};
constexpr std::size_t kMaxNameBytes = 64;
// A SPIFFE id has at most 2048 bytes.
constexpr std::size_t kMaxSanBytes = 2048;

absl::Status Fail(const std::string& title, const toml::node& where,
                  absl::string_view text) {
  return Error(
      absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
      absl::StrCat(title, ", line ", where.source().begin.line, ": ", text));
}

// One [[token]] or [[certificate]].
class Entry {
 public:
  Entry(const toml::table& table, const std::string& title)
      : table_(table), title_(title) {}

  absl::Status Wrong(absl::string_view text) const {
    return Fail(title_, table_, text);
  }

  absl::Status CheckKeys(const std::vector<std::string>& known) const {
    for (const auto& [key, value] : table_) {
      const std::string name(key.str());
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        return Fail(title_, value,
                    absl::StrCat("unknown key ", Quoted(name),
                                 DidYouMean(name, known)));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Text(std::string_view key,
                                   std::size_t max_bytes) const {
    const toml::node* const node = table_.get(key);
    const std::optional<std::string> text =
        node == nullptr ? std::nullopt : node->value_exact<std::string>();
    if (!text || text->empty() || text->size() > max_bytes ||
        !std::all_of(text->begin(), text->end(),
                     [](char c) { return c > ' ' && c < '\x7f'; })) {
      return Fail(title_, node == nullptr ? table_ : *node,
                  absl::StrCat("needs ", std::string(key), ", a text of 1 to ",
                               max_bytes, " visible characters"));
    }
    return *text;
  }

  absl::StatusOr<std::optional<std::chrono::system_clock::time_point>> Time(
      std::string_view key) const {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) {
      return std::nullopt;
    }
    const auto time = node->value_exact<toml::date_time>();
    if (!time || !time->offset) {
      return Fail(title_, *node,
                  absl::StrCat(std::string(key),
                               " must be a time with its zone, as "
                               "2027-01-31T12:00:00Z"));
    }
    const absl::CivilSecond civil(time->date.year, time->date.month,
                                  time->date.day, time->time.hour,
                                  time->time.minute, time->time.second);
    const absl::Time at = absl::FromCivil(civil, absl::UTCTimeZone()) -
                          absl::Minutes(time->offset->minutes);
    return absl::ToChronoTime(at);
  }

 private:
  const toml::table& table_;
  const std::string& title_;
};

absl::StatusOr<Grant> ReadGrant(const Entry& entry, bool is_token) {
  RETURN_IF_ERROR(entry.CheckKeys(
      {"name", "role", is_token ? "sha256" : "san", "not_after"}));
  Grant grant;
  ASSIGN_OR_RETURN(grant.name, entry.Text("name", kMaxNameBytes));
  if (std::find(std::begin(kReservedNames), std::end(kReservedNames),
                grant.name) != std::end(kReservedNames)) {
    return entry.Wrong(
        absl::StrCat("the name ", Quoted(grant.name), " means another"));
  }
  ASSIGN_OR_RETURN(const std::string role_name,
                   entry.Text("role", kMaxNameBytes));
  const std::optional<Role> role = ParseRole(role_name);
  if (!role) {
    return entry.Wrong(absl::StrCat(
        "unknown role ", Quoted(role_name),
        DidYouMean(role_name,
                   {"viewer", "classifier", "trainer", "operator", "replica"}),
        "; viewer, classifier, trainer, operator and replica there are"));
  }
  grant.role = *role;
  ASSIGN_OR_RETURN(grant.not_after, entry.Time("not_after"));
  if (!is_token) {
    ASSIGN_OR_RETURN(grant.certificate, entry.Text("san", kMaxSanBytes));
    return grant;
  }
  ASSIGN_OR_RETURN(grant.token_sha256, entry.Text("sha256", kMaxNameBytes));
  if (!IsSha256Hex(grant.token_sha256)) {
    return entry.Wrong(
        "sha256 must be 64 lower-case hex digits: the digest of the token, "
        "never the token; `resnetctl token new` writes it");
  }
  return grant;
}

absl::Status CheckTogether(const std::vector<Grant>& grants,
                           const std::string& title) {
  std::set<std::string> keys;
  std::map<std::string, Role> roles;
  for (const Grant& grant : grants) {
    const auto wrong = [&](absl::string_view text) {
      return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                   absl::StrCat(title, ": ", Quoted(grant.name), " ", text));
    };
    if (!keys.insert(grant.token_sha256.empty() ? "san " + grant.certificate
                                                : grant.token_sha256)
             .second) {
      return wrong("has the token or the certificate of another entry");
    }
    if (roles.emplace(grant.name, grant.role).first->second != grant.role) {
      return wrong("has two roles; give each role a name of its own");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Grant>> ParseAccessFile(absl::string_view text,
                                                   const std::string& title) {
  const toml::parse_result parsed =
      toml::parse(std::string_view(text.data(), text.size()));
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    // Without the library's text, which quotes what stands there.
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 absl::StrCat(title, ", line ", error.source().begin.line,
                              ": this is no TOML"));
  }
  const toml::table& root = parsed.table();
  RETURN_IF_ERROR(Entry(root, title).CheckKeys({"token", "certificate"}));
  std::vector<Grant> grants;
  for (const auto& [key, value] : root) {
    const bool is_token = key.str() == "token";
    const toml::array* const entries = value.as_array();
    if (entries == nullptr) {
      return Fail(title, value,
                  absl::StrCat("each entry is a [[", std::string(key.str()),
                               "]], in two brackets"));
    }
    for (const toml::node& element : *entries) {
      const toml::table* const table = element.as_table();
      if (table == nullptr) {
        return Fail(
            title, element,
            absl::StrCat("each entry is a [[", std::string(key.str()), "]]"));
      }
      ASSIGN_OR_RETURN(Grant grant, ReadGrant(Entry(*table, title), is_token));
      grants.push_back(std::move(grant));
    }
  }
  if (grants.size() > kMaxGrants) {
    return Fail(
        title, root,
        absl::StrCat("has ", grants.size(), " entries, over ", kMaxGrants));
  }
  RETURN_IF_ERROR(CheckTogether(grants, title));
  return grants;
}

}  // namespace resnetd
