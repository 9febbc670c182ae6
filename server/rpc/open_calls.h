#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <unordered_set>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/rpc/access.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// The calls in flight of a server that asks for credentials, so that those end
// whose credentials were taken back. A call of its own never looks at the list
// of grants again. Thread-safe.
class OpenCalls {
 public:
  // What a call was let in with. Thread-safe.
  class Call {
   public:
    // `method` is a literal. The flag is set when the call may not go on.
    Call(Proof proof, absl::string_view method, CancelFlag cancelled);

    // Why the call may not go on: the errors of AccessList::IdentifyProof and
    // CheckRole. Nothing: it may.
    std::optional<absl::Status> revoked() const ABSL_LOCKS_EXCLUDED(mutex_);

   private:
    friend class OpenCalls;
    // True: it may not go on, and might until now.
    bool Ask(const AccessControl& access, WallTime now)
        ABSL_LOCKS_EXCLUDED(mutex_);

    const Proof proof_;
    const absl::string_view method_;
    const CancelFlag cancelled_;
    mutable Mutex mutex_;
    std::optional<absl::Status> revoked_ ABSL_GUARDED_BY(mutex_);
  };

  OpenCalls() = default;
  OpenCalls(const OpenCalls&) = delete;
  OpenCalls& operator=(const OpenCalls&) = delete;

  // Before the call is judged by the list in force: of a list that is replaced
  // meanwhile either the judge or Recheck() knows.
  std::shared_ptr<Call> Add(Proof proof, absl::string_view method,
                            CancelFlag cancelled) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const std::shared_ptr<Call>& call) ABSL_LOCKS_EXCLUDED(mutex_);

  // Judges every call anew, sets the flags of those that may not go on, and
  // returns how many there are. Looks at each grant once for each call, some
  // 0.1 us; calls that begin meanwhile do not wait for it.
  std::size_t Recheck(const AccessControl& access, WallTime now)
      ABSL_LOCKS_EXCLUDED(mutex_);

  std::size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable Mutex mutex_;
  std::unordered_set<std::shared_ptr<Call>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
