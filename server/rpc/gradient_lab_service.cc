#include "server/rpc/gradient_lab_service.h"

#include "server/rpc/probe_call.h"

namespace resnetd {
namespace {

// One waits for the probe that runs, one reads and refuses the others.
constexpr std::size_t kProbeThreads = 2;

}  // namespace

GradientLabService::GradientLabService(CallEnvironment& environment,
                                       VersionProber* lab,
                                       std::size_t max_calls)
    : environment_(environment),
      lab_(lab),
      probes_("probe", kProbeThreads, max_calls) {}

grpc::ServerReadReactor<grpc::ByteBuffer>* GradientLabService::ProbeGradients(
    grpc::CallbackServerContext* context, grpc::ByteBuffer* response) {
  auto* call = new ProbeCall(environment_, *context, *response, lab_, probes_);
  call->Start();
  return call;
}

}  // namespace resnetd
