#include "server/base/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/base/error.h"
#include "server/base/open_error.h"
#include "server/base/quote.h"

namespace resnetd {
namespace {

constexpr std::size_t kMaxShownPath = 256;
constexpr mode_t kOthers = S_IRWXO;
constexpr mode_t kGroup = S_IRWXG;

// A descriptor that is closed.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  int get() const { return fd_; }

 private:
  const int fd_;
};

std::string NameOf(absl::string_view origin, const std::string& path) {
  return absl::StrCat(origin, " ", Quoted(path, kMaxShownPath));
}

absl::Status Invalid(absl::string_view name, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat(name, " ", text));
}

// Whether anybody but the owner, and the group of root's file, gets at it.
bool IsExposed(const struct stat& facts) {
  const mode_t allowed = facts.st_uid == 0 ? S_IRGRP : 0;
  return (facts.st_mode & (kOthers | kGroup) & ~allowed) != 0;
}

absl::Status CheckSecrecy(absl::string_view name, const std::string& path,
                          const struct stat& facts) {
  if (!IsExposed(facts)) {
    return absl::OkStatus();
  }
  return Invalid(
      name,
      absl::StrCat("is a secret that other users can read or write (mode ",
                   absl::StrFormat("%04o", facts.st_mode & 07777U), "): chmod ",
                   facts.st_uid == 0 ? "0440 " : "0600 ",
                   Quoted(path, kMaxShownPath)));
}

std::int64_t Nanoseconds(const timespec& time) {
  constexpr std::int64_t kPerSecond = 1'000'000'000;
  return static_cast<std::int64_t>(time.tv_sec) * kPerSecond + time.tv_nsec;
}

}  // namespace

absl::StatusOr<std::string> ReadNamedFile(absl::string_view origin,
                                          const std::string& path,
                                          std::size_t max_bytes,
                                          Secrecy secrecy) {
  const std::string name = NameOf(origin, path);
  // Non-blocking: a pipe in its place must not hang the start.
  const Descriptor file(
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    return Invalid(name, OpenErrorText(errno));
  }
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return Invalid(name, "is no regular file");
  }
  if (secrecy == Secrecy::kSecret) {
    if (absl::Status status = CheckSecrecy(name, path, facts); !status.ok()) {
      return status;
    }
  }
  // One more, to see that there is more.
  std::string text(max_bytes + 1, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count =
        read(file.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return Invalid(name, "cannot be read: the disk failed");
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  if (done > max_bytes) {
    return Invalid(name, absl::StrCat("has more than ", max_bytes, " bytes"));
  }
  text.resize(done);
  return text;
}

FileStamp StampOf(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) {
    return {};
  }
  return {.exists = true,
          .device = facts.st_dev,
          .inode = facts.st_ino,
          .size = facts.st_size,
          .modified_ns = Nanoseconds(facts.st_mtim),
          .changed_ns = Nanoseconds(facts.st_ctim)};
}

}  // namespace resnetd
