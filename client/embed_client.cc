#include <utility>

#include "client/calls.h"
#include "client/client.h"
#include "client/convert.h"
#include "client/embed_convert.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

absl::StatusOr<EmbedAnswer> AnswerOf(v1::EmbedResponse response,
                                     std::size_t images) {
  v1::ClassifyResponse common;
  for (v1::EmbedResult& result : *response.mutable_results()) {
    v1::ClassifyResult& out = *common.add_results();
    if (result.has_error()) {
      *out.mutable_error() = std::move(*result.mutable_error());
    } else {
      out.mutable_classification();
    }
  }
  common.set_allocated_served_by(response.release_served_by());
  common.set_allocated_timing(response.release_timing());
  common.set_allocated_request_id(response.release_request_id());
  ASSIGN_OR_RETURN(ClassifyAnswer answer, FromProto(std::move(common), images));
  EmbedAnswer out{.embeddings = {},
                  .served_by = std::move(answer.served_by),
                  .timing = answer.timing,
                  .request_id = std::move(answer.request_id)};
  for (std::size_t i = 0; i < images; ++i) {
    if (!answer.results[i].ok()) {
      out.embeddings.emplace_back(answer.results[i].status());
      continue;
    }
    const auto& values =
        response.results(static_cast<int>(i)).embedding().values();
    out.embeddings.emplace_back(
        std::vector<float>(values.begin(), values.end()));
  }
  return out;
}

}  // namespace

v1::EmbedRequest ToProto(EmbedRequest request) {
  // The fields that both have, as Classify writes them.
  v1::ClassifyRequest common =
      ToProto(ClassifyRequest{.model = std::move(request.model),
                              .images = std::move(request.images),
                              .request_id = std::move(request.request_id),
                              .priority = request.priority,
                              .fail_fast = request.fail_fast});
  v1::EmbedRequest message;
  message.set_allocated_model(common.release_model());
  message.mutable_images()->Swap(common.mutable_images());
  message.set_allocated_request_id(common.release_request_id());
  message.set_priority(common.priority());
  message.set_fail_fast(common.fail_fast());
  message.mutable_options()->set_timing(request.timing);
  return message;
}

absl::StatusOr<EmbedAnswer> Client::Embed(EmbedRequest request) {
  const std::size_t images = request.images.size();
  const v1::EmbedRequest message = ToProto(std::move(request));
  v1::EmbedResponse response;
  RETURN_IF_ERROR(calls_->connection.Call(
      {.route = Connection::Route::kHealthy,
       .timeout = calls_->short_timeout,
       .repeats = MayRepeatAsIs(message)},
      [&](grpc::ClientContext& context) {
        return calls_->classification->Embed(&context, message, &response);
      }));
  return AnswerOf(std::move(response), images);
}

}  // namespace resnetd::client
