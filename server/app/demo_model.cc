#include "server/app/demo_model.h"

#include <array>
#include <filesystem>
#include <system_error>

#include "server/base/error.h"

namespace resnetd {

absl::StatusOr<std::string> FindDemoModel() {
  namespace fs = std::filesystem;
  constexpr std::array<const char*, 2> kFromExecutable = {
      "../share/resnetd/models/digits", "../../../models/digits"};
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    for (const char* relative : kFromExecutable) {
      const fs::path folder =
          (executable.parent_path() / relative).lexically_normal();
      if (fs::is_directory(folder, error)) {
        return folder.string();
      }
    }
  }
  return Error(absl::StatusCode::kNotFound, Reason::kModelNotFound,
               "the demo model is not installed beside this program: name a "
               "model folder with --model");
}

}  // namespace resnetd
