#include "client/convert.h"

#include <chrono>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace resnetd::client {
namespace {

v1::Priority ToProto(Priority priority) {
  switch (priority) {
    case Priority::kBatch:
      return v1::PRIORITY_BATCH;
    case Priority::kNormal:
      return v1::PRIORITY_NORMAL;
    case Priority::kCritical:
      return v1::PRIORITY_CRITICAL;
  }
  return v1::PRIORITY_UNSPECIFIED;
}

v1::RawImage::Format ToProto(RawImage::Format format) {
  switch (format) {
    case RawImage::Format::kRgb8:
      return v1::RawImage::FORMAT_RGB8;
    case RawImage::Format::kBgr8:
      return v1::RawImage::FORMAT_BGR8;
    case RawImage::Format::kGray8:
      return v1::RawImage::FORMAT_GRAY8;
  }
  return v1::RawImage::FORMAT_UNSPECIFIED;
}

v1::Image ToProto(Image image) {
  v1::Image out;
  if (auto* encoded = std::get_if<EncodedImage>(&image)) {
    out.set_encoded(std::move(encoded->bytes));
    return out;
  }
  RawImage& raw = std::get<RawImage>(image);
  out.mutable_raw()->set_data(std::move(raw.bytes));
  out.mutable_raw()->set_height(raw.height);
  out.mutable_raw()->set_width(raw.width);
  out.mutable_raw()->set_format(ToProto(raw.format));
  out.mutable_raw()->set_at_network_size(raw.at_network_size);
  return out;
}

std::chrono::nanoseconds FromProto(const google::protobuf::Duration& duration) {
  return std::chrono::seconds(duration.seconds()) +
         std::chrono::nanoseconds(duration.nanos());
}

Residency FromProto(v1::Residency residency) {
  switch (residency) {
    case v1::RESIDENCY_UNLOADED:
      return Residency::kUnloaded;
    case v1::RESIDENCY_LOADING:
      return Residency::kLoading;
    case v1::RESIDENCY_WARMING:
      return Residency::kWarming;
    case v1::RESIDENCY_READY:
      return Residency::kReady;
    case v1::RESIDENCY_DRAINING:
      return Residency::kDraining;
    case v1::RESIDENCY_FAILED:
      return Residency::kFailed;
    default:  // A newer server may know more of them.
      return Residency::kUnknown;
  }
}

Classification FromProto(const v1::Classification& classification) {
  Classification out;
  out.predictions.reserve(
      static_cast<std::size_t>(classification.predictions_size()));
  for (const v1::Prediction& prediction : classification.predictions()) {
    out.predictions.push_back({.index = prediction.index(),
                               .label = prediction.label(),
                               .probability = prediction.probability(),
                               .logit = prediction.logit()});
  }
  out.logits.assign(classification.logits().begin(),
                    classification.logits().end());
  return out;
}

absl::StatusOr<Classification> FromProto(const v1::ClassifyResult& result) {
  switch (result.outcome_case()) {
    case v1::ClassifyResult::kClassification:
      return FromProto(result.classification());
    case v1::ClassifyResult::kError: {
      absl::Status error = client::FromProto(result.error());
      if (!error.ok()) {
        return error;
      }
      break;
    }
    case v1::ClassifyResult::OUTCOME_NOT_SET:
      break;
  }
  return ClientError(absl::StatusCode::kInternal, kReasonBadAnswer,
                     "the server sent neither predictions nor an error");
}

Timing FromProto(const v1::Timing& timing) {
  return {.queue = FromProto(timing.queue()),
          .decode = FromProto(timing.decode()),
          .preprocess = FromProto(timing.preprocess()),
          .compute = FromProto(timing.compute()),
          .postprocess = FromProto(timing.postprocess()),
          .total = FromProto(timing.total()),
          .batch_size = timing.batch_size()};
}

}  // namespace

