#include "server/store/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {

absl::StatusOr<std::unique_ptr<TemporaryFolder>> TemporaryFolder::Make() {
  std::error_code failed;
  const std::filesystem::path parent =
      std::filesystem::temp_directory_path(failed);
  std::string path = ((failed ? std::filesystem::path("/tmp") : parent) /
                      "resnetd-store-XXXXXX")
                         .string();
  if (mkdtemp(path.data()) == nullptr) {
    const char* const name = strerrorname_np(errno);
    return Error(absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
                 absl::StrCat("no temporary folder can be made as ", path, " (",
                              name == nullptr ? "?" : name,
                              "); set TMPDIR to a folder that can be written, "
                              "or give --data-dir"));
  }
  return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(path));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // Nothing depends on a folder left behind.
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace resnetd
