#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "resnetd/v1/gradient_lab_service.grpc.pb.h"
#include "tests/support/fake_version_prober.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {

// One call of ProbeGradients, message by message.
class GradientProbeCall {
 public:
  explicit GradientProbeCall(
      v1::GradientLabService::Stub& stub,
      std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    context_.set_deadline(std::chrono::system_clock::now() + deadline);
    stream_ = stub.ProbeGradients(&context_, &response_);
  }

  // Each sends without waiting; false: the call has ended.
  bool Header(const std::string& version = "models/fake/versions/2",
              const v1::ProbeOptions& options = {}) {
    v1::ProbeGradientsRequest message;
    message.mutable_header()->set_version(version);
    *message.mutable_header()->mutable_options() = options;
    return stream_->Write(message);
  }
  bool Batch(const std::vector<std::string>& images) {
    v1::ProbeGradientsRequest message;
    message.mutable_batch();
    for (const std::string& image : images) {
      v1::ProbeExample& example = *message.mutable_batch()->add_examples();
      example.set_label("cat");
      example.set_image(image);
    }
    return stream_->Write(message);
  }
  bool SendNothing() { return stream_->Write({}); }

  grpc::Status Finish() {
    stream_->WritesDone();
    return stream_->Finish();
  }
  void Cancel() { context_.TryCancel(); }

  const v1::ProbeReport& report() const { return response_.report(); }

 private:
  grpc::ClientContext context_;
  v1::ProbeGradientsResponse response_;
  std::unique_ptr<grpc::ClientWriter<v1::ProbeGradientsRequest>> stream_;
};

class LabRpcTest : public RpcTest {
 protected:
  LabRpcTest() { training_.lab = &lab_; }
  ~LabRpcTest() override { lab_.probes().Release(); }

  void SetUp() override {
    ListenReady();
    labs_ = v1::GradientLabService::NewStub(channel_);
  }

  grpc::Status Probe(const std::vector<std::string>& images) {
    GradientProbeCall call(*labs_);
    call.Header();
    call.Batch(images);
    return call.Finish();
  }

  FakeVersionProber lab_{{.max_examples = 4, .max_bytes = 100}};
  std::unique_ptr<v1::GradientLabService::Stub> labs_;
};

}  // namespace resnetd
