#include "server/rpc/probe_call.h"

#include <utility>

#include "server/base/status_macros.h"
#include "server/rpc/convert_probe.h"
#include "server/rpc/job_reads.h"

namespace resnetd {
ProbeCall::ProbeCall(CallEnvironment& environment,
                     grpc::CallbackServerContext& context,
                     grpc::ByteBuffer& response, VersionProber* lab,
                     CallLane& lane)
    : record_(environment, "ProbeGradients", context),
      response_(response),
      lab_(lab),
      lane_(lane) {}

void ProbeCall::Start() {
  record_.set_amount("examples", 0);
  if (const absl::Status status = record_.Enter(0, Availability::kWhenServing);
      !status.ok()) {
    End(status);
    return;
  }
  StartRead(&bytes_);
}

void ProbeCall::OnReadDone(bool ok) {
  has_more_ = ok;
  // Looking a version up waits for the disk, and a probe for minutes.
  if (const absl::Status status = lane_.Submit([this] { Take(); });
      !status.ok()) {
    End(status);
  }
}

void ProbeCall::Take() {
  if (record_.cancelled()->load()) {
    End(record_.Gone());
    return;
  }
  if (!has_more_) {
    End(target_ ? Probe()
                : BadPart("header", "the stream ended without a header"));
    return;
  }
  if (const absl::Status status = TakeMessage(); !status.ok()) {
    End(status);
    return;
  }
  StartRead(&bytes_);
}

absl::Status ProbeCall::TakeMessage() {
  RETURN_IF_ERROR(record_.ticket().Charge(bytes_.Length()));
  v1::ProbeGradientsRequest message;
  RETURN_IF_ERROR(ParseMessage(bytes_, message));
  switch (message.part_case()) {
    case v1::ProbeGradientsRequest::kHeader:
      return TakeHeader(message.header());
    case v1::ProbeGradientsRequest::kBatch:
      return TakeBatch(*message.mutable_batch());
    case v1::ProbeGradientsRequest::PART_NOT_SET:
      break;
  }
  return BadPart("part", "a message has neither header nor batch");
}

absl::Status ProbeCall::TakeHeader(const v1::ProbeHeader& header) {
  if (target_) {
    return BadPart("header",
                   "a second header; the first message alone has one");
  }
  ASSIGN_OR_RETURN(ProbeTarget target, ToProbeTarget(header));
  if (lab_ == nullptr) {
    return NoTraining();
  }
  RETURN_IF_ERROR(lab_->Check(target));
  target_ = std::move(target);
  return absl::OkStatus();
}

absl::Status ProbeCall::TakeBatch(v1::ProbeBatch& batch) {
  if (!target_) {
    return BadPart("header", "a batch before the header");
  }
  if (batch.examples().empty()) {
    return BadPart("batch.examples",
                   "an empty batch; one has at least 1 example");
  }
  for (const v1::ProbeExample& example : batch.examples()) {
    image_bytes_ += example.image().size();
  }
  // Before more of them are kept.
  RETURN_IF_ERROR(CheckProbeSize(
      lab_->limits(),
      examples_.size() + static_cast<std::size_t>(batch.examples_size()),
      image_bytes_));
  for (v1::ProbeExample& example : *batch.mutable_examples()) {
    examples_.push_back({.label = std::move(*example.mutable_label()),
                         .image = std::move(*example.mutable_image())});
  }
  record_.set_amount("examples", examples_.size());
  return absl::OkStatus();
}

absl::Status ProbeCall::Probe() {
  const CancelFlag& cancelled = record_.cancelled();
  const CallGate& gate = record_.environment().gate;
  const absl::StatusOr<Probed> probed =
      lab_->Probe(*target_, examples_, record_.ClientDeadline(), [&] {
        return !cancelled->load() && gate.state() != ServingState::kDraining;
      });
  if (absl::IsCancelled(probed.status())) {
    return cancelled->load() ? record_.Gone()
                             : NotServing(ServingState::kDraining);
  }
  RETURN_IF_ERROR(probed.status());
  v1::ProbeGradientsResponse message;
  *message.mutable_report() = ToProto(*probed, *target_);
  return SerializeMessage(message, record_.environment().max_response_bytes,
                          response_);
}

}  // namespace resnetd
