#include "server/app/operator_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/open_error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/models/read_file.h"

namespace resnetd {
namespace {

constexpr std::size_t kPieceBytes = 1U << 20U;

absl::Status Invalid(absl::string_view name, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
               absl::StrCat(Quoted(name), " ", text));
}

// Reads up to `size` bytes from `offset`; 0 at the end of the file, -1 on an
// error.
ssize_t ReadSome(int descriptor, std::uint8_t* out, std::size_t size,
                 std::int64_t offset) {
  while (true) {
    const ssize_t count = pread(descriptor, out, size, offset);
    if (count >= 0 || errno != EINTR) {
      return count;
    }
  }
}

}  // namespace

absl::StatusOr<OperatorFile> OperatorFile::Open(const std::string& path) {
  std::string name = FolderName(path);
  // Non-blocking: a pipe in its place must not hang the start.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return Invalid(name, OpenErrorText(errno));
  }
  OperatorFile file(descriptor, 0, std::move(name));
  struct stat facts {};
  if (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return Invalid(file.name_, "is no regular file");
  }
  file.size_ = facts.st_size;
  return file;
}

OperatorFile::OperatorFile(OperatorFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      name_(std::move(other.name_)) {}

OperatorFile::~OperatorFile() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

absl::Status OperatorFile::Read(
    const std::function<absl::Status(absl::Span<const std::uint8_t>)>& take)
    const {
  std::vector<std::uint8_t> piece(kPieceBytes);
  std::int64_t done = 0;
  while (done < size_) {
    const auto wanted = std::min<std::int64_t>(kPieceBytes, size_ - done);
    const ssize_t count = ReadSome(descriptor_, piece.data(),
                                   static_cast<std::size_t>(wanted), done);
    if (count < 0) {
      return Invalid(name_, "cannot be read: the disk failed");
    }
    if (count == 0) {
      return Invalid(name_, "changed while it was read; try again");
    }
    RETURN_IF_ERROR(take(
        absl::MakeConstSpan(piece).first(static_cast<std::size_t>(count))));
    done += count;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> OperatorFile::Digest(
    const std::function<bool()>& go_on) const {
  Sha256 sha256;
  RETURN_IF_ERROR(Read([&](absl::Span<const std::uint8_t> bytes) {
    sha256.Update(bytes);
    return go_on() ? absl::OkStatus()
                   : absl::CancelledError("nobody waits for it");
  }));
  return sha256.Finish();
}

}  // namespace resnetd
