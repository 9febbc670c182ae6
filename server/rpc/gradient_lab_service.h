#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>

#include "resnetd/v1/gradient_lab_service.grpc.pb.h"
#include "server/finetune/version_prober.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"

namespace resnetd {

// The generated service with a method that takes the bytes of its messages
// itself, so that a call can be refused before they are parsed.
namespace raw {

using GradientLabService =
    v1::GradientLabService::WithRawCallbackMethod_ProbeGradients<
        v1::GradientLabService::Service>;

}  // namespace raw

// resnetd.v1.GradientLabService over a VersionProber. No call waits in gRPC's
// threads. Thread-safe.
class GradientLabService final : public raw::GradientLabService {
 public:
  // Everything belongs to the caller and outlives the service. Null `lab`: the
  // server does not train, see NoTraining(). `max_calls`: that may be in
  // flight.
  GradientLabService(CallEnvironment& environment, VersionProber* lab,
                     std::size_t max_calls);

  grpc::ServerReadReactor<grpc::ByteBuffer>* ProbeGradients(
      grpc::CallbackServerContext* context,
      grpc::ByteBuffer* response) override;

 private:
  CallEnvironment& environment_;
  VersionProber* const lab_;
  // Each call has at most one task in it: it is never full.
  CallLane probes_;
};

}  // namespace resnetd
