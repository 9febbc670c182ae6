#include "server/base/quote.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace resnetd {

std::string Quoted(absl::string_view text, std::size_t max_bytes) {
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, max_bytes)), "\"",
                      text.size() > max_bytes ? "..." : "");
}

}  // namespace resnetd
