#include "server/app/cpu.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/control_group.h"
#include "server/base/text_file.h"
#include "server/base/thread_affinity.h"

namespace resnetd {
namespace {

// Without the end of its line.
std::string ReadLine(const std::string& file) {
  return std::string(absl::StripAsciiWhitespace(ReadTextFile(file)));
}

}  // namespace

std::optional<int> QuotaCoresOf(absl::string_view text) {
  const std::vector<absl::string_view> fields =
      absl::StrSplit(text, ' ', absl::SkipWhitespace());
  std::int64_t quota = 0;
  std::int64_t period = 0;
  if (fields.size() != 2 || !absl::SimpleAtoi(fields[0], &quota) ||
      !absl::SimpleAtoi(fields[1], &period) || quota <= 0 || period <= 0) {
    return std::nullopt;
  }
  const std::int64_t cores = quota / period + (quota % period > 0 ? 1 : 0);
  return static_cast<int>(
      std::min<std::int64_t>(cores, std::numeric_limits<int>::max()));
}

std::optional<int> QuotaCores(const std::string& root) {
  std::optional<int> least;
  for (const ControlGroup& group : ReadControlGroups("cpu", root)) {
    const std::string prefix = group.folder + "/cpu.";
    const std::optional<int> cores =
        QuotaCoresOf(group.version == 2
                         ? ReadLine(prefix + "max")
                         : absl::StrCat(ReadLine(prefix + "cfs_quota_us"), " ",
                                        ReadLine(prefix + "cfs_period_us")));
    if (cores && (!least || *cores < *least)) {
      least = cores;
    }
  }
  return least;
}

int UsableCores() {
  const int allowed = static_cast<int>(AllowedCores().size());
  return std::max(1, std::min(allowed, QuotaCores().value_or(allowed)));
}

}  // namespace resnetd
