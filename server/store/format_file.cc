#include "server/store/format_file.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

constexpr const char* kFormat = "FORMAT";
constexpr const char* kFormatNew = "FORMAT.new";
constexpr absl::string_view kPrefix = "resnetd store ";
// Of the layout of the folder. The tables have a number of their own.
constexpr int kLayout = 1;
// More than any FORMAT will have.
constexpr std::int64_t kMaxBytes = 4096;

absl::Status Unusable(absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
               why);
}

absl::StatusOr<std::string> ReadSmallFile(FileSystem& files,
                                          const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.Open(path));
  std::vector<std::uint8_t> bytes(
      static_cast<std::size_t>(std::min(file->size(), kMaxBytes)));
  RETURN_IF_ERROR(file->ReadAt(0, absl::MakeSpan(bytes)));
  return std::string(bytes.begin(), bytes.end());
}

absl::Status CheckText(absl::string_view text) {
  int layout = 0;
  if (!absl::ConsumePrefix(&text, kPrefix) ||
      !absl::ConsumeSuffix(&text, "\n") || !absl::SimpleAtoi(text, &layout) ||
      layout < 1) {
    return Unusable(
        "its file FORMAT is not that of a store; give an empty folder");
  }
  if (layout > kLayout) {
    return Unusable(absl::StrCat("it has layout ", layout,
                                 ", this server knows layouts up to ", kLayout,
                                 "; start the newer server that wrote it"));
  }
  return absl::OkStatus();
}

absl::Status MakeFormat(FileSystem& files) {
  RETURN_IF_ERROR(files.Remove(kFormatNew));
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                     files.Create(kFormatNew));
    const std::string text = absl::StrCat(kPrefix, kLayout, "\n");
    RETURN_IF_ERROR(file->Write(AsBytes(text)));
    RETURN_IF_ERROR(file->Sync());
  }
  RETURN_IF_ERROR(files.Rename(kFormatNew, kFormat));
  return files.SyncFolder("");
}

// Whether it is a store already.
absl::StatusOr<bool> Check(FileSystem& files) {
  const absl::StatusOr<std::string> text = ReadSmallFile(files, kFormat);
  if (text.ok()) {
    RETURN_IF_ERROR(CheckText(*text));
    return true;
  }
  if (!absl::IsNotFound(text.status())) {
    return text.status();
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(""));
  for (const std::string& name : names) {
    if (name != "LOCK" && name != kFormatNew && name != "lost+found/") {
      return Unusable(absl::StrCat("it is not a store and not empty: it holds ",
                                   Quoted(name), "; give an empty folder"));
    }
  }
  return false;
}

}  // namespace

absl::Status CheckFormat(FileSystem& files) { return Check(files).status(); }

absl::Status CheckOrMakeFormat(FileSystem& files) {
  ASSIGN_OR_RETURN(const bool is_store, Check(files));
  return is_store ? absl::OkStatus() : MakeFormat(files);
}

}  // namespace resnetd
