#include "server/rpc/upload_call.h"

#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert_dataset.h"
#include "server/rpc/job_reads.h"

namespace resnetd {
UploadCall::UploadCall(CallEnvironment& environment,
                       grpc::CallbackServerContext& context,
                       DatasetManager* manager, CallLane& lane)
    : record_(environment, "UploadExamples", context),
      manager_(manager),
      lane_(lane) {}

void UploadCall::Start() {
  record_.set_amount("examples", 0);
  if (const absl::Status status = record_.Enter(0, Availability::kWhenServing);
      !status.ok()) {
    End(status);
    return;
  }
  StartRead(&received_);
}

void UploadCall::OnReadDone(bool ok) {
  has_more_ = ok;
  // Decoding and disk are for the lane.
  if (const absl::Status status = lane_.Submit([this] { Take(); });
      !status.ok()) {
    End(status);
  }
}

void UploadCall::OnWriteDone(bool ok) {
  sent_.Clear();
  if (!ok) {
    record_.Cancel();
  }
  StartRead(&received_);
}

void UploadCall::Take() {
  if (record_.cancelled()->load()) {
    End(record_.Gone());
    return;
  }
  if (!has_more_) {
    End(header_ ? absl::OkStatus()
                : BadPart("header", "the stream ended without a header"));
    return;
  }
  // A long upload must not hold up a shutdown: it goes on elsewhere or later.
  if (const ServingState state = record_.environment().gate.state();
      state != ServingState::kServing) {
    End(NotServing(state));
    return;
  }
  const absl::StatusOr<v1::UploadExamplesResponse> answer = TakeMessage();
  if (!answer.ok()) {
    End(answer.status());
    return;
  }
  Answer(*answer);
}

absl::StatusOr<v1::UploadExamplesResponse> UploadCall::TakeMessage() {
  if (const std::size_t bytes = received_.Length(); bytes > charged_) {
    RETURN_IF_ERROR(record_.ticket().Charge(bytes - charged_));
    charged_ = bytes;
  }
  v1::UploadExamplesRequest message;
  RETURN_IF_ERROR(ParseMessage(received_, message));
  switch (message.part_case()) {
    case v1::UploadExamplesRequest::kHeader:
      return TakeHeader(message.header());
    case v1::UploadExamplesRequest::kBatch:
      return TakeBatch(*message.mutable_batch());
    case v1::UploadExamplesRequest::PART_NOT_SET:
      break;
  }
  return BadPart("part", "a message has neither header nor batch");
}

absl::StatusOr<v1::UploadExamplesResponse> UploadCall::TakeHeader(
    const v1::UploadExamplesHeader& header) {
  if (header_) {
    return BadPart("header",
                   "a second header; the first message alone has one");
  }
  ASSIGN_OR_RETURN(UploadHeader domain, ToUploadHeader(header));
  if (manager_ == nullptr) {
    return NoTraining();
  }
  ASSIGN_OR_RETURN(const std::int64_t next_index,
                   manager_->UploadIndex(domain.dataset, domain.upload));
  header_ = std::move(domain);
  v1::UploadExamplesResponse answer;
  answer.set_next_index(next_index);
  return answer;
}

absl::StatusOr<v1::UploadExamplesResponse> UploadCall::TakeBatch(
    v1::UploadBatch& batch) {
  if (!header_) {
    return BadPart("header", "a batch before the header");
  }
  ASSIGN_OR_RETURN(const std::vector<UploadedExample> examples,
                   ToUploadedExamples(batch, record_.environment().limits));
  ASSIGN_OR_RETURN(const UploadProgress progress,
                   manager_->Add(header_->dataset, header_->upload,
                                 batch.first_index(), examples));
  examples_ += examples.size();
  record_.set_amount("examples", examples_);
  return ToProto(progress);
}

void UploadCall::Answer(const v1::UploadExamplesResponse& answer) {
  if (const absl::Status status = SerializeMessage(
          answer, record_.environment().max_response_bytes, sent_);
      !status.ok()) {
    End(status);
    return;
  }
  record_.AnnounceRequestId();
  StartWrite(&sent_);
}

}  // namespace resnetd
