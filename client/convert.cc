#include "client/convert.h"

#include <chrono>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/error_info.h"

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

v1::TensorImage::Type ToProto(TensorImage::Type type) {
  switch (type) {
    case TensorImage::Type::kFp32:
      return v1::TensorImage::TYPE_FP32;
    case TensorImage::Type::kFp16:
      return v1::TensorImage::TYPE_FP16;
  }
  return v1::TensorImage::TYPE_UNSPECIFIED;
}

void Fill(EncodedImage image, v1::Image& out) {
  out.set_encoded(std::move(image.bytes));
}

void Fill(RawImage image, v1::Image& out) {
  v1::RawImage& raw = *out.mutable_raw();
  raw.set_data(std::move(image.bytes));
  raw.set_height(image.height);
  raw.set_width(image.width);
  raw.set_format(ToProto(image.format));
  raw.set_at_network_size(image.at_network_size);
}

void Fill(TensorImage image, v1::Image& out) {
  v1::TensorImage& tensor = *out.mutable_tensor();
  tensor.set_data(std::move(image.bytes));
  tensor.set_height(image.height);
  tensor.set_width(image.width);
  tensor.set_type(ToProto(image.type));
}

v1::Image ToProto(Image image) {
  v1::Image out;
  std::visit([&out](auto& source) { Fill(std::move(source), out); }, image);
  return out;
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
  out.embedding.assign(classification.embedding().begin(),
                       classification.embedding().end());
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
  return {.queue = client::FromProto(timing.queue()),
          .decode = client::FromProto(timing.decode()),
          .preprocess = client::FromProto(timing.preprocess()),
          .compute = client::FromProto(timing.compute()),
          .postprocess = client::FromProto(timing.postprocess()),
          .total = client::FromProto(timing.total()),
          .batch_size = timing.batch_size(),
          .batch_close_reason = absl::AsciiStrToLower(
              ShortName(v1::BatchCloseReason_Name(timing.batch_close_reason()),
                        "BATCH_CLOSE_REASON_"))};
}

}  // namespace

std::string ShortName(absl::string_view name, absl::string_view prefix) {
  if (!absl::ConsumePrefix(&name, prefix)) {
    return "UNKNOWN";
  }
  return name == "UNSPECIFIED" ? "" : std::string(name);
}

std::chrono::nanoseconds FromProto(const google::protobuf::Duration& duration) {
  return std::chrono::seconds(duration.seconds()) +
         std::chrono::nanoseconds(duration.nanos());
}

google::protobuf::Duration ToProto(std::chrono::nanoseconds duration) {
  // Towards zero: both parts of the wire's form have the same sign.
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(duration);
  google::protobuf::Duration out;
  out.set_seconds(seconds.count());
  out.set_nanos(static_cast<std::int32_t>((duration - seconds).count()));
  return out;
}

std::chrono::system_clock::time_point FromProto(
    const google::protobuf::Timestamp& time) {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::seconds(time.seconds()) +
          std::chrono::nanoseconds(time.nanos())));
}

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
  out.mutable_options()->set_embedding(request.embedding);
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
                      .backend = served_by.backend(),
                      .alias = served_by.alias()};
  if (response.has_timing()) {
    answer.timing = FromProto(response.timing());
  }
  answer.request_id = std::move(*response.mutable_request_id());
  return answer;
}

ServerInfo FromProto(const v1::GetServerInfoResponse& info) {
  ServerInfo out;
  out.version = info.version();
  out.grpc_version = info.grpc_version();
  out.start_time = FromProto(info.start_time());
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