v1::ClassifyRequest ToProto(ClassifyRequest request) {
  v1::ClassifyRequest out;
  out.set_model(std::move(request.model));
  for (Image& image : request.images) {
    *out.add_images() = ToProto(std::move(image));
  }
  out.set_top_k(request.top_k);
  out.set_min_probability(request.min_probability);
  out.set_request_id(std::move(request.request_id));
  out.set_priority(ToProto(request.priority));
  out.mutable_options()->set_logits(request.logits);
  out.mutable_options()->set_timing(request.timing);
  out.set_fail_fast(request.fail_fast);
  return out;
}

absl::StatusOr<ClassifyAnswer> FromProto(v1::ClassifyResponse response,
                                         std::size_t images) {
  const auto results = static_cast<std::size_t>(response.results_size());
  if (results != images) {
    return ClientError(absl::StatusCode::kInternal, kReasonBadAnswer,
                       absl::StrCat("the server sent ", results,
                                    " results for ", images, " images"));
  }
  ClassifyAnswer answer;
  answer.results.reserve(results);
  for (const v1::ClassifyResult& result : response.results()) {
    answer.results.push_back(FromProto(result));
  }
  const v1::ServedBy& served_by = response.served_by();
  answer.served_by = {.model = served_by.model(),
                      .version = served_by.version(),
                      .weights_sha256 = served_by.weights_sha256(),
                      .precision = served_by.precision(),
                      .backend = served_by.backend()};
  if (response.has_timing()) {
    answer.timing = FromProto(response.timing());
  }
  answer.request_id = std::move(*response.mutable_request_id());
  return answer;
}

Model FromProto(const v1::Model& model) {
  return {.name = model.name(),
          .serving_version = model.serving_version(),
          .residency = FromProto(model.residency()),
          .architecture = model.architecture(),
          .num_classes = model.num_classes(),
          .is_default = model.is_default()};
}

Version FromProto(const v1::Version& version) {
  Version out;
  out.name = version.name();
  out.version = version.version();
  out.residency = FromProto(version.residency());
  out.failure = FromProto(version.failure());
  out.architecture = version.architecture();
  out.num_classes = version.num_classes();
  out.labels.assign(version.labels().begin(), version.labels().end());
  out.preprocess.resize = version.preprocess().resize();
  out.preprocess.crop = version.preprocess().crop();
  out.preprocess.mean.assign(version.preprocess().mean().begin(),
                             version.preprocess().mean().end());
  out.preprocess.std.assign(version.preprocess().std().begin(),
                            version.preprocess().std().end());
  out.precision = version.precision();
  out.backend = version.backend();
  out.weights_sha256 = version.weights_sha256();
  out.weights_bytes = version.weights_bytes();
  out.parameters = version.parameters();
  out.resident_bytes = version.resident_bytes();
  out.load_time = FromProto(version.load_time());
  out.description = version.description();
  for (const v1::Evaluation& evaluation : version.evaluations()) {
    out.evaluations.push_back({.dataset = evaluation.dataset(),
                               .examples = evaluation.examples(),
                               .accuracy = evaluation.accuracy()});
  }
  return out;
}

ServerInfo FromProto(const v1::GetServerInfoResponse& info) {
  ServerInfo out;
  out.version = info.version();
  out.grpc_version = info.grpc_version();
  out.start_time = std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::seconds(info.start_time().seconds()) +
          std::chrono::nanoseconds(info.start_time().nanos())));
  out.uptime = FromProto(info.uptime());
  out.ready = info.ready();
  for (const v1::Limit& limit : info.limits()) {
    out.limits.push_back({.name = limit.name(), .value = limit.value()});
  }
  for (const v1::Backend& backend : info.backends()) {
    out.backends.push_back({.name = backend.name(),
                            .usable = backend.usable(),
                            .detail = backend.detail()});
  }
  out.cpu_cores = info.cpu_cores();
  return out;
}

}  // namespace resnetd::client
