#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/app/declared_models.h"
#include "server/app/operator_file.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {

// The weights of a declaration, and their SHA-256.
struct DeclaredFile {
  OperatorFile file;
  std::string digest;
};

// Reads the weights of declarations, whole, for their digests: on a thread of
// its own, so that versions of the store load meanwhile. At most kFilesAhead
// are open that nobody has taken. For one thread.
class DeclaredFiles {
 public:
  // `models` outlive this.
  explicit DeclaredFiles(absl::Span<const DeclaredModel> models);
  // Ends what is being read.
  ~DeclaredFiles();
  DeclaredFiles(const DeclaredFiles&) = delete;
  DeclaredFiles& operator=(const DeclaredFiles&) = delete;

  // The file of models[index], which names one; waits until it is read. The
  // errors of OperatorFile. Each once at most, in ascending order.
  absl::StatusOr<DeclaredFile> Take(std::size_t index)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether file `index` may be opened: waits, or is told to end.
  bool AwaitTurn(std::size_t index) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<DeclaredFile> Read(const std::string& path)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool is_stopped() const ABSL_LOCKS_EXCLUDED(mutex_);

  const absl::Span<const DeclaredModel> models_;

  mutable Mutex mutex_;
  CondVar changed_;
  // By declaration; absent: not read yet, or taken.
  std::vector<std::optional<absl::StatusOr<DeclaredFile>>> files_
      ABSL_GUARDED_BY(mutex_);
  // Declarations up to here are taken, or nobody will.
  std::size_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

inline constexpr std::size_t kFilesAhead = 8;

}  // namespace resnetd
