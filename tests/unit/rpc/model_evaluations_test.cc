#include "server/rpc/model_evaluations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/thread.h"
#include "tests/support/fake_evaluator.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::Key;
using testing::UnorderedElementsAre;
using Stub = v1::ModelService::Stub;

class ModelEvaluationsTest : public RpcTest {
 protected:
  ModelEvaluationsTest() { training_.evaluator = &evaluator_; }
  ~ModelEvaluationsTest() override {
    evaluator_.calls().Release();
    // Before the evaluator, which its calls use.
    server_.reset();
  }
  void SetUp() override { ListenReady(); }

  static v1::EvaluateModelRequest Evaluation() {
    v1::EvaluateModelRequest request;
    request.set_name("models/digits/versions/2");
    request.mutable_measurement()->set_dataset("datasets/photos");
    return request;
  }

  FakeEvaluator evaluator_;
};

TEST_F(ModelEvaluationsTest, Evaluates) {
  v1::EvaluateModelRequest request = Evaluation();
  request.mutable_measurement()->set_part(v1::DATASET_PART_TEST);
  v1::EvaluateModelResponse response;
  ASSERT_TRUE(Call(&Stub::EvaluateModel, request, &response).ok());
  EXPECT_EQ(evaluator_.last(), "evaluate digits/2 on photos test");
  EXPECT_EQ(response.report().version(), "models/digits/versions/2");
  EXPECT_EQ(response.report().dataset(), "datasets/photos");
  EXPECT_EQ(response.report().part(), v1::DATASET_PART_TEST);
  EXPECT_DOUBLE_EQ(response.report().accuracy(), 0.75);
}

TEST_F(ModelEvaluationsTest, Compares) {
  v1::CompareVersionsRequest request;
  request.set_champion("models/digits/versions/2");
  request.set_candidate("models/other/versions/3");
  request.mutable_measurement()->set_dataset("datasets/photos");
  v1::CompareVersionsResponse response;
  ASSERT_TRUE(Call(&Stub::CompareVersions, request, &response).ok());
  EXPECT_EQ(evaluator_.last(),
            "compare digits/2 and other/3 on photos validation");
  EXPECT_EQ(response.report().champion().version(), "models/digits/versions/2");
  EXPECT_EQ(response.report().candidate().version(), "models/other/versions/3");
  EXPECT_EQ(response.report().p_value(), 1);
}

TEST_F(ModelEvaluationsTest, Calibrates) {
  v1::CalibrateVersionRequest request;
  request.set_name("models/digits/versions/2");
  request.mutable_measurement()->set_dataset("datasets/photos");
  request.mutable_measurement()->set_part(v1::DATASET_PART_ALL);
  request.set_request_id("key");
  v1::CalibrateVersionResponse response;
  ASSERT_TRUE(Call(&Stub::CalibrateVersion, request, &response).ok());
  EXPECT_EQ(evaluator_.last(), "calibrate digits/2 on photos all");
  EXPECT_EQ(evaluator_.last_mutation().method, "CalibrateVersion");
  EXPECT_EQ(evaluator_.last_mutation().request_id, "key");
  EXPECT_EQ(response.version().version(), 3);
  EXPECT_TRUE(response.created());
  EXPECT_EQ(response.report().version(), "models/digits/versions/2");
  request.set_validate_only(true);
  ASSERT_TRUE(Call(&Stub::CalibrateVersion, request, &response).ok());
  EXPECT_EQ(evaluator_.last(), "try to calibrate digits/2 on photos all");
  EXPECT_FALSE(response.created());
}

TEST_F(ModelEvaluationsTest, Quantizes) {
  v1::QuantizeVersionRequest request;
  request.set_name("models/digits/versions/2");
  request.mutable_measurement()->set_dataset("datasets/photos");
  v1::QuantizeVersionResponse response;
  ASSERT_TRUE(Call(&Stub::QuantizeVersion, request, &response).ok());
  EXPECT_EQ(evaluator_.last(), "quantize digits/2 on photos validation");
  EXPECT_EQ(response.version().version(), 2);
  const v1::PrecisionReport& report = response.report();
  EXPECT_EQ(report.dataset(), "datasets/photos");
  EXPECT_EQ(report.dataset_digest(), std::string(64, 'd'));
  EXPECT_EQ(report.part(), v1::DATASET_PART_VALIDATION);
  EXPECT_EQ(report.policy(), "auto");
  EXPECT_EQ(report.chosen(), "fp32");
  EXPECT_EQ(report.fastest(), "fp32");
  EXPECT_EQ(report.calibration_method(), "largest");
  ASSERT_EQ(report.trials_size(), 2);
  EXPECT_EQ(report.trials(0).objection(), v1::PRECISION_OBJECTION_UNSPECIFIED);
  const v1::PrecisionTrial& int8 = report.trials(1);
  EXPECT_EQ(int8.precision(), "int8");
  EXPECT_EQ(int8.picture_time().nanos(), 1'000'000);
  EXPECT_EQ(int8.examples(), 64);
  EXPECT_EQ(int8.agreeing(), 60);
  EXPECT_EQ(int8.logit_error(), 0.25);
  EXPECT_EQ(int8.labelled(), 50);
  EXPECT_EQ(int8.correct(), 40);
  EXPECT_EQ(int8.memory_bytes(), 1000);
  EXPECT_EQ(int8.objection(), v1::PRECISION_OBJECTION_DISAGREES);
  EXPECT_EQ(int8.objection_text(), "agrees on too few");
  request.set_validate_only(true);
  ASSERT_TRUE(Call(&Stub::QuantizeVersion, request, &response).ok());
  EXPECT_EQ(evaluator_.last(), "try to quantize digits/2 on photos validation");
}

