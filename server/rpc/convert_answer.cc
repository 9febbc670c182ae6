#include "server/rpc/convert_answer.h"

#include <string>

#include "server/models/model_registry.h"
#include "server/rpc/proto_time.h"
#include "server/rpc/status_codes.h"

namespace resnetd {
namespace {

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
}

void Fill(const PreprocessSpec& spec, v1::Preprocess& message) {
  message.set_resize(spec.resize);
  message.set_crop(spec.crop);
  message.mutable_mean()->Add(spec.mean.begin(), spec.mean.end());
  message.mutable_std()->Add(spec.std.begin(), spec.std.end());
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
  if (response.served_by != nullptr) {
    Fill(*response.served_by, *message.mutable_served_by());
    message.mutable_served_by()->set_alias(response.alias);
  }
  if (want_timing) {
    Fill(response.timings, *message.mutable_timing());
  }
  message.set_request_id(std::string(request_id));
  return message;
}

v1::Model ToModelProto(const ServedVersion& version, bool is_default) {
  v1::Model message;
  message.set_name(ResourceName(version.facts.name));
  message.set_serving_version(version.facts.version.value);
  message.set_residency(v1::RESIDENCY_READY);
  message.set_architecture(version.facts.architecture.name);
  message.set_num_classes(version.facts.architecture.num_classes);
  message.set_is_default(is_default);
  return message;
}

v1::Version ToVersionProto(const ServedVersion& version, Labels labels) {
  const VersionFacts& facts = version.facts;
  v1::Version message;
  message.set_name(ResourceName(facts.name, facts.version));
  message.set_version(facts.version.value);
  message.set_residency(v1::RESIDENCY_READY);
  message.set_architecture(facts.architecture.name);
  message.set_num_classes(facts.architecture.num_classes);
  if (labels == Labels::kInclude) {
    message.mutable_labels()->Add(facts.labels.begin(), facts.labels.end());
  }
  Fill(facts.preprocess, *message.mutable_preprocess());
  message.set_precision(version.model->precision());
  message.set_backend(version.model->backend());
  message.set_weights_sha256(facts.weights_sha256);
  message.set_weights_bytes(facts.weights_bytes);
  message.set_parameters(facts.parameters);
  message.set_resident_bytes(version.model->resident_bytes());
  *message.mutable_load_time() = ToProto(version.load_time);
  message.set_description(facts.description);
  for (const Evaluation& evaluation : facts.evaluations) {
    v1::Evaluation& out = *message.add_evaluations();
    out.set_dataset(evaluation.dataset);
    out.set_examples(evaluation.examples);
    out.set_accuracy(evaluation.accuracy);
  }
  return message;
}

}  // namespace resnetd
