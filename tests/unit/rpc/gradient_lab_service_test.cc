#include "server/rpc/gradient_lab_service.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "tests/unit/rpc/gradient_probe.h"

namespace resnetd {
namespace {

using GradientLabServiceTest = LabRpcTest;

TEST_F(GradientLabServiceTest, ReadsAndRefusesWhileAProbeRuns) {
  lab_.probes().Hold();
  std::thread first([&] { EXPECT_TRUE(Probe({"a"}).ok()); });
  lab_.probes().AwaitBegun(1);
  GradientProbeCall other(*labs_);
  other.Header("nonsense");
  EXPECT_EQ(ReasonOf(other.Finish()), "REQUEST_INVALID");
  lab_.probes().Release();
  first.join();
}

TEST_F(GradientLabServiceTest, IsRefusedWhileTheServerStarts) {
  server_->SetReady(false);
  const grpc::Status status = Probe({"a"});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "STARTING");
}

class WithoutLabTest : public RpcTest {};

TEST_F(WithoutLabTest, AServerThatDoesNotTrainSaysSo) {
  ListenReady();
  const auto labs = v1::GradientLabService::NewStub(channel_);
  GradientProbeCall call(*labs);
  call.Header();
  const grpc::Status status = call.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "BACKEND_UNAVAILABLE");
}

}  // namespace
}  // namespace resnetd
