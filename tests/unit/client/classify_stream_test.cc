#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "resnetd/v1/classification_service.grpc.pb.h"

namespace resnetd::client {
namespace {

// A server that answers each request with one label: its
// picture. Breaks each stream off with `why` after so many answers; 0: none;
// less: before the first.
class StreamServer final : public v1::ClassificationService::Service {
 public:
  explicit StreamServer(int breaks_after = 0,
                        grpc::StatusCode why = grpc::StatusCode::UNAVAILABLE)
      : breaks_after_(breaks_after), why_(why) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(this);
    grpc::EnableDefaultHealthCheckService(true);
    server_ = builder.BuildAndStart();
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  int streams() const { return streams_; }
  int requests() const { return requests_; }
  std::int64_t timeout_s() const { return timeout_s_; }

 private:
  grpc::Status ClassifyStream(
      grpc::ServerContext* /*context*/,
      grpc::ServerReaderWriter<v1::ClassifyStreamResponse,
                               v1::ClassifyStreamRequest>* stream) override {
    ++streams_;
    if (breaks_after_ < 0) {
      return {why_, "broken off"};
    }
    int answers = 0;
    // One behind, so that the answers are not in the order of the requests.
    std::optional<v1::ClassifyStreamResponse> held;
    v1::ClassifyStreamRequest message;
    while (stream->Read(&message)) {
      ++requests_;
      timeout_s_ = message.timeout().seconds();
      v1::ClassifyStreamResponse response = AnswerTo(message.request());
      if (!held) {
        held = response;
        continue;
      }
      stream->Write(response);
      stream->Write(*held);
      held.reset();
      answers += 2;
      if (breaks_after_ > 0 && answers >= breaks_after_) {
        return {why_, "broken off"};
      }
    }
    if (held) {
      stream->Write(*held);
    }
    return grpc::Status::OK;
  }

  static v1::ClassifyStreamResponse AnswerTo(
      const v1::ClassifyRequest& request) {
    v1::ClassifyStreamResponse response;
    response.set_request_id(request.request_id());
    const std::string& picture = request.images(0).encoded();
    if (picture == "bad") {
      response.mutable_error()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
      response.mutable_error()->set_message("no picture");
      return response;
    }
    response.mutable_response()
        ->add_results()
        ->mutable_classification()
        ->add_predictions()
        ->set_label(picture);
    return response;
  }

  const int breaks_after_;
  const grpc::StatusCode why_;
  // Counters.
  std::atomic<int> streams_ = 0;
  std::atomic<int> requests_ = 0;
  std::atomic<std::int64_t> timeout_s_ = 0;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

Client ClientOf(const StreamServer& server) {
  return Client::Create({.server = server.address()}).value();
}

// Sends "p0", "p1", ... and keeps the answers by their index.
struct Sent {
  explicit Sent(std::size_t count) : answers(count) {
    handler.next = [this]() -> std::optional<ClassifyRequest> {
      if (next == answers.size()) {
        return std::nullopt;
      }
      ClassifyRequest request;
      request.images.emplace_back(
          EncodedImage{.bytes = next == bad ? "bad" : absl::StrCat("p", next)});
      ++next;
      return request;
    };
    handler.on_answer = [this](std::size_t index,
                               absl::StatusOr<ClassifyAnswer> answer) {
      EXPECT_FALSE(answers.at(index).has_value()) << index << " twice";
      answers.at(index) = std::move(answer);
    };
  }

  void ExpectAllAnswered() const {
    for (std::size_t i = 0; i < answers.size(); ++i) {
      ASSERT_TRUE(answers[i].has_value()) << i;
      if (i == bad) {
        EXPECT_EQ(answers[i]->status().code(),
                  absl::StatusCode::kInvalidArgument);
        continue;
      }
      ASSERT_TRUE(answers[i]->ok()) << answers[i]->status();
      EXPECT_EQ((*answers[i])->results[0]->predictions[0].label,
                absl::StrCat("p", i));
    }
  }

  std::vector<std::optional<absl::StatusOr<ClassifyAnswer>>> answers;
  std::size_t next = 0;
  std::size_t bad = static_cast<std::size_t>(-1);
  StreamHandler handler;
};

TEST(ClassifyStreamTest, EachRequestGetsItsOwnAnswer) {
  const StreamServer server;
  Client client = ClientOf(server);
  for (const std::size_t count : {0U, 1U, 2U, 33U, 500U}) {
    Sent sent(count);
    sent.handler.timeout = std::chrono::seconds(7);
    const absl::Status status = client.ClassifyStream(sent.handler);
    ASSERT_TRUE(status.ok()) << status;
    sent.ExpectAllAnswered();
  }
  EXPECT_EQ(server.timeout_s(), 7);
  EXPECT_EQ(server.requests(), 536);
}

TEST(ClassifyStreamTest, OneBadRequestIsAnAnswer) {
  const StreamServer server;
  Sent sent(20);
  sent.bad = 7;
  EXPECT_TRUE(ClientOf(server).ClassifyStream(sent.handler).ok());
  sent.ExpectAllAnswered();
}

TEST(ClassifyStreamTest, GoesOnWhenStreamsBreak) {
  const StreamServer server(/*breaks_after=*/10);
  Sent sent(101);
  const absl::Status status = ClientOf(server).ClassifyStream(sent.handler);
  EXPECT_TRUE(status.ok()) << status;
  sent.ExpectAllAnswered();
  EXPECT_GE(server.streams(), 10);
}

TEST(ClassifyStreamTest, GivesUpWhenNoAnswerComesAtAll) {
  const StreamServer server(/*breaks_after=*/-1);
  Sent sent(3);
  const absl::Status status = ClientOf(server).ClassifyStream(sent.handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.streams(), 4);
  for (std::size_t i = 0; i < sent.next; ++i) {
    EXPECT_EQ(sent.answers[i]->status().code(), absl::StatusCode::kUnavailable);
  }
}

TEST(ClassifyStreamTest, AnErrorThatIsFinalIsTheAnswerOfTheRest) {
  const StreamServer server(/*breaks_after=*/2,
                            grpc::StatusCode::INVALID_ARGUMENT);
  Sent sent(6);
  const absl::Status status = ClientOf(server).ClassifyStream(sent.handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(server.streams(), 1);
  EXPECT_TRUE(sent.answers[0]->ok());
  EXPECT_TRUE(sent.answers[1]->ok());
  for (std::size_t i = 2; i < sent.next; ++i) {
    EXPECT_EQ(sent.answers[i]->status().code(),
              absl::StatusCode::kInvalidArgument)
        << i;
  }
}

}  // namespace
}  // namespace resnetd::client
