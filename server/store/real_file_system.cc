#include "server/store/real_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {

absl::Status DiskError(int code, const char* what) {
  if (code == ENOSPC || code == EDQUOT || code == EFBIG) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kStorageFull,
                 absl::StrCat("no room on the disk of the store while ", what));
  }
  const char* const name = strerrorname_np(code);
  return Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed,
               absl::StrCat("the disk of the store failed while ", what, " (",
                            name == nullptr ? "unknown" : name, ")"));
}

namespace {

// A file descriptor that is closed at the end; -1: none.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Calls `call` until a signal does not interrupt it.
template <typename Call>
auto Retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result;
}

// open(2) below `root`, which no "..", link or mount trick can leave.
Fd OpenBelow(int root, const std::string& path, int flags, mode_t mode = 0) {
  open_how how{};
  how.flags = static_cast<__u64>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const char* const name = path.empty() ? "." : path.c_str();
  // EAGAIN: something below was renamed while the path was resolved.
  return Fd(static_cast<int>(Retried([&] {
    long fd = syscall(SYS_openat2, root, name, &how, sizeof(how));
    for (int tries = 0; fd < 0 && errno == EAGAIN && tries < 100; ++tries) {
      fd = syscall(SYS_openat2, root, name, &how, sizeof(how));
    }
    return fd;
  })));
}

class RealWritableFile final : public WritableFile {
 public:
  RealWritableFile(Fd fd, bool durable)
      : fd_(std::move(fd)), durable_(durable) {}

  absl::Status Allocate(std::int64_t bytes) override {
    // The size of the file stays that of what was written.
    if (bytes > 0 && Retried([&] {
                       return fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0,
                                        bytes);
                     }) != 0) {
      // Not every file system can; a full disk then shows later.
      if (errno == EOPNOTSUPP || errno == ENOSYS) {
        return absl::OkStatus();
      }
      return DiskError(errno, "taking room for a file");
    }
    allocated_ = std::max(allocated_, bytes);
    return absl::OkStatus();
  }

  absl::Status Write(absl::Span<const std::uint8_t> bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          Retried([&] { return write(fd_.get(), bytes.data(), bytes.size()); });
      if (written < 0) {
        return DiskError(errno, "a file was written");
      }
      written_ += written;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    // Gives back what was taken and not needed.
    if (allocated_ > written_ &&
        Retried([&] { return ftruncate(fd_.get(), written_); }) != 0) {
      return DiskError(errno, "a file was ended");
    }
    if (durable_ && Retried([&] { return fsync(fd_.get()); }) != 0) {
      return DiskError(errno, "a file was synced");
    }
    return absl::OkStatus();
  }

 private:
  Fd fd_;
  const bool durable_;
  std::int64_t allocated_ = 0;
  std::int64_t written_ = 0;
};

class RealReadableFile final : public ReadableFile {
 public:
  RealReadableFile(Fd fd, std::int64_t size)
      : fd_(std::move(fd)), size_(size) {}

  std::int64_t size() const override { return size_; }

  absl::Status ReadAt(std::int64_t offset,
                      absl::Span<std::uint8_t> bytes) const override {
    while (!bytes.empty()) {
      const ssize_t got = Retried(
          [&] { return pread(fd_.get(), bytes.data(), bytes.size(), offset); });
      if (got < 0) {
        return DiskError(errno, "a file was read");
      }
      if (got == 0) {
        return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                     "a file of the store is shorter than it was");
      }
      offset += got;
      bytes.remove_prefix(static_cast<std::size_t>(got));
    }
    return absl::OkStatus();
  }

 private:
  Fd fd_;
  const std::int64_t size_;
};

absl::Status Missing() {
  return Error(absl::StatusCode::kNotFound, Reason::kBlobNotFound,
               "the store has no such file");
}

class RealFileSystem final : public FileSystem {
 public:
  RealFileSystem(Fd root, bool durable)
      : root_(std::move(root)), durable_(durable) {}

