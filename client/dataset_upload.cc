// The call of Client that fills a dataset.
#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/calls.h"
#include "client/convert.h"
#include "server/base/status_macros.h"
#include "server/base/utf8.h"

namespace resnetd::client {
namespace {

// Of one message: as many examples as a server takes, unless told otherwise.
constexpr std::size_t kMaxBatch = 256;
// An answer is waited for after each batch: large enough that this does not
// matter, small enough that the progress moves.
constexpr std::size_t kBatchBytes = std::size_t{8} << 20U;
constexpr std::size_t kMaxNameBytes = 512;

// The end of `text`, which tells more of a path than its beginning.
std::string EndOf(absl::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    text.remove_prefix(text.size() - max_bytes);
  }
  // Not in the middle of a character; what is no UTF-8 cannot travel.
  std::string kept;
  while (!text.empty()) {
    const std::size_t length = Utf8CharLength(text);
    if (length > 0) {
      absl::StrAppend(&kept, text.substr(0, length));
    } else if (!kept.empty()) {
      kept += '?';
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return kept;
}

// Whether the same upload may get further on another stream.
bool IsBroken(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return status.code() != absl::StatusCode::kResourceExhausted ||
             ErrorInfoOf(status).retry_after.has_value();
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
      return ErrorInfoOf(status).reason.empty();
    default:
      return false;
  }
}

}  // namespace

// One upload over as many streams as it takes.
class Client::Upload {
 public:
  Upload(const Calls& calls, const UploadRequest& request,
         ExampleSource& source, const UploadListener& listener)
      : calls_(calls), source_(source), listener_(listener) {
    header_.mutable_header()->set_dataset(DatasetResource(request.dataset));
    header_.mutable_header()->set_upload(request.upload);
  }

  absl::StatusOr<UploadSummary> Run() {
    while (true) {
      const std::int64_t before = summary_.next_index;
      const absl::Status status = calls_.connection.Call(
          {.timeout = calls_.long_timeout,
           .repeats = MayRepeat("UploadExamples", false)},
          [this](grpc::ClientContext& context) { return Stream(context); });
      RETURN_IF_ERROR(own_error_);
      if (status.ok()) {
        return summary_;
      }
      if (!IsBroken(status) || summary_.next_index == before) {
        return status;
      }
    }
  }

 private:
  using Wire = grpc::ClientReaderWriter<v1::UploadExamplesRequest,
                                        v1::UploadExamplesResponse>;

  // One stream until its end.
  grpc::Status Stream(grpc::ClientContext& context) {
    const std::unique_ptr<Wire> wire =
        calls_.datasets->UploadExamples(&context);
    if (const absl::StatusOr<bool> done = Converse(*wire); !done.ok()) {
      own_error_ = done.status();
      context.TryCancel();
      wire->Finish();
      // A code that is never repeated.
      return {grpc::StatusCode::ABORTED, ""};
    }
    return wire->Finish();
  }

  // False: the stream broke, and Finish() says why.
  absl::StatusOr<bool> Converse(Wire& wire) {
    v1::UploadExamplesResponse answer;
    if (!wire.Write(header_) || !wire.Read(&answer)) {
      return false;
    }
    RETURN_IF_ERROR(GoOnAt(answer.next_index()));
    while (true) {
      RETURN_IF_ERROR(FillBatch());
      if (pending_.empty()) {
        return wire.WritesDone();
      }
      v1::UploadExamplesRequest message = TakeBatch();
      if (!wire.Write(message) || !wire.Read(&answer)) {
        PutBack(std::move(message));
        return false;
      }
      RETURN_IF_ERROR(TakeAnswer(message.batch(), answer));
    }
  }

  // The server says where it is.
  absl::Status GoOnAt(std::int64_t next_index) {
    if (!begun_) {
      begun_ = true;
      RETURN_IF_ERROR(source_.Skip(next_index));
      summary_.resumed_at = next_index;
    } else if (next_index < summary_.next_index) {
      return ClientError(
          absl::StatusCode::kAborted, kReasonOtherStore,
          absl::StrCat("the server came back with another store: it is at "
                       "example ",
                       next_index, " of the upload and acknowledged ",
                       summary_.next_index, " before"));
    }
    // What was added without an answer.
    for (; summary_.next_index < next_index && !pending_.empty();
         ++summary_.next_index) {
      ++summary_.unanswered;
      pending_bytes_ -= pending_.front().image().size();
      pending_.pop_front();
    }
    summary_.next_index = next_index;
    Tell();
    return absl::OkStatus();
  }

