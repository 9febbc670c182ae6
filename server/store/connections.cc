#include "server/store/connections.h"

#include <utility>

#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/store/audit.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

// The log is copied into the file beyond 4 MiB: seldom enough to cost nothing,
// often enough that an opening after a crash reads little.
constexpr int kLogPages = 1000;

}  // namespace

Connections::Connections(const DatabaseOptions& options, const Clock& clock,
                         std::unique_ptr<Database> writer,
                         std::unique_ptr<Database> reader)
    : options_(options),
      clock_(clock),
      writer_(std::move(writer)),
      reader_(std::move(reader)) {}

Connections::~Connections() {
  // What the database could not make durable is left to the next opening.
  MutexLock lock(write_mutex_);
  if (failed_) {
    writer_->MarkFailed();
  }
}

WallTime Connections::Now() const {
  return FromMicroseconds(ToMicroseconds(clock_.WallNow()));
}

absl::Status Connections::CheckWritable() const {
  if (failed_) {
    return Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed,
                 "the disk of the store failed: no change is taken until the "
                 "server was started again");
  }
  return absl::OkStatus();
}

absl::StatusOr<Connections::Change> Connections::Begin() {
  failed_ = failed_ || writer_->failed();
  RETURN_IF_ERROR(CheckWritable());
  absl::StatusOr<Transaction> transaction = Transaction::Begin(*writer_);
  if (!transaction.ok()) {
    failed_ = failed_ || writer_->failed();
    return transaction.status();
  }
  ASSIGN_OR_RETURN(Head head, ReadHead(*writer_));
  return Change{*std::move(transaction), *writer_, std::move(head), Now()};
}

absl::Status Connections::Finish(Change& change) {
  absl::Status committed = change.transaction.Commit();
  if (committed.ok()) {
    writer_->CheckpointBeyond(kLogPages);
  }
  failed_ = failed_ || writer_->failed();
  return committed;
}

absl::Status Connections::Record(Change& change, const Mutation& mutation,
                                 const Outcome& outcome,
                                 const std::string& audit) {
  RETURN_IF_ERROR(RememberRequest(*writer_, mutation, outcome, change.now));
  RETURN_IF_ERROR(AppendAudit(*writer_,
                              {.time = change.now,
                               .actor = mutation.actor,
                               .method = mutation.method,
                               .resource = outcome.resource,
                               .request_id = mutation.request_id,
                               .outcome = audit},
                              change.head));
  RETURN_IF_ERROR(WriteHead(*writer_, change.head));
  return Finish(change);
}

absl::Status Connections::RecordNothing(Change& change,
                                        const Mutation& mutation,
                                        const Outcome& outcome) {
  if (mutation.request_id.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(RememberRequest(*writer_, mutation, outcome, change.now));
  return Finish(change);
}

}  // namespace resnetd
