#include "server/rpc/classification_service.h"

#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/rpc/classify_outline.h"
#include "server/rpc/convert_answer.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/deadline.h"

namespace resnetd {
namespace {

constexpr Duration kDeadlineSlack = std::chrono::milliseconds(5);

v1::ClassifyResponse MakeAnswer(const v1::ClassifyRequest& request,
                                const ClassifyResponse& response,
                                absl::string_view request_id) {
  return ToProto(response, request_id, request.options().timing());
}
v1::EmbedResponse MakeAnswer(const v1::EmbedRequest& request,
                             const ClassifyResponse& response,
                             absl::string_view request_id) {
  return ToEmbedProto(response, request_id, request.options().timing());
}

// A call of Classify or Embed. Owns the request's message until the answer: the
// classifier reads the encoded images in it.
template <typename Message>
class ImagesCall final : public UnaryCall {
 public:
  using UnaryCall::UnaryCall;

  void Start(const grpc::ByteBuffer& bytes, Classifier& classifier) {
    const RequestLimits& limits = record().environment().limits;
    deadline_ = DecideDeadline(
        record().context().deadline(), std::chrono::system_clock::now(),
        record().arrived(), limits.default_deadline, limits.max_deadline);
    if (deadline_.is_default) {
      // A call that is refused has it, too.
      record().AnnounceDefaultDeadline();
    }
    absl::Status status =
        record().Enter(bytes.Length(), Availability::kWhenServing);
    if (status.ok()) {
      status = CheckLoad(bytes, classifier);
    }
    if (status.ok()) {
      status = ParseMessage(bytes, message_);
    }
    if (!status.ok()) {
      Fail(status);
      return;
    }
    absl::StatusOr<ClassifyRequest> request = Take(classifier);
    if (!request.ok()) {
      Fail(request.status());
      return;
    }
    classifier.Classify(*std::move(request),
                        [this](absl::StatusOr<ClassifyResponse> response) {
                          Answer(std::move(response));
                        });
  }

 private:
  // Under overload most calls are refused here, before their pictures are
  // copied out of gRPC's memory.
  absl::Status CheckLoad(const grpc::ByteBuffer& bytes,
                         Classifier& classifier) {
    std::optional<ReadOutline> read = OutlineOf(bytes, FieldsOf<Message>());
    if (!read) {
      return absl::OkStatus();
    }
    read->outline.deadline = deadline_.at;
    read->outline.identity = record().identity();
    absl::Status status = classifier.Check(read->outline);
    if (!status.ok()) {
      record().UseRequestId(read->request_id);
      record().set_amount("images", read->outline.images);
    }
    return status;
  }

  absl::StatusOr<ClassifyRequest> Take(const Classifier& classifier) {
    record().UseRequestId(message_.request_id());
    record().set_amount("images",
                        static_cast<std::size_t>(message_.images_size()));
    const RequestLimits& limits = record().environment().limits;
    ASSIGN_OR_RETURN(
        ClassifyRequest request,
        TakeRequest(message_, limits, classifier, record().ticket()));
    request.request_id = record().request_id();
    request.identity = record().identity();
    request.arrived = record().arrived();
    request.deadline = deadline_.at;
    request.cancelled = record().cancelled();
    return request;
  }

  void Answer(absl::StatusOr<ClassifyResponse> response) {
    if (response.ok()) {
      const auto answer =
          MakeAnswer(message_, *response, record().request_id());
      // The pictures are of no more use, and the answer may wait.
      message_ = Message();
      Reply(answer);
      return;
    }
    if (response.status().code() == absl::StatusCode::kCancelled &&
        IsAboutDeadline()) {
      Fail(Error(absl::StatusCode::kDeadlineExceeded, Reason::kExpiredInQueue,
                 "the deadline passed before the answer was ready"));
      return;
    }
    Fail(response.status());
  }

  // A client whose deadline passes cancels the call, a moment before the server
  // would: the timeout travels rounded up by at most 1 %, and takes its time.
  bool IsAboutDeadline() {
    return record().environment().clock.Now() + kDeadlineSlack +
               (deadline_.at - record().arrived()) / 100 >=
           deadline_.at;
  }

  Message message_;
  CallDeadline deadline_;
};

}  // namespace

grpc::ServerUnaryReactor* ClassificationService::Classify(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  auto* call = new ImagesCall<v1::ClassifyRequest>(environment_, "Classify",
                                                   *context, *response);
  call->Start(*request, classifier_);
  return call;
}

grpc::ServerUnaryReactor* ClassificationService::Embed(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  auto* call = new ImagesCall<v1::EmbedRequest>(environment_, "Embed", *context,
                                                *response);
  call->Start(*request, classifier_);
  return call;
}

}  // namespace resnetd