TEST_F(ModelEvaluationsTest, NamesEveryWrongField) {
  EXPECT_THAT(
      ViolationsOf(Call(&Stub::EvaluateModel, v1::EvaluateModelRequest())),
      UnorderedElementsAre(Key("name"), Key("measurement.dataset")));
  EXPECT_THAT(
      ViolationsOf(Call(&Stub::CompareVersions, v1::CompareVersionsRequest())),
      UnorderedElementsAre(Key("champion"), Key("candidate"),
                           Key("measurement.dataset")));
  v1::CalibrateVersionRequest calibrate;
  calibrate.set_name("models/digits");
  calibrate.set_request_id(std::string(129, 'x'));
  EXPECT_THAT(ViolationsOf(Call(&Stub::CalibrateVersion, calibrate)),
              UnorderedElementsAre(Key("name"), Key("measurement.dataset"),
                                   Key("request_id")));
  EXPECT_THAT(
      ViolationsOf(Call(&Stub::QuantizeVersion, v1::QuantizeVersionRequest())),
      UnorderedElementsAre(Key("name"), Key("measurement.dataset")));
  EXPECT_EQ(evaluator_.calls().begun(), 0);
}

TEST_F(ModelEvaluationsTest, PassesErrorsOn) {
  evaluator_.Fail(Error(absl::StatusCode::kResourceExhausted,
                        Reason::kQueueFull, "another one runs")
                      .RetryAfter(std::chrono::seconds(5)));
  const grpc::Status status = Call(&Stub::EvaluateModel, Evaluation());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
}

TEST_F(ModelEvaluationsTest, EndsWhenItsCallerGoesAway) {
  evaluator_.calls().Hold();
  grpc::ClientContext context;
  LimitTime(context);
  Thread caller("caller", [&] {
    v1::EvaluateModelResponse response;
    const grpc::Status status =
        models_->EvaluateModel(&context, Evaluation(), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  });
  evaluator_.calls().AwaitBegun(1);
  context.TryCancel();
  caller.Join();
  evaluator_.calls().AwaitEnded(1);
}

TEST_F(ModelEvaluationsTest, EndsWhenTheServerDrains) {
  evaluator_.calls().Hold();
  Thread caller("caller", [&] {
    const grpc::Status status = Call(&Stub::EvaluateModel, Evaluation());
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(ReasonOf(status), "DRAINING");
  });
  evaluator_.calls().AwaitBegun(1);
  // It would wait so long for a call that does not end by itself.
  server_->Drain(Duration::zero(), std::chrono::seconds(20));
  caller.Join();
}

TEST_F(ModelEvaluationsTest, NobodyElseWaitsForIt) {
  evaluator_.calls().Hold();
  Thread caller("caller", [&] {
    EXPECT_TRUE(Call(&Stub::EvaluateModel, Evaluation()).ok());
  });
  evaluator_.calls().AwaitBegun(1);
  manager_.Add("net", "one");
  v1::SetAliasRequest request;
  request.set_name("models/net/aliases/canary");
  request.set_version(1);
  EXPECT_TRUE(Call(&Stub::SetAlias, request).ok());
  v1::GetModelRequest get;
  get.set_name("models/net");
  EXPECT_TRUE(Call(&Stub::GetModel, get).ok());
  evaluator_.calls().Release();
  caller.Join();
}

TEST_F(RpcTest, AServerWithoutDatasetsDoesNotMeasure) {
  ListenReady();
  v1::EvaluateModelRequest request;
  request.set_name("models/digits/versions/2");
  request.mutable_measurement()->set_dataset("datasets/photos");
  const grpc::Status status = Call(&Stub::EvaluateModel, request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "BACKEND_UNAVAILABLE");
}

}  // namespace
}  // namespace resnetd
