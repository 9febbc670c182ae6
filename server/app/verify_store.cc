#include "server/app/verify_store.h"

#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/app/server_options.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd {

absl::StatusOr<std::vector<Finding>> VerifyStore(const Config& config,
                                                 const Clock& clock) {
  // Opening would make one, and call it sound.
  const std::filesystem::path marker =
      std::filesystem::path(config.data_dir) / "FORMAT";
  std::error_code ignored;  // What cannot be looked at is not there.
  if (!std::filesystem::exists(marker, ignored)) {
    return Error(absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
                 absl::StrCat("--data-dir ", Quoted(config.data_dir, 256),
                              " holds no store"));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                   Store::Open(StoreOptionsOf(config), clock));
  return store->Verify();
}

std::string FormatFindings(absl::Span<const Finding> findings) {
  if (findings.empty()) {
    return "the store is sound\n";
  }
  std::string text;
  for (const Finding& finding : findings) {
    absl::StrAppend(&text, finding.what, ": ", finding.text, "\n");
  }
  return text;
}

}  // namespace resnetd
