#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace resnetd {

// An empty folder of its own under $TMPDIR (else /tmp), for this user alone,
// removed with all it holds at the end. Immutable.
class TemporaryFolder {
 public:
  // FAILED_PRECONDITION (STORE_UNUSABLE): none can be made there.
  static absl::StatusOr<std::unique_ptr<TemporaryFolder>> Make();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

}  // namespace resnetd