  absl::StatusOr<std::unique_ptr<WritableFile>> Create(
      const std::string& path) override {
    Fd fd = OpenBelow(root_.get(), path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    if (!fd.ok()) {
      if (errno == EEXIST) {
        return Error(absl::StatusCode::kAlreadyExists, Reason::kInternal,
                     "the store has such a file");
      }
      return DiskError(errno, "a file was made");
    }
    return std::make_unique<RealWritableFile>(std::move(fd), durable_);
  }

  absl::StatusOr<std::unique_ptr<ReadableFile>> Open(
      const std::string& path) override {
    // O_NONBLOCK: a pipe put there must not stop the server.
    Fd fd = OpenBelow(root_.get(), path, O_RDONLY | O_NONBLOCK);
    if (!fd.ok()) {
      return errno == ENOENT ? Missing()
                             : DiskError(errno, "a file was opened");
    }
    struct stat facts {};
    if (fstat(fd.get(), &facts) != 0) {
      return DiskError(errno, "a file was opened");
    }
    if (!S_ISREG(facts.st_mode)) {
      return DiskError(EINVAL, "a file was opened");
    }
    return std::make_unique<RealReadableFile>(std::move(fd), facts.st_size);
  }

  absl::StatusOr<std::int64_t> SizeOf(const std::string& path) override {
    const Fd fd = OpenBelow(root_.get(), path, O_PATH);
    struct stat facts {};
    if (!fd.ok() || fstat(fd.get(), &facts) != 0) {
      return errno == ENOENT ? Missing()
                             : DiskError(errno, "a file was looked at");
    }
    if (!S_ISREG(facts.st_mode)) {
      return DiskError(EINVAL, "a file was looked at");
    }
    return static_cast<std::int64_t>(facts.st_size);
  }

  absl::Status Protect(const std::string& path) override {
    const Fd fd = OpenBelow(root_.get(), path, O_RDONLY | O_NONBLOCK);
    struct stat facts {};
    if (!fd.ok() || fstat(fd.get(), &facts) != 0) {
      return DiskError(errno, "a file was made read-only");
    }
    if (!S_ISREG(facts.st_mode)) {
      return DiskError(EINVAL, "a file was made read-only");
    }
    if (fchmod(fd.get(), 0440) != 0) {
      return DiskError(errno, "a file was made read-only");
    }
    return absl::OkStatus();
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    const Place source = Find(from);
    const Place target = Find(to);
    if (!source.folder.ok() || !target.folder.ok() ||
        renameat(source.folder.get(), source.name.c_str(), target.folder.get(),
                 target.name.c_str()) != 0) {
      return DiskError(errno, "a file was renamed");
    }
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    return Unlink(path, 0);
  }

  absl::Status MakeFolder(const std::string& path) override {
    const Place place = Find(path);
    if (!place.folder.ok()) {
      return DiskError(errno, "a folder was made");
    }
    if (mkdirat(place.folder.get(), place.name.c_str(), 0750) == 0) {
      return absl::OkStatus();
    }
    if (errno != EEXIST) {
      return DiskError(errno, "a folder was made");
    }
    if (!OpenBelow(root_.get(), path, O_PATH | O_DIRECTORY).ok()) {
      return DiskError(errno, "a folder was made");
    }
    return absl::OkStatus();
  }

  absl::Status RemoveFolder(const std::string& path) override {
    return Unlink(path, AT_REMOVEDIR);
  }

  absl::StatusOr<std::vector<std::string>> List(
      const std::string& path) override {
    Fd fd = OpenBelow(root_.get(), path, O_RDONLY | O_DIRECTORY);
    if (!fd.ok()) {
      return DiskError(errno, "a folder was listed");
    }
    const auto close = [](DIR* folder) { closedir(folder); };
    const std::unique_ptr<DIR, decltype(close)> folder(fdopendir(fd.get()),
                                                       close);
    if (folder == nullptr) {
      return DiskError(errno, "a folder was listed");
    }
    fd.Release();
    return NamesIn(folder.get());
  }

  absl::Status SyncFolder(const std::string& path) override {
    if (!durable_) {
      return absl::OkStatus();
    }
    const Fd fd = OpenBelow(root_.get(), path, O_RDONLY | O_DIRECTORY);
    if (!fd.ok() || Retried([&] { return fsync(fd.get()); }) != 0) {
      return DiskError(errno, "a folder was synced");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::int64_t> FreeBytes() override {
    struct statvfs facts {};
    if (Retried([&] { return fstatvfs(root_.get(), &facts); }) != 0) {
      return DiskError(errno, "its room was looked at");
    }
    return static_cast<std::int64_t>(facts.f_bavail * facts.f_frsize);
  }

 private:
  // The folder a path ends in, and its last name.
  struct Place {
    Fd folder;
    std::string name;
  };

  Place Find(const std::string& path) const {
    const std::size_t slash = path.rfind('/');
    const bool in_root = slash == std::string::npos;
    std::string name = in_root ? path : path.substr(slash + 1);
    if (name.empty() || name == "." || name == "..") {
      errno = EINVAL;
      return {Fd(-1), std::move(name)};
    }
    return {OpenBelow(root_.get(), in_root ? "" : path.substr(0, slash),
                      O_PATH | O_DIRECTORY),
            std::move(name)};
  }

  absl::Status Unlink(const std::string& path, int flags) {
    const Place place = Find(path);
    const bool gone =
        place.folder.ok() &&
        unlinkat(place.folder.get(), place.name.c_str(), flags) == 0;
    if (gone || errno == ENOENT) {
      return absl::OkStatus();
    }
    return DiskError(errno, "a file was removed");
  }

  static absl::StatusOr<std::vector<std::string>> NamesIn(DIR* folder) {
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of this call alone.
      const dirent* const entry = readdir(folder);
      if (entry == nullptr) {
        break;
      }
      std::string name = entry->d_name;
      if (name == "." || name == "..") {
        continue;
      }
      bool is_folder = entry->d_type == DT_DIR;
      if (entry->d_type == DT_UNKNOWN) {
        struct stat facts {};
        is_folder = fstatat(dirfd(folder), name.c_str(), &facts,
                            AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISDIR(facts.st_mode);
      }
      names.push_back(is_folder ? name + "/" : std::move(name));
    }
    if (errno != 0) {
      return DiskError(errno, "a folder was listed");
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Fd root_;
  const bool durable_;
};

absl::Status Unusable(const std::string& folder, const std::string& why) {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
               absl::StrCat("cannot use the folder ", folder, ": ", why));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileSystem>> OpenRealFileSystem(
    const std::string& folder, bool durable) {
  Fd root(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.ok()) {
    const char* const name = strerrorname_np(errno);
    return Unusable(folder, absl::StrCat("it cannot be opened (",
                                         name == nullptr ? "?" : name, ")"));
  }
  if (!OpenBelow(root.get(), "", O_PATH | O_DIRECTORY).ok()) {
    return Unusable(folder,
                    "the system has no openat2; Linux 5.6 or newer is needed, "
                    "and a container must be allowed to call it");
  }
  if (faccessat(root.get(), ".", W_OK | X_OK, 0) != 0) {
    return Unusable(folder,
                    "it is not writable for this user; change its owner or "
                    "mode, or mount it writable");
  }
  return std::make_unique<RealFileSystem>(std::move(root), durable);
}

absl::StatusOr<std::unique_ptr<FileSystem>> OpenFileSystem(
    const std::string& folder) {
  return OpenRealFileSystem(folder, true);
}

}  // namespace resnetd
