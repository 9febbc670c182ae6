#include "client/load/grpc_caller.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "client/convert.h"
#include "client/embed_convert.h"
#include "client/load/call_outcome.h"
#include "client/load/grpc_calls.h"
#include "client/load/request_of.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "server/base/thread.h"

namespace resnetd::client {
namespace {

using Stub = v1::ClassificationService::Stub;

struct ClassifyMethod {
  using Request = v1::ClassifyRequest;
  using Response = v1::ClassifyResponse;
  static Request MessageOf(ClassifyRequest request) {
    return ToProto(std::move(request));
  }
  static constexpr auto kStart = &Stub::AsyncClassify;
};

struct EmbedMethod {
  using Request = v1::EmbedRequest;
  using Response = v1::EmbedResponse;
  static Request MessageOf(ClassifyRequest request) {
    return ToProto(EmbedRequestOf(std::move(request)));
  }
  static constexpr auto kStart = &Stub::AsyncEmbed;
};

// A completion queue with a thread of its own, and not gRPC's callbacks: when a
// call is told to have ended, nothing of it is left that could still be freed
// in another thread while the channels go.
template <typename Method>
class GrpcCaller final : public Caller {
 public:
  using Response = typename Method::Response;
  using Look =
      std::function<CallOutcome(std::size_t number, const Response& response)>;

  // `look` may be empty.
  GrpcCaller(GrpcCallerOptions options, Look look)
      : timeout_(options.timeout), look_(std::move(look)) {
    for (ClassifyRequest& request : options.requests) {
      requests_.push_back(Method::MessageOf(std::move(request)));
    }
    for (std::size_t i = 0; i < options.connections; ++i) {
      stubs_.push_back(v1::ClassificationService::NewStub(
          MakeLoadChannel(options.target, options.security)));
    }
    thread_ = Thread("answers", [this] { TakeAnswers(); });
  }
  ~GrpcCaller() override { queue_.Shutdown(); }

  void Call(std::size_t number, Done done) override;

 private:
  struct Pending {
    std::size_t number = 0;
    grpc::ClientContext context;
    Response response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
    Done done;
  };

  void TakeAnswers();

  CallOutcome OutcomeOfCall(const Pending& call) const {
    if (!call.status.ok()) {
      return OutcomeOf(FromGrpc(call.status));
    }
    return look_ ? look_(call.number, call.response)
                 : OutcomeOfAnswer(call.response);
  }

  const Duration timeout_;
  const Look look_;
  std::vector<typename Method::Request> requests_;
  std::vector<std::unique_ptr<Stub>> stubs_;
  grpc::CompletionQueue queue_;
  Thread thread_;
};

template <typename Method>
void GrpcCaller<Method>::Call(std::size_t number, Done done) {
  // Owned by the queue until it ends.
  auto* const pending = new Pending;
  pending->number = number;
  pending->done = std::move(done);
  pending->context.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          timeout_));
  Stub& stub = *stubs_[number % stubs_.size()];
  pending->reader = (stub.*Method::kStart)(
      &pending->context, requests_[number % requests_.size()], &queue_);
  pending->reader->Finish(&pending->response, &pending->status, pending);
}

template <typename Method>
void GrpcCaller<Method>::TakeAnswers() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    std::unique_ptr<Pending> pending(static_cast<Pending*>(tag));
    const Done done = std::move(pending->done);
    const CallOutcome outcome = OutcomeOfCall(*pending);
    pending.reset();
    done(outcome);
  }
}

}  // namespace

std::unique_ptr<Caller> MakeGrpcCaller(GrpcCallerOptions options) {
  if (options.method == LoadMethod::kEmbed) {
    return std::make_unique<GrpcCaller<EmbedMethod>>(
        std::move(options), GrpcCaller<EmbedMethod>::Look());
  }
  auto look = std::move(options.check);
  return std::make_unique<GrpcCaller<ClassifyMethod>>(std::move(options),
                                                      std::move(look));
}

}  // namespace resnetd::client