  absl::Status FillBatch() {
    while (!at_end_ && pending_.size() < kMaxBatch &&
           pending_bytes_ < kBatchBytes) {
      ASSIGN_OR_RETURN(std::optional<LocalExample> example, source_.Next());
      if (!example) {
        at_end_ = true;
        break;
      }
      v1::UploadExample message;
      message.set_name(EndOf(example->name, kMaxNameBytes));
      message.set_label(std::move(example->label));
      message.set_split(ToProto(example->split));
      if (example->image.size() > kMaxSentBytes) {
        example->image.resize(kMaxSentBytes);
      }
      message.set_image(std::move(example->image));
      pending_bytes_ += message.image().size();
      pending_.push_back(std::move(message));
    }
    return absl::OkStatus();
  }

  // As much of what is pending as fits into one message.
  v1::UploadExamplesRequest TakeBatch() {
    v1::UploadExamplesRequest message;
    v1::UploadBatch& batch = *message.mutable_batch();
    batch.set_first_index(summary_.next_index);
    std::size_t bytes = 0;
    while (!pending_.empty()) {
      const std::size_t next = pending_.front().image().size();
      if (batch.examples_size() > 0 && bytes + next > kBatchBytes) {
        break;
      }
      bytes += next;
      pending_bytes_ -= next;
      *batch.add_examples() = std::move(pending_.front());
      pending_.pop_front();
    }
    return message;
  }

  void PutBack(v1::UploadExamplesRequest message) {
    v1::UploadBatch& batch = *message.mutable_batch();
    for (int i = batch.examples_size() - 1; i >= 0; --i) {
      pending_bytes_ += batch.examples(i).image().size();
      pending_.push_front(std::move(*batch.mutable_examples(i)));
    }
  }

  absl::Status TakeAnswer(const v1::UploadBatch& batch,
                          const v1::UploadExamplesResponse& answer) {
    const std::int64_t after = batch.first_index() + batch.examples_size();
    if (answer.next_index() != after) {
      return ClientError(
          absl::StatusCode::kInternal, kReasonBadAnswer,
          absl::StrCat("the server is at example ", answer.next_index(),
                       " after ", after, " were sent"));
    }
    for (const v1::UploadExample& example : batch.examples()) {
      summary_.bytes += static_cast<std::int64_t>(example.image().size());
    }
    summary_.next_index = after;
    summary_.accepted += answer.accepted();
    summary_.duplicates += answer.duplicates();
    summary_.rejected += answer.rejected_size();
    for (const v1::UploadRejection& rejection : answer.rejected()) {
      TellRejected(batch, rejection);
    }
    Tell();
    return absl::OkStatus();
  }

  void TellRejected(const v1::UploadBatch& batch,
                    const v1::UploadRejection& rejection) const {
    const std::int64_t at = rejection.index() - batch.first_index();
    if (!listener_.on_rejected) {
      return;
    }
    listener_.on_rejected(
        {.index = rejection.index(),
         .name = at >= 0 && at < batch.examples_size()
                     ? batch.examples(static_cast<int>(at)).name()
                     : "",
         .code = rejection.code(),
         .message = rejection.message()});
  }

  void Tell() const {
    if (listener_.on_progress) {
      listener_.on_progress(summary_);
    }
  }

  const Calls& calls_;
  ExampleSource& source_;
  const UploadListener& listener_;
  v1::UploadExamplesRequest header_;
  bool begun_ = false;
  bool at_end_ = false;
  // Read from the source, from summary_.next_index on, and not answered.
  std::deque<v1::UploadExample> pending_;
  std::size_t pending_bytes_ = 0;
  UploadSummary summary_;
  absl::Status own_error_;
};

absl::StatusOr<UploadSummary> Client::UploadExamples(
    const UploadRequest& request, ExampleSource& source,
    const UploadListener& listener) {
  return Upload(*calls_, request, source, listener).Run();
}

}  // namespace resnetd::client
