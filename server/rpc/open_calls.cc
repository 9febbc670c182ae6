#include "server/rpc/open_calls.h"

#include <atomic>
#include <utility>
#include <vector>

#include "server/rpc/method_roles.h"

namespace resnetd {

OpenCalls::Call::Call(Proof proof, absl::string_view method,
                      CancelFlag cancelled)
    : proof_(std::move(proof)),
      method_(method),
      cancelled_(std::move(cancelled)) {}

std::optional<absl::Status> OpenCalls::Call::revoked() const {
  const MutexLock lock(mutex_);
  return revoked_;
}

bool OpenCalls::Call::Ask(const AccessControl& access, WallTime now) {
  const absl::StatusOr<Principal> principal = access.IdentifyProof(proof_, now);
  const absl::Status status =
      principal.ok() ? CheckRole(*principal, method_, RoleOfMethod(method_))
                     : principal.status();
  if (status.ok()) {
    return false;
  }
  {
    const MutexLock lock(mutex_);
    if (revoked_) {
      return false;
    }
    revoked_ = status;
  }
  // After the reason: who sees the flag finds it.
  cancelled_->store(true);
  return true;
}

std::shared_ptr<OpenCalls::Call> OpenCalls::Add(Proof proof,
                                                absl::string_view method,
                                                CancelFlag cancelled) {
  auto call =
      std::make_shared<Call>(std::move(proof), method, std::move(cancelled));
  const MutexLock lock(mutex_);
  calls_.insert(call);
  return call;
}

void OpenCalls::Remove(const std::shared_ptr<Call>& call) {
  const MutexLock lock(mutex_);
  calls_.erase(call);
}

std::size_t OpenCalls::Recheck(const AccessControl& access, WallTime now) {
  std::vector<std::shared_ptr<Call>> calls;
  {
    const MutexLock lock(mutex_);
    calls.assign(calls_.begin(), calls_.end());
  }
  std::size_t ended = 0;
  for (const std::shared_ptr<Call>& call : calls) {
    ended += call->Ask(access, now) ? 1 : 0;
  }
  return ended;
}

std::size_t OpenCalls::size() const {
  const MutexLock lock(mutex_);
  return calls_.size();
}

}  // namespace resnetd
