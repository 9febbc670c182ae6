#include "server/store/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/store/storage_kind.h"

namespace resnetd {
namespace {

absl::Status Unusable(const std::string& folder, absl::string_view why) {
  return Error(
      absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
      absl::StrCat("cannot use the data directory ", folder, ": ", why));
}

absl::string_view NameOf(int code) {
  const char* const name = strerrorname_np(code);
  return name == nullptr ? "unknown error" : name;
}

// " (process 123)", or empty when the file does not say.
std::string Holder(int fd) {
  std::array<char, 32> text{};
  const ssize_t bytes = pread(fd, text.data(), text.size(), 0);
  if (bytes <= 0) {
    return "";
  }
  const absl::string_view id = absl::StripAsciiWhitespace(
      absl::string_view(text.data(), static_cast<std::size_t>(bytes)));
  for (const char digit : id) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(digit))) {
      return "";
    }
  }
  return absl::StrCat(" (process ", id, ")");
}

}  // namespace

absl::Status CheckStorage(const std::string& folder) {
  struct statfs facts {};
  if (statfs(folder.c_str(), &facts) != 0) {
    return Unusable(folder,
                    absl::StrCat("it cannot be reached (", NameOf(errno), ")"));
  }
  if (const std::optional<absl::string_view> kind =
          UnsuitableStorage(static_cast<std::uint32_t>(facts.f_type))) {
    return Unusable(folder,
                    absl::StrCat("it is on ", *kind,
                                 ", which cannot keep a database safe; give a "
                                 "folder on a local disk or a block volume"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FolderLock>> FolderLock::Take(
    const std::string& folder) {
  RETURN_IF_ERROR(CheckStorage(folder));
  const int fd = open(absl::StrCat(folder, "/LOCK").c_str(),
                      O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) {
    return Unusable(
        folder, absl::StrCat("its file LOCK cannot be opened (", NameOf(errno),
                             "); is it writable for this user?"));
  }
  std::unique_ptr<FolderLock> lock(new FolderLock(fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return Unusable(
          folder, absl::StrCat("it cannot be locked (", NameOf(errno), ")"));
    }
    return Unusable(folder,
                    absl::StrCat("another server", Holder(fd),
                                 " uses it; stop that one, or give this one a "
                                 "folder of its own with --data-dir"));
  }
  const std::string id = absl::StrCat(getpid(), "\n");
  // Only for people and for the text above: that it fails harms nothing.
  if (ftruncate(fd, 0) != 0 ||
      pwrite(fd, id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    errno = 0;
  }
  return lock;
}

FolderLock::~FolderLock() { close(fd_); }

}  // namespace resnetd
