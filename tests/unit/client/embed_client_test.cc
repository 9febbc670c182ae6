#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/client.h"
#include "tests/unit/client/client_fixture.h"
#include "tests/unit/client/fake_server.h"

namespace resnetd::client {
namespace {

using testing::ElementsAre;

using EmbedClientTest = ClientFixture<>;

EmbedRequest ThreePictures() {
  EmbedRequest request;
  request.model = "models/digits";
  request.priority = Priority::kBatch;
  request.request_id = "mine";
  request.timing = true;
  request.fail_fast = true;
  for (const char* bytes : {"abc", "broken", "z"}) {
    request.images.emplace_back(EncodedImage{.bytes = bytes});
  }
  return request;
}

TEST_F(EmbedClientTest, SendsAndReadsEveryField) {
  fake_.hooks().embed = [](const v1::EmbedRequest& request,
                           v1::EmbedResponse& response) {
    test::FillAnswer(request, response);
    response.set_request_id("its-id");
    return grpc::Status::OK;
  };
  const auto answer = Connect().Embed(ThreePictures());
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->embeddings.size(), 3U);
  EXPECT_THAT(*answer->embeddings[0], ElementsAre(3, 0.5F, -2));
  EXPECT_EQ(answer->embeddings[1].status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(*answer->embeddings[2], ElementsAre(1, 0.5F, -2));
  EXPECT_EQ(answer->served_by.model, "models/digits");
  EXPECT_EQ(answer->timing->batch_size, 3);
  EXPECT_EQ(answer->request_id, "its-id");
  const v1::EmbedRequest sent = fake_.embed_requests().at(0);
  EXPECT_EQ(sent.model(), "models/digits");
  EXPECT_EQ(sent.priority(), v1::PRIORITY_BATCH);
  EXPECT_EQ(sent.request_id(), "mine");
  EXPECT_TRUE(sent.options().timing());
  EXPECT_TRUE(sent.fail_fast());
}

TEST_F(EmbedClientTest, AnAnswerThatDoesNotFitIsAnError) {
  fake_.hooks().embed = [](const v1::EmbedRequest& request,
                           v1::EmbedResponse& response) {
    test::FillAnswer(request, response);
    response.mutable_results()->RemoveLast();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Connect().Embed(ThreePictures()).status().code(),
            absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace resnetd::client
