#include "server/rpc/probe_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/rpc/gradient_probe.h"

namespace resnetd {
namespace {

using testing::Key;
using testing::UnorderedElementsAre;

class ProbeCallTest : public LabRpcTest {
 protected:
  // After every kind of failure the next probe works.
  void ExpectStillWorks() {
    lab_.FailCheck(absl::OkStatus());
    lab_.FailProbe(absl::OkStatus());
    EXPECT_TRUE(Probe({"x"}).ok());
  }
};

TEST_F(ProbeCallTest, PassesOnWhatItIsToldAndAnswers) {
  v1::ProbeOptions options;
  options.set_batch_statistics(true);
  options.set_fd_check(true);
  options.set_split_parameters(true);
  options.set_path_passes(9);
  options.set_path_seed(-3);
  GradientProbeCall call(*labs_);
  ASSERT_TRUE(call.Header("models/fake/versions/7", options));
  ASSERT_TRUE(call.Batch({"a", "bb"}));
  ASSERT_TRUE(call.Batch({"ccc"}));
  const grpc::Status status = call.Finish();
  ASSERT_TRUE(status.ok()) << status.error_message();
  const ProbeTarget target = lab_.last();
  EXPECT_EQ(target.model.text(), "fake");
  EXPECT_EQ(target.version.value, 7);
  EXPECT_TRUE(target.settings.batch_statistics);
  EXPECT_TRUE(target.settings.check_differences);
  EXPECT_TRUE(target.settings.split_parameters);
  EXPECT_EQ(target.settings.path_passes, 9);
  EXPECT_EQ(target.settings.seed, -3);
  const std::vector<ProbeExample> examples = lab_.last_examples();
  ASSERT_EQ(examples.size(), 3U);
  EXPECT_EQ(examples[1].image, "bb");
  EXPECT_EQ(examples[2].label, "cat");
  EXPECT_EQ(call.report().version(), "models/fake/versions/7");
  EXPECT_EQ(call.report().examples(), 3);
}

TEST_F(ProbeCallTest, TheHeaderComesFirstAndOnce) {
  GradientProbeCall early(*labs_);
  early.Batch({"a"});
  EXPECT_THAT(ViolationsOf(early.Finish()),
              UnorderedElementsAre(Key("header")));
  GradientProbeCall twice(*labs_);
  twice.Header();
  twice.Header();
  EXPECT_THAT(ViolationsOf(twice.Finish()),
              UnorderedElementsAre(Key("header")));
  GradientProbeCall none(*labs_);
  const grpc::Status status = none.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("header")));
  GradientProbeCall nothing(*labs_);
  nothing.SendNothing();
  EXPECT_THAT(ViolationsOf(nothing.Finish()),
              UnorderedElementsAre(Key("part")));
  GradientProbeCall empty(*labs_);
  empty.Header();
  empty.Batch({});
  EXPECT_THAT(ViolationsOf(empty.Finish()),
              UnorderedElementsAre(Key("batch.examples")));
  ExpectStillWorks();
}

TEST_F(ProbeCallTest, AMalformedVersionIsNamed) {
  GradientProbeCall call(*labs_);
  call.Header("models/fake");
  const grpc::Status status = call.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_THAT(ViolationsOf(status),
              UnorderedElementsAre(Key("header.version")));
}

TEST_F(ProbeCallTest, EndsBeforeThePicturesWhereTheLabSaysNo) {
  lab_.FailCheck(Error(absl::StatusCode::kNotFound, Reason::kVersionNotFound,
                       "no such version"));
  GradientProbeCall call(*labs_);
  call.Header();
  // Without WritesDone(): the server does not wait for the rest.
  while (call.Batch({"a"})) {
  }
  EXPECT_EQ(ReasonOf(call.Finish()), "VERSION_NOT_FOUND");
  EXPECT_EQ(lab_.probes().begun(), 0);
  ExpectStillWorks();
}

TEST_F(ProbeCallTest, TakesSoManyExamplesInAllMessages) {
  for (const std::size_t count : {3U, 4U}) {
    EXPECT_TRUE(Probe(std::vector<std::string>(count, "a")).ok()) << count;
  }
  const grpc::Status one = Probe({"a", "a", "a", "a", "a"});
  EXPECT_EQ(one.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(one), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(one)["limit_name"], "probe-examples");
  EXPECT_EQ(MetadataOf(one)["limit"], "4");
  GradientProbeCall more(*labs_);
  more.Header();
  for (int i = 0; i < 5; ++i) {
    more.Batch({"a"});
  }
  EXPECT_EQ(ReasonOf(more.Finish()), "LIMIT_EXCEEDED");
  ExpectStillWorks();
}

TEST_F(ProbeCallTest, TakesSoManyBytesInAllMessages) {
  for (const std::size_t rest : {39U, 40U, 41U}) {
    GradientProbeCall call(*labs_);
    call.Header();
    call.Batch({std::string(60, 'x')});
    call.Batch({std::string(rest, 'x')});
    const grpc::Status status = call.Finish();
    EXPECT_EQ(status.ok(), rest <= 40) << rest;
    if (!status.ok()) {
      EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
      EXPECT_EQ(MetadataOf(status)["limit_name"], "probe-bytes");
      EXPECT_EQ(MetadataOf(status)["value"], "101");
    }
  }
}

TEST_F(ProbeCallTest, TellsTheLabWhenTheClientStopsWaiting) {
  const SteadyTime before = RealClock().Now();
  GradientProbeCall call(*labs_, std::chrono::minutes(5));
  call.Header();
  call.Batch({"a"});
  ASSERT_TRUE(call.Finish().ok());
  const Duration left = lab_.last_deadline() - before;
  EXPECT_GT(left, std::chrono::minutes(4));
  EXPECT_LT(left, std::chrono::minutes(6));
}

TEST_F(ProbeCallTest, ErrorsOfAProbeComeThrough) {
  lab_.FailProbe(Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                       "another probe runs")
                     .RetryAfter(std::chrono::seconds(5)));
  const grpc::Status status = Probe({"a"});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
  const auto retry = DetailOf<google::rpc::RetryInfo>(status);
  ASSERT_TRUE(retry.has_value());
  EXPECT_EQ(retry->retry_delay().seconds(), 5);
  ExpectStillWorks();
}

TEST_F(ProbeCallTest, AClientThatGoesAwayEndsItsProbe) {
  lab_.probes().Hold();
  GradientProbeCall call(*labs_);
  call.Header();
  call.Batch({"a"});
  std::thread waiting([&] {
    EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::CANCELLED);
  });
  lab_.probes().AwaitBegun(1);
  call.Cancel();
  lab_.probes().AwaitEnded(1);
  waiting.join();
  lab_.probes().Release();
  ExpectStillWorks();
}

TEST_F(ProbeCallTest, ADeadlineThatPassesEndsTheProbe) {
  lab_.probes().Hold();
  GradientProbeCall call(*labs_, std::chrono::milliseconds(200));
  call.Header();
  call.Batch({"a"});
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  lab_.probes().AwaitEnded(lab_.probes().begun());
  lab_.probes().Release();
  ExpectStillWorks();
}

TEST_F(ProbeCallTest, AServerThatDrainsEndsTheProbe) {
  lab_.probes().Hold();
  GradientProbeCall call(*labs_);
  call.Header();
  call.Batch({"a"});
  grpc::Status status;
  std::thread waiting([&] { status = call.Finish(); });
  lab_.probes().AwaitBegun(1);
  server_->Drain(Duration::zero(), std::chrono::seconds(20));
  waiting.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "DRAINING");
}

}  // namespace
}  // namespace resnetd
