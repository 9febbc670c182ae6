#include "server/rpc/model_reads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "server/rpc/page_token.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Key;
using testing::UnorderedElementsAre;

class ModelReadsTest : public RpcTest {
 protected:
  void SetUp() override {
    for (const char* name : {"m3", "m1", "m2"}) {
      manager_.Add(name, absl::StrCat("weights of ", name));
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

TEST_F(ModelReadsTest, ListsModelsByName) {
  v1::ListModelsResponse response;
  ASSERT_TRUE(List({}, response).ok());
  ASSERT_EQ(response.models_size(), 3);
  EXPECT_EQ(response.models(0).name(), "models/m1");
  EXPECT_EQ(response.models(1).name(), "models/m2");
  EXPECT_EQ(response.models(2).name(), "models/m3");
  EXPECT_TRUE(response.models(0).is_default());
  EXPECT_FALSE(response.models(2).is_default());
  EXPECT_EQ(response.next_page_token(), "");
  EXPECT_EQ(response.event_sequence(), 3);
}

TEST_F(ModelReadsTest, PagesVisitEachModelOnceAndLastPagesHaveNoToken) {
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

TEST_F(ModelReadsTest, APageGoesOnWhereTheLastEndedWhenModelsWereAdded) {
  v1::ListModelsRequest request;
  request.set_page_size(1);
  v1::ListModelsResponse response;
  ASSERT_TRUE(List(request, response).ok());
  manager_.Add("a0", "1");
  manager_.Add("m1x", "2");
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(List(request, response).ok());
  EXPECT_EQ(response.models(0).name(), "models/m1x");
}

TEST_F(ModelReadsTest, RefusesBadPageSizesAndTokens) {
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

TEST_F(ModelReadsTest, GetsOneModel) {
  v1::GetModelResponse response;
  ASSERT_TRUE(Get("models/m2", response).ok());
  EXPECT_EQ(response.model().name(), "models/m2");
  EXPECT_EQ(response.model().serving_version(), 1);
  EXPECT_EQ(response.model().residency(), v1::RESIDENCY_READY);
  ASSERT_EQ(response.model().aliases_size(), 1);
  EXPECT_EQ(response.model().aliases(0).name(), "models/m2/aliases/stable");
  EXPECT_FALSE(response.model().is_default());
  ASSERT_TRUE(Get("models/m1", response).ok());
  EXPECT_TRUE(response.model().is_default());
}

TEST_F(ModelReadsTest, RefusesNamesThatAreNoModelNames) {
  v1::GetModelResponse response;
  for (const char* name :
       {"", "m2", "models/", "models/M2", "models/m2/versions/1", "models/../x",
        "models/m2/"}) {
    const grpc::Status status = Get(name, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
    EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("name")));
  }
}

TEST_F(ModelReadsTest, DoesNotFindAModelThatIsNotThere) {
  v1::GetModelResponse response;
  const grpc::Status status = Get("models/nope", response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_EQ(DetailOf<google::rpc::ResourceInfo>(status)->resource_name(),
            "models/nope");
}

TEST_F(ModelReadsTest, ListsVersionsNewestFirstWithoutTheirLabels) {
  manager_.Add("m1", "second");
  v1::ListVersionsRequest request;
  request.set_parent("models/m1");
  v1::ListVersionsResponse response;
  ASSERT_TRUE(ListVersions(request, response).ok());
  ASSERT_EQ(response.versions_size(), 2);
  EXPECT_EQ(response.versions(0).name(), "models/m1/versions/2");
  EXPECT_EQ(response.versions(1).name(), "models/m1/versions/1");
  EXPECT_THAT(response.versions(1).aliases(), ElementsAre("stable"));
  EXPECT_EQ(response.versions(0).labels_size(), 0);
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(ModelReadsTest, PagesOfVersionsVisitEachOnce) {
  for (int i = 2; i <= 5; ++i) {
    manager_.Add("m1", absl::StrCat("weights ", i));
  }
  for (const int page_size : {1, 2, 4, 5, 6}) {
    v1::ListVersionsRequest request;
    request.set_parent("models/m1");
    request.set_page_size(page_size);
    std::vector<std::int64_t> seen;
    do {
      v1::ListVersionsResponse response;
      ASSERT_TRUE(ListVersions(request, response).ok());
      EXPECT_LE(response.versions_size(), page_size);
      for (const v1::Version& version : response.versions()) {
        seen.push_back(version.version());
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_THAT(seen, ElementsAre(5, 4, 3, 2, 1)) << page_size;
  }
}

TEST_F(ModelReadsTest, APageOfVersionsGoesOnWhenTheyComeAndGo) {
  for (int i = 2; i <= 4; ++i) {
    manager_.Add("m1", absl::StrCat("weights ", i));
  }
  v1::ListVersionsRequest request;
  request.set_parent("models/m1");
  request.set_page_size(2);
  v1::ListVersionsResponse response;
  ASSERT_TRUE(ListVersions(request, response).ok());
  EXPECT_EQ(response.versions(1).version(), 3);
  // The last one of the page and the next one go, a newer one comes.
  for (const char* name : {"models/m1/versions/3", "models/m1/versions/2"}) {
    v1::DeleteVersionRequest deletion;
    deletion.set_name(name);
    server_->SetReady(true);
    ASSERT_TRUE(Call(&v1::ModelService::Stub::DeleteVersion, deletion).ok());
  }
  manager_.Add("m1", "weights 5");
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(ListVersions(request, response).ok());
  ASSERT_EQ(response.versions_size(), 1);
  EXPECT_EQ(response.versions(0).version(), 1);
}

TEST_F(ModelReadsTest, ATokenOfAnotherListIsNone) {
  manager_.Add("m1", "second");
  v1::ListVersionsRequest request;
  request.set_parent("models/m1");
  request.set_page_size(1);
  v1::ListVersionsResponse response;
  ASSERT_TRUE(ListVersions(request, response).ok());
  request.set_page_token(response.next_page_token());
  request.set_parent("models/m2");
  EXPECT_THAT(ViolationsOf(ListVersions(request, response)),
              UnorderedElementsAre(Key("page_token")));
  request.set_parent("models/m1");
  for (const char* last : {"0", "-1", "x", "99999999999999999999"}) {
    request.set_page_token(MakePageToken("models/m1/versions", last));
    EXPECT_THAT(ViolationsOf(ListVersions(request, response)),
                UnorderedElementsAre(Key("page_token")));
  }
}

TEST_F(ModelReadsTest, PagesHaveUpToAThousandEntries) {
  for (const int size : {0, 1, 999, 1000}) {
    v1::ListModelsRequest request;
    request.set_page_size(size);
    v1::ListModelsResponse response;
    EXPECT_TRUE(List(request, response).ok()) << size;
  }
}

TEST_F(ModelReadsTest, ErrorsOfTheStoreArrive) {
  for (const char* method :
       {"LastEvent", "ListModels", "GetModel", "ListVersions", "GetVersion"}) {
    manager_.Fail(method, Error(absl::StatusCode::kDataLoss,
                                Reason::kStoreCorrupt, "damaged"));
  }
  v1::ListModelsResponse models;
  EXPECT_EQ(ReasonOf(List({}, models)), "STORE_CORRUPT");
  manager_.Fail("LastEvent", absl::OkStatus());
  EXPECT_EQ(ReasonOf(List({}, models)), "STORE_CORRUPT");
  v1::GetModelResponse model;
  EXPECT_EQ(ReasonOf(Get("models/m1", model)), "STORE_CORRUPT");
  v1::ListVersionsRequest request;
  request.set_parent("models/m1");
  v1::ListVersionsResponse versions;
  EXPECT_EQ(ReasonOf(ListVersions(request, versions)), "STORE_CORRUPT");
  v1::GetVersionResponse version;
  EXPECT_EQ(ReasonOf(GetVersion("models/m1/versions/1", version)),
            "STORE_CORRUPT");
}

TEST_F(ModelReadsTest, RefusesBadListsOfVersions) {
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

TEST_F(ModelReadsTest, GetsAVersionWithItsLabels) {
  v1::GetVersionResponse response;
  ASSERT_TRUE(GetVersion("models/m1/versions/1", response).ok());
  EXPECT_EQ(response.version().labels_size(), 10);
}

TEST_F(ModelReadsTest, DoesNotFindAVersionThatIsNotThere) {
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
