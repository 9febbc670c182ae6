#include "server/engine/kept_choices.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

namespace fs = std::filesystem;

// Enough for the members that FormatRecord() writes first.
constexpr std::size_t kHeadBytes = 512;
constexpr absl::string_view kMember = "\"weights_sha256\": \"";
constexpr std::size_t kDigestLength = 64;
// Writing one takes milliseconds.
constexpr auto kUnfinished = std::chrono::hours(1);

// Which weights a choice is for; empty: the file does not say.
std::string WeightsOf(const fs::path& file) {
  std::array<char, kHeadBytes> head{};
  std::ifstream in(file, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  const absl::string_view text(head.data(),
                               static_cast<std::size_t>(in.gcount()));
  const std::size_t at = text.find(kMember);
  if (at == absl::string_view::npos ||
      text.size() < at + kMember.size() + kDigestLength) {
    return "";
  }
  return std::string(text.substr(at + kMember.size(), kDigestLength));
}

bool WasGivenUp(const fs::path& file) {
  std::error_code error;
  const fs::file_time_type written = fs::last_write_time(file, error);
  return !error && fs::file_time_type::clock::now() - written > kUnfinished;
}

}  // namespace

absl::StatusOr<int> CollectKeptChoices(const std::string& folder,
                                       const WeightsOfVersions& weights) {
  // Each with its weights.
  std::vector<std::pair<fs::path, std::string>> choices;
  std::vector<fs::path> going;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const fs::path& file = at->path();
    if (file.extension() == ".json") {
      choices.emplace_back(file, WeightsOf(file));
    } else if (absl::EndsWith(file.filename().string(), ".json.tmp") &&
               WasGivenUp(file)) {
      going.push_back(file);
    }
  }
  if (choices.empty() && going.empty()) {
    return 0;
  }
  ASSIGN_OR_RETURN(const std::set<std::string> there, weights());
  for (auto& [file, of] : choices) {
    if (there.count(of) == 0) {
      going.push_back(std::move(file));
    }
  }
  int removed = 0;
  for (const fs::path& file : going) {
    removed += fs::remove(file, error) ? 1 : 0;
  }
  return removed;
}

}  // namespace resnetd
