#include "server/models/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <new>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/open_error.h"
#include "server/base/quote.h"

namespace resnetd {
namespace {

// An open file, closed at the end of the scope.
class OpenFile {
 public:
  explicit OpenFile(int descriptor) : descriptor_(descriptor) {}
  ~OpenFile() {
    if (descriptor_ >= 0) {
      close(descriptor_);
    }
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid, text);
}

// Reads up to `size` bytes; fewer at the end of the file, -1 on an error.
ssize_t ReadFully(int descriptor, std::uint8_t* out, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = read(descriptor, out + done, size - done);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return -1;
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

absl::StatusOr<std::vector<std::uint8_t>> ReadAll(int descriptor,
                                                  absl::string_view name,
                                                  std::size_t size) {
  std::vector<std::uint8_t> bytes;
  try {
    bytes.resize(size);
  } catch (const std::bad_alloc&) {
    return Error(
        absl::StatusCode::kResourceExhausted, Reason::kLimitExceeded,
        absl::StrCat("no memory for the ", size, " bytes of ", Quoted(name)));
  }
  const ssize_t count = ReadFully(descriptor, bytes.data(), size);
  if (count < 0) {
    return Invalid(
        absl::StrCat(Quoted(name), " cannot be read (error ", errno, ")"));
  }
  std::uint8_t more = 0;
  if (static_cast<std::size_t>(count) != size ||
      ReadFully(descriptor, &more, 1) != 0) {
    return Invalid(
        absl::StrCat(Quoted(name),
                     " changed while it was read; put files in place by "
                     "renaming them"));
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::optional<std::vector<std::uint8_t>>> ReadFileIfThere(
    const std::string& folder, const std::string& name,
    std::uint64_t max_bytes) {
  const std::string path = absl::StrCat(folder, "/", name);
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  const OpenFile file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (const int error = errno; file.get() < 0) {
    if (error == ENOENT) {
      return std::nullopt;
    }
    return Invalid(absl::StrCat(Quoted(name), " ", OpenErrorText(error)));
  }
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return Invalid(absl::StrCat(Quoted(name), " is not a regular file"));
  }
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  if (size > max_bytes) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
                 absl::StrCat(Quoted(name), " has ", size, " bytes, at most ",
                              max_bytes, " are accepted"))
        .Metadata("limit", absl::StrCat(max_bytes));
  }
  absl::StatusOr<std::vector<std::uint8_t>> bytes =
      ReadAll(file.get(), name, static_cast<std::size_t>(size));
  if (!bytes.ok()) {
    return bytes.status();
  }
  return *std::move(bytes);
}

absl::Status CheckFolder(const std::string& folder) {
  const OpenFile file(open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
  if (const int error = errno; file.get() < 0) {
    return Invalid(absl::StrCat(
        Quoted(FolderName(folder)), " ",
        error == ENOTDIR ? "is not a folder" : OpenErrorText(error)));
  }
  return absl::OkStatus();
}

std::string FolderName(const std::string& folder) {
  std::error_code error;
  std::filesystem::path path =
      std::filesystem::absolute(folder, error).lexically_normal();
  if (error) {
    return "";
  }
  if (!path.has_filename()) {  // "a/b/" ends with an empty component
    path = path.parent_path();
  }
  return path.filename().string();
}

}  // namespace resnetd
