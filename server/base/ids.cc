#include "server/base/ids.h"

#include <sys/random.h>

#include <array>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

constexpr std::size_t kMaxNameLength = 64;

bool IsAlphanumeric(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) ||
         absl::ascii_isdigit(static_cast<unsigned char>(c));
}

bool IsValidName(absl::string_view text) {
  if (text.empty() || text.size() > kMaxNameLength ||
      !IsAlphanumeric(text.front()) || !IsAlphanumeric(text.back()) ||
      text.find("..") != absl::string_view::npos) {
    return false;
  }
  for (const char c : text) {
    if (!IsAlphanumeric(c) && c != '.' && c != '_' && c != '-') {
      return false;
    }
  }
  return true;
}

}  // namespace

template <typename Kind>
absl::StatusOr<Name<Kind>> Name<Kind>::Parse(absl::string_view text) {
  if (!IsValidName(text)) {
    // The name comes from outside: quoted and cut, so that a log line or a
    // terminal shows it harmlessly.
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 absl::StrCat(Kind::kField, " name \"",
                              absl::CHexEscape(text.substr(0, kMaxNameLength)),
                              "\" is not valid: 1 to ", kMaxNameLength,
                              " of a-z 0-9 . _ - with a letter or digit at "
                              "both ends and no \"..\""))
        .Violation(Kind::kField,
                   absl::StrCat("not a valid ", Kind::kField, " name"));
  }
  return Name(text);
}

template class Name<ModelKind>;
template class Name<DatasetKind>;

std::string NewRequestId() {
  std::array<char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) !=
      static_cast<ssize_t>(bytes.size())) {
    // getrandom of up to 256 bytes cannot fail once the pool is seeded.
    std::abort();
  }
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

}  // namespace resnetd
