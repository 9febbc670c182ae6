// The call of Client that probes gradients.
#include <cstddef>
#include <memory>
#include <vector>

#include "client/calls.h"
#include "client/convert.h"
#include "client/probe_convert.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

// Of one message; a larger picture has one of its own.
constexpr std::size_t kBatchBytes = std::size_t{4} << 20U;

std::vector<v1::ProbeGradientsRequest> MessagesOf(const ProbeRequest& request) {
  std::vector<v1::ProbeGradientsRequest> messages(1);
  v1::ProbeHeader& header = *messages.front().mutable_header();
  header.set_version(ModelResource(request.version));
  *header.mutable_options() = ToProto(request.options);
  std::size_t bytes = kBatchBytes;
  for (const ProbeExample& example : request.examples) {
    if (bytes + example.image.size() > kBatchBytes) {
      messages.emplace_back();
      bytes = 0;
    }
    bytes += example.image.size();
    v1::ProbeExample& out = *messages.back().mutable_batch()->add_examples();
    out.set_label(example.label);
    out.set_image(example.image);
  }
  return messages;
}

}  // namespace

absl::StatusOr<ProbeReport> Client::ProbeGradients(
    const ProbeRequest& request) {
  const std::vector<v1::ProbeGradientsRequest> messages = MessagesOf(request);
  v1::ProbeGradientsResponse response;
  RETURN_IF_ERROR(calls_->connection.Call(
      {.timeout = calls_->long_timeout,
       .repeats = MayRepeat("ProbeGradients", false)},
      [&](grpc::ClientContext& context) {
        const auto wire = calls_->labs->ProbeGradients(&context, &response);
        for (const v1::ProbeGradientsRequest& message : messages) {
          // The server has ended the call: Finish() says why.
          if (!wire->Write(message)) {
            break;
          }
        }
        wire->WritesDone();
        return wire->Finish();
      }));
  return FromProto(response.report());
}

}  // namespace resnetd::client
