#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "resnetd/v1/classification_service.grpc.pb.h"

namespace resnetd::client {
namespace {

using testing::ElementsAre;

// Embeds a picture as its number of bytes and 0.5; an empty one is an error.
class EmbedServer final : public v1::ClassificationService::Service {
 public:
  EmbedServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(this);
    grpc::EnableDefaultHealthCheckService(true);
    server_ = builder.BuildAndStart();
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  const v1::EmbedRequest& request() const { return request_; }
  bool loses_one = false;

 private:
  grpc::Status Embed(grpc::ServerContext* /*context*/,
                     const v1::EmbedRequest* request,
                     v1::EmbedResponse* response) override {
    request_ = *request;
    for (const v1::Image& image : request->images()) {
      v1::EmbedResult& result = *response->add_results();
      if (image.encoded().empty()) {
        result.mutable_error()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
        continue;
      }
      result.mutable_embedding()->add_values(
          static_cast<float>(image.encoded().size()));
      result.mutable_embedding()->add_values(0.5F);
    }
    if (loses_one) {
      response->mutable_results()->RemoveLast();
    }
    response->mutable_served_by()->set_model("models/digits");
    response->mutable_timing()->set_batch_size(2);
    response->set_request_id("its-id");
    return grpc::Status::OK;
  }

  v1::EmbedRequest request_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

EmbedRequest ThreePictures() {
  EmbedRequest request;
  request.model = "models/digits";
  request.priority = Priority::kBatch;
  request.request_id = "mine";
  request.timing = true;
  request.fail_fast = true;
  for (const char* bytes : {"abc", "", "z"}) {
    request.images.emplace_back(EncodedImage{.bytes = bytes});
  }
  return request;
}

TEST(EmbedClientTest, SendsAndReadsEveryField) {
  const EmbedServer server;
  Client client = Client::Create({.server = server.address()}).value();
  const auto answer = client.Embed(ThreePictures());
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->embeddings.size(), 3U);
  EXPECT_THAT(*answer->embeddings[0], ElementsAre(3, 0.5F));
  EXPECT_EQ(answer->embeddings[1].status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(*answer->embeddings[2], ElementsAre(1, 0.5F));
  EXPECT_EQ(answer->served_by.model, "models/digits");
  EXPECT_EQ(answer->timing->batch_size, 2);
  EXPECT_EQ(answer->request_id, "its-id");
  EXPECT_EQ(server.request().model(), "models/digits");
  EXPECT_EQ(server.request().priority(), v1::PRIORITY_BATCH);
  EXPECT_EQ(server.request().request_id(), "mine");
  EXPECT_TRUE(server.request().options().timing());
  EXPECT_TRUE(server.request().fail_fast());
}

TEST(EmbedClientTest, AnAnswerThatDoesNotFitIsAnError) {
  EmbedServer server;
  server.loses_one = true;
  Client client = Client::Create({.server = server.address()}).value();
  const auto answer = client.Embed(ThreePictures());
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace resnetd::client
