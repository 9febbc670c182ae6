#include "server/rpc/dataset_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>

#include "tests/unit/rpc/example_upload.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using Stub = v1::DatasetService::Stub;
using grpc::health::v1::HealthCheckResponse;

class DatasetServiceTest : public RpcTest {
 protected:
  template <typename Request>
  static Request Named(const std::string& name = "datasets/pets") {
    Request request;
    request.set_name(name);
    return request;
  }
  static v1::ListExamplesRequest Examples() {
    v1::ListExamplesRequest request;
    request.set_parent("datasets/pets");
    return request;
  }
  static v1::ListRejectedExamplesRequest Rejected() {
    v1::ListRejectedExamplesRequest request;
    request.set_parent("datasets/pets");
    return request;
  }
  static v1::CreateDatasetRequest Create() {
    auto request = Named<v1::CreateDatasetRequest>();
    request.add_labels("cat");
    return request;
  }
};

TEST_F(DatasetServiceTest, ADatasetLivesFromItsCreationToItsEnd) {
  ListenReady();
  ASSERT_TRUE(Call(&Stub::CreateDataset, Create()).ok());
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  ASSERT_TRUE(upload.Batch(BatchOf(0, {"a", "bad"})));
  ASSERT_TRUE(upload.Finish().ok());
  v1::ListExamplesResponse examples;
  ASSERT_TRUE(Call(&Stub::ListExamples, Examples(), &examples).ok());
  EXPECT_EQ(examples.examples_size(), 1);
  v1::ListRejectedExamplesResponse rejected;
  ASSERT_TRUE(Call(&Stub::ListRejectedExamples, Rejected(), &rejected).ok());
  EXPECT_EQ(rejected.examples_size(), 1);
  v1::SealDatasetResponse sealed;
  ASSERT_TRUE(
      Call(&Stub::SealDataset, Named<v1::SealDatasetRequest>(), &sealed).ok());
  EXPECT_EQ(sealed.dataset().state(), v1::DATASET_STATE_SEALED);
  v1::GetDatasetResponse got;
  ASSERT_TRUE(
      Call(&Stub::GetDataset, Named<v1::GetDatasetRequest>(), &got).ok());
  EXPECT_EQ(got.dataset().digest(), sealed.dataset().digest());
  v1::ListDatasetsResponse list;
  ASSERT_TRUE(Call(&Stub::ListDatasets, v1::ListDatasetsRequest(), &list).ok());
  EXPECT_EQ(list.datasets_size(), 1);
  ASSERT_TRUE(
      Call(&Stub::DeleteDataset, Named<v1::DeleteDatasetRequest>()).ok());
  EXPECT_EQ(
      Call(&Stub::GetDataset, Named<v1::GetDatasetRequest>()).error_code(),
      grpc::StatusCode::NOT_FOUND);
}

TEST_F(DatasetServiceTest, ReadsAnswerWhileItStartsAndChangesDoNot) {
  datasets_.Make("pets");
  Listen();
  EXPECT_TRUE(Call(&Stub::GetDataset, Named<v1::GetDatasetRequest>()).ok());
  EXPECT_TRUE(Call(&Stub::ListDatasets, v1::ListDatasetsRequest()).ok());
  EXPECT_TRUE(Call(&Stub::ListExamples, Examples()).ok());
  EXPECT_TRUE(Call(&Stub::ListRejectedExamples, Rejected()).ok());
  EXPECT_EQ(ReasonOf(Call(&Stub::CreateDataset, Create())), "STARTING");
  EXPECT_EQ(ReasonOf(Call(&Stub::SealDataset, Named<v1::SealDatasetRequest>())),
            "STARTING");
  EXPECT_EQ(
      ReasonOf(Call(&Stub::DeleteDataset, Named<v1::DeleteDatasetRequest>())),
      "STARTING");
}

TEST_F(DatasetServiceTest, HasAHealthOfItsOwn) {
  Listen();
  EXPECT_EQ(Health("resnetd.v1.DatasetService"),
            HealthCheckResponse::NOT_SERVING);
  server_->SetReady(true);
  EXPECT_EQ(Health("resnetd.v1.DatasetService"), HealthCheckResponse::SERVING);
  server_->SetReady(false);
  EXPECT_EQ(Health("resnetd.v1.DatasetService"),
            HealthCheckResponse::NOT_SERVING);
}

TEST_F(DatasetServiceTest, NothingElseWaitsForUploadsThatAreStuck) {
  datasets_.Make("pets");
  ListenReady();
  datasets_.Hold("UploadIndex");
  ExampleUpload first(*dataset_calls_);
  ExampleUpload second(*dataset_calls_);
  ExampleUpload third(*dataset_calls_);
  first.SendHeader();
  second.SendHeader();
  third.SendHeader();
  datasets_.AwaitCalls("UploadIndex", 2);
  EXPECT_TRUE(Call(&Stub::GetDataset, Named<v1::GetDatasetRequest>()).ok());
  EXPECT_TRUE(Call(&Stub::SealDataset, Named<v1::SealDatasetRequest>()).ok());
  EXPECT_TRUE(
      Call(&v1::ModelService::Stub::ListModels, v1::ListModelsRequest()).ok());
  datasets_.ReleaseAll();
  EXPECT_TRUE(first.Read());
  EXPECT_TRUE(second.Read());
  EXPECT_TRUE(third.Read());
}

TEST_F(DatasetServiceTest, WithoutAManagerItSaysThatTheServerDoesNotTrain) {
  auto server = GrpcServer::Start(LoopbackOptions(), classifier_, registry_,
                                  manager_, telemetry_, Facts(), RealClock());
  ASSERT_TRUE(server.ok());
  server_ = *std::move(server);
  dataset_calls_ = v1::DatasetService::NewStub(NewChannel());
  const grpc::Status status =
      Call(&Stub::ListDatasets, v1::ListDatasetsRequest());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "BACKEND_UNAVAILABLE");
  health_ = grpc::health::v1::Health::NewStub(NewChannel());
  EXPECT_EQ(Health("resnetd.v1.DatasetService"),
            HealthCheckResponse::SERVICE_UNKNOWN);
}

}  // namespace
}  // namespace resnetd
