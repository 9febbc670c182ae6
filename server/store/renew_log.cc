#include "server/store/renew_log.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

constexpr std::int64_t kPieceBytes = std::int64_t{1} << 20U;

absl::Status Copy(const ReadableFile& from, WritableFile& to) {
  std::vector<std::uint8_t> piece;
  for (std::int64_t at = 0; at < from.size(); at += kPieceBytes) {
    piece.resize(
        static_cast<std::size_t>(std::min(kPieceBytes, from.size() - at)));
    RETURN_IF_ERROR(from.ReadAt(at, absl::MakeSpan(piece)));
    RETURN_IF_ERROR(to.Write(piece));
  }
  return to.Sync();
}

absl::Status MakeCopy(FileSystem& files, const std::string& path,
                      const std::string& copy) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> from, files.Open(path));
  ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> to, files.Create(copy));
  return Copy(*from, *to);
}

}  // namespace

absl::Status RenewLog(FileSystem& files, const std::string& path) {
  const std::string copy = absl::StrCat(path, ".new");
  RETURN_IF_ERROR(files.Remove(copy));
  const absl::StatusOr<std::int64_t> size = files.SizeOf(path);
  if (absl::IsNotFound(size.status()) || (size.ok() && *size == 0)) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(size.status());
  const absl::Status made = MakeCopy(files, path, copy);
  if (absl::IsResourceExhausted(made)) {
    return files.Remove(copy);
  }
  RETURN_IF_ERROR(made);
  RETURN_IF_ERROR(files.Rename(copy, path));
  return files.SyncFolder("");
}

}  // namespace resnetd
