#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace resnetd {

// A regular file that the operator named, open for reading. Links are followed:
// mounted configuration is made of them. Never mapped: a file that shrinks
// while it is mapped would end the process. Not thread-safe.
class OperatorFile {
 public:
  // INVALID_ARGUMENT (MODEL_INVALID) naming the last component of `path` and
  // why it cannot be read.
  static absl::StatusOr<OperatorFile> Open(const std::string& path);
  OperatorFile(OperatorFile&& other) noexcept;
  OperatorFile& operator=(OperatorFile&&) = delete;
  ~OperatorFile();

  std::int64_t size() const { return size_; }
  // The last component of its path.
  const std::string& name() const { return name_; }

  // Gives the whole file to `take`, in order, in pieces of at most 1 MiB; ends
  // with the first error that it returns. May be called again.
  // INVALID_ARGUMENT (MODEL_INVALID): the file cannot be read or is not as long
  // as it was.
  absl::Status Read(
      const std::function<absl::Status(absl::Span<const std::uint8_t>)>& take)
      const;

  // SHA-256 of the file, lower-case hex. The errors of Read(); CANCELLED:
  // `go_on`, which is asked between pieces, said no.
  absl::StatusOr<std::string> Digest(const std::function<bool()>& go_on) const;

 private:
  OperatorFile(int descriptor, std::int64_t size, std::string name)
      : descriptor_(descriptor), size_(size), name_(std::move(name)) {}

  int descriptor_;
  std::int64_t size_;
  std::string name_;
};

}  // namespace resnetd
