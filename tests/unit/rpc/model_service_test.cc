#include "server/rpc/model_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Key;
using testing::UnorderedElementsAre;

class ModelServiceTest : public RpcTest {
 protected:
  void SetUp() override {
    for (const char* name : {"m3", "m1", "m2"}) {
      registry_.Serve(FakeVersion(FakeFacts(name, 3, 4)));
    }
    Listen();  // Not ready: models can be looked at all the same.
  }

  grpc::Status List(const v1::ListModelsRequest& request,
                    v1::ListModelsResponse& response) {
    grpc::ClientContext context;
    return models_->ListModels(&context, request, &response);
  }
  grpc::Status Get(const std::string& name, v1::GetModelResponse& response) {
    grpc::ClientContext context;
    v1::GetModelRequest request;
    request.set_name(name);
    return models_->GetModel(&context, request, &response);
  }
  grpc::Status GetVersion(const std::string& name,
                          v1::GetVersionResponse& response) {
    grpc::ClientContext context;
    v1::GetVersionRequest request;
    request.set_name(name);
    return models_->GetVersion(&context, request, &response);
  }
  grpc::Status ListVersions(const v1::ListVersionsRequest& request,
                            v1::ListVersionsResponse& response) {
    grpc::ClientContext context;
    return models_->ListVersions(&context, request, &response);
  }
};

TEST_F(ModelServiceTest, ListsModelsByName) {
  v1::ListModelsResponse response;
  ASSERT_TRUE(List({}, response).ok());
  ASSERT_EQ(response.models_size(), 3);
  EXPECT_EQ(response.models(0).name(), "models/m1");
  EXPECT_EQ(response.models(1).name(), "models/m2");
  EXPECT_EQ(response.models(2).name(), "models/m3");
  // The first one added is the default.
  EXPECT_TRUE(response.models(2).is_default());
  EXPECT_FALSE(response.models(0).is_default());
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(ModelServiceTest, PagesVisitEachModelOnceAndLastPagesHaveNoToken) {
  for (const int page_size : {1, 2, 3}) {
    v1::ListModelsRequest request;
    request.set_page_size(page_size);
    std::vector<std::string> seen;
    int pages = 0;
    do {
      v1::ListModelsResponse response;
      ASSERT_TRUE(List(request, response).ok());
      EXPECT_LE(response.models_size(), page_size);
      for (const v1::Model& model : response.models()) {
        seen.push_back(model.name());
      }
      request.set_page_token(response.next_page_token());
      ++pages;
    } while (!request.page_token().empty());
    EXPECT_EQ(pages, (3 + page_size - 1) / page_size);
    EXPECT_THAT(seen, ElementsAre("models/m1", "models/m2", "models/m3"));
  }
}

TEST_F(ModelServiceTest, APageGoesOnWhereTheLastEndedWhenModelsWereAdded) {
  v1::ListModelsRequest request;
  request.set_page_size(1);
  v1::ListModelsResponse response;
  ASSERT_TRUE(List(request, response).ok());
  registry_.Serve(FakeVersion(FakeFacts("a0")));
  registry_.Serve(FakeVersion(FakeFacts("m1x")));
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(List(request, response).ok());
  EXPECT_EQ(response.models(0).name(), "models/m1x");
}

TEST_F(ModelServiceTest, RefusesBadPageSizesAndTokens) {
  v1::ListModelsResponse response;
  for (const int size : {-1, 1001}) {
    v1::ListModelsRequest request;
    request.set_page_size(size);
    const grpc::Status status = List(request, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("page_size")));
  }
  v1::ListModelsRequest request;
  request.set_page_token("guessed");
  const grpc::Status status = List(request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("page_token")));
}

TEST_F(ModelServiceTest, GetsOneModel) {
  v1::GetModelResponse response;
  ASSERT_TRUE(Get("models/m2", response).ok());
  EXPECT_EQ(response.model().name(), "models/m2");
  EXPECT_EQ(response.model().serving_version(), 4);
  EXPECT_FALSE(response.model().is_default());
  ASSERT_TRUE(Get("models/m3", response).ok());
  EXPECT_TRUE(response.model().is_default());
}

TEST_F(ModelServiceTest, RefusesNamesThatAreNoModelNames) {
  v1::GetModelResponse response;
  for (const char* name :
       {"", "m2", "models/", "models/M2", "models/m2/versions/4", "models/../x",
        "models/m2/"}) {
    const grpc::Status status = Get(name, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
    EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("name")));
  }
}

TEST_F(ModelServiceTest, DoesNotFindAModelThatIsNotThere) {
  v1::GetModelResponse response;
  const grpc::Status status = Get("models/nope", response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_EQ(MetadataOf(status)["available"], "m1,m2,m3");
  EXPECT_EQ(DetailOf<google::rpc::ResourceInfo>(status)->resource_name(),
            "models/nope");
}

TEST_F(ModelServiceTest, ListsTheVersionWithoutItsLabels) {
  v1::ListVersionsRequest request;
  request.set_parent("models/m1");
  v1::ListVersionsResponse response;
  ASSERT_TRUE(ListVersions(request, response).ok());
  ASSERT_EQ(response.versions_size(), 1);
  EXPECT_EQ(response.versions(0).name(), "models/m1/versions/4");
  EXPECT_EQ(response.versions(0).labels_size(), 0);
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(ModelServiceTest, RefusesBadListsOfVersions) {
  v1::ListVersionsResponse response;
  v1::ListVersionsRequest request;
  request.set_parent("m1");
  EXPECT_THAT(ViolationsOf(ListVersions(request, response)),
              UnorderedElementsAre(Key("parent")));
  request.set_parent("models/nope");
  EXPECT_EQ(ListVersions(request, response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  request.set_parent("models/m1");
  request.set_page_token("x");
  EXPECT_THAT(ViolationsOf(ListVersions(request, response)),
              UnorderedElementsAre(Key("page_token")));
  request.clear_page_token();
  request.set_page_size(1001);
  EXPECT_THAT(ViolationsOf(ListVersions(request, response)),
              UnorderedElementsAre(Key("page_size")));
}

TEST_F(ModelServiceTest, GetsAVersionWithItsLabels) {
  v1::GetVersionResponse response;
  ASSERT_TRUE(GetVersion("models/m1/versions/4", response).ok());
  EXPECT_EQ(response.version().labels_size(), 3);
}

TEST_F(ModelServiceTest, DoesNotFindAVersionThatIsNotThere) {
  v1::GetVersionResponse response;
  const grpc::Status status = GetVersion("models/m1/versions/5", response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "VERSION_NOT_FOUND");
  EXPECT_EQ(GetVersion("models/m1", response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(GetVersion("models/m1/versions/0", response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace resnetd
