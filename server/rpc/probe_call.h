#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "resnetd/v1/gradient_lab_service.pb.h"
#include "server/finetune/version_prober.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"

namespace resnetd {

// One call of GradientLabService.ProbeGradients: holds the pictures, which the
// call is accounted for with, until all are there.
//
// Made with `new`, handed to gRPC, deletes itself when the call is done.
// Start() once. Not thread-safe: a read on its way or a task carries the call.
// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): ends itself.
class ProbeCall final : public grpc::ServerReadReactor<grpc::ByteBuffer> {
 public:
  // Context and response are gRPC's; everything else outlives the call. Null
  // `lab`: the server does not train.
  ProbeCall(CallEnvironment& environment, grpc::CallbackServerContext& context,
            grpc::ByteBuffer& response, VersionProber* lab, CallLane& lane);

  void Start();

  void OnReadDone(bool ok) override;
  void OnCancel() override { record_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  ~ProbeCall() override = default;

  // A message came in, or the client sends no more.
  void Take();
  absl::Status TakeMessage();
  absl::Status TakeHeader(const v1::ProbeHeader& header);
  absl::Status TakeBatch(v1::ProbeBatch& batch);
  absl::Status Probe();
  void End(const absl::Status& outcome) { Finish(record_.End(outcome)); }

  CallRecord record_;
  grpc::ByteBuffer& response_;
  VersionProber* const lab_;
  CallLane& lane_;
  // The message being read.
  grpc::ByteBuffer bytes_;
  bool has_more_ = true;
  // Set by the header.
  std::optional<ProbeTarget> target_;
  std::vector<ProbeExample> examples_;
  // Of all pictures so far.
  std::size_t image_bytes_ = 0;
};

}  // namespace resnetd
