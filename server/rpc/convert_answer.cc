#include "server/rpc/convert_answer.h"

#include <string>

#include "server/models/model_registry.h"
#include "server/rpc/proto_time.h"
#include "server/rpc/status_codes.h"
#include "server/rpc/wire_enum.h"

namespace resnetd {
namespace {

static_assert(static_cast<int>(BatchClose::kFull) + 1 ==
              v1::BATCH_CLOSE_REASON_FULL);
static_assert(static_cast<int>(BatchClose::kDrained) + 1 ==
              v1::BATCH_CLOSE_REASON_DRAINED);
static_assert(static_cast<int>(BatchClose::kShared) + 1 ==
              v1::BATCH_CLOSE_REASON_SHARED);
static_assert(static_cast<int>(BatchClose::kDeadline) + 1 ==
              v1::BATCH_CLOSE_REASON_DEADLINE);

void Fill(const Classification& classification, v1::Classification& message) {
  for (const Prediction& prediction : classification.predictions) {
    v1::Prediction& out = *message.add_predictions();
    out.set_index(prediction.index);
    out.set_label(prediction.label);
    out.set_probability(prediction.probability);
    out.set_logit(prediction.logit);
  }
  message.mutable_logits()->Add(classification.logits.begin(),
                                classification.logits.end());
  message.mutable_embedding()->Add(classification.embedding.begin(),
                                   classification.embedding.end());
}

void Fill(const Classification& classification, v1::Embedding& message) {
  message.mutable_values()->Add(classification.embedding.begin(),
                                classification.embedding.end());
}

void Fill(const ServedVersion& version, v1::ServedBy& message) {
  message.set_model(ResourceName(version.facts.name));
  message.set_version(version.facts.version.value);
  message.set_weights_sha256(version.facts.weights_sha256);
  message.set_precision(version.model->precision());
  message.set_backend(version.model->backend());
}

void Fill(const Timings& timings, v1::Timing& message) {
  *message.mutable_queue() = ToProto(timings.queue);
  *message.mutable_decode() = ToProto(timings.decode);
  *message.mutable_preprocess() = ToProto(timings.preprocess);
  *message.mutable_compute() = ToProto(timings.compute);
  *message.mutable_postprocess() = ToProto(timings.postprocess);
  *message.mutable_total() = ToProto(timings.total);
  message.set_batch_size(timings.batch_size);
  if (timings.batch_close) {
    message.set_batch_close_reason(
        ToWire<v1::BatchCloseReason>(*timings.batch_close));
  }
}

// What the answers of Classify and Embed have in common.
template <typename Message>
void FillCommon(const ClassifyResponse& response, absl::string_view request_id,
                bool want_timing, Message& message) {
  if (response.served_by != nullptr) {
    Fill(*response.served_by, *message.mutable_served_by());
    message.mutable_served_by()->set_alias(response.alias);
  }
  if (want_timing) {
    Fill(response.timings, *message.mutable_timing());
  }
  message.set_request_id(std::string(request_id));
}

}  // namespace

v1::ClassifyResponse ToProto(const ClassifyResponse& response,
                             absl::string_view request_id, bool want_timing) {
  v1::ClassifyResponse message;
  message.mutable_results()->Reserve(static_cast<int>(response.results.size()));
  for (const absl::StatusOr<Classification>& result : response.results) {
    v1::ClassifyResult& out = *message.add_results();
    if (result.ok()) {
      Fill(*result, *out.mutable_classification());
    } else {
      *out.mutable_error() = ToRpcStatus(result.status(), request_id);
    }
  }
  FillCommon(response, request_id, want_timing, message);
  return message;
}

v1::EmbedResponse ToEmbedProto(const ClassifyResponse& response,
                               absl::string_view request_id, bool want_timing) {
  v1::EmbedResponse message;
  message.mutable_results()->Reserve(static_cast<int>(response.results.size()));
  for (const absl::StatusOr<Classification>& result : response.results) {
    v1::EmbedResult& out = *message.add_results();
    if (result.ok()) {
      Fill(*result, *out.mutable_embedding());
    } else {
      *out.mutable_error() = ToRpcStatus(result.status(), request_id);
    }
  }
  FillCommon(response, request_id, want_timing, message);
  return message;
}

}  // namespace resnetd
