#include "server/rpc/convert_request.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/rpc/call_record.h"
#include "server/rpc/convert_tensor.h"
#include "server/rpc/raw_image.h"
#include "server/serving/classify_validation.h"

namespace resnetd {
namespace {

ModelReference CheckModel(const std::string& model, Violations& violations) {
  absl::StatusOr<ModelReference> reference = ParseModelReference(model);
  if (!reference.ok()) {
    violations.Add("model", reference.status().message());
    return {};
  }
  return *std::move(reference);
}

Priority CheckPriority(v1::Priority priority, Violations& violations) {
  const std::optional<Priority> known =
      ToPriority(static_cast<std::uint32_t>(priority));
  if (!known) {
    violations.Add("priority",
                   absl::StrCat("priority ", static_cast<int>(priority),
                                " is not a value of resnetd.v1.Priority"));
  }
  return known.value_or(Priority::kNormal);
}

ImageSource ToSource(const std::string& encoded, absl::string_view field,
                     const RequestLimits& limits) {
  const std::size_t limit = limits.max_encoded_image_bytes;
  if (encoded.size() <= limit) {
    return EncodedImage{.bytes = AsBytes(encoded)};
  }
  const std::string text =
      absl::StrCat(encoded.size(), " bytes exceed the limit of ", limit,
                   " bytes (--max-image-bytes)");
  return absl::Status(
      Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded, text)
          .Violation(absl::StrCat(field, ".encoded"), text)
          .Metadata("limit_name", "max-image-bytes")
          .Metadata("limit", absl::StrCat(limit))
          .Metadata("value", absl::StrCat(encoded.size())));
}

ImageSource ToSource(const v1::Image& image, absl::string_view field,
                     const RequestLimits& limits) {
  switch (image.source_case()) {
    case v1::Image::kEncoded:
      return ToSource(image.encoded(), field, limits);
    case v1::Image::kRaw: {
      absl::StatusOr<Pixels> pixels =
          ToPixels(image.raw(), absl::StrCat(field, ".raw"), limits);
      if (!pixels.ok()) {
        return std::move(pixels).status();
      }
      return PixelImage{.pixels = *std::move(pixels),
                        .at_network_size = image.raw().at_network_size()};
    }
    case v1::Image::kTensor: {
      absl::StatusOr<TensorImage> tensor =
          ToTensor(image.tensor(), absl::StrCat(field, ".tensor"), limits);
      if (!tensor.ok()) {
        return std::move(tensor).status();
      }
      return *tensor;
    }
    case v1::Image::SOURCE_NOT_SET:
      break;
  }
  const std::string text = "none of encoded, raw and tensor is set";
  return absl::Status(
      Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid, text)
          .Violation(field, text));
}

// Classify and Embed have these in common; `numbers` are checked, not taken
// over.
template <typename Message>
absl::StatusOr<ClassifyRequest> TakeCommon(const Message& message,
                                           const ClassifyNumbers& numbers,
                                           const RequestLimits& limits) {
  Violations violations;
  ClassifyRequest request;
  // The classifier checks these once more when it knows the model. Here they
  // are named together with the rest, before any picture is looked at.
  violations.AddError(
      "images",
      ValidateClassify(numbers, limits.max_images_per_request, std::nullopt));
  request.model = CheckModel(message.model(), violations);
  violations.AddError("request_id",
                      CheckRequestId(message.request_id(), limits));
  request.priority = CheckPriority(message.priority(), violations);
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  request.fail_fast = message.fail_fast();
  const bool fails_whole = message.fail_fast() || message.images_size() == 1;
  request.images.reserve(static_cast<std::size_t>(message.images_size()));
  for (int i = 0; i < message.images_size(); ++i) {
    const std::string field = absl::StrCat("images[", i, "]");
    ImageSource source = ToSource(message.images(i), field, limits);
    if (const auto* error = std::get_if<absl::Status>(&source);
        error != nullptr && fails_whole) {
      return Annotate(*error, absl::StrCat(field, ": "));
    }
    request.images.push_back(std::move(source));
  }
  return request;
}

}  // namespace

std::optional<Priority> ToPriority(std::uint32_t value) {
  switch (value) {
    case v1::PRIORITY_UNSPECIFIED:
    case v1::PRIORITY_NORMAL:
      return Priority::kNormal;
    case v1::PRIORITY_BATCH:
      return Priority::kBatch;
    case v1::PRIORITY_CRITICAL:
      return Priority::kCritical;
    default:
      return std::nullopt;
  }
}

absl::StatusOr<ClassifyRequest> ToClassifyRequest(
    const v1::ClassifyRequest& message, const RequestLimits& limits) {
  ASSIGN_OR_RETURN(
      ClassifyRequest request,
      TakeCommon(message,
                 {.images = static_cast<std::size_t>(message.images_size()),
                  .top_k = message.top_k(),
                  .min_probability = message.min_probability()},
                 limits));
  request.top_k = message.top_k();
  request.min_probability = message.min_probability();
  request.want_logits = message.options().logits();
  request.want_embedding = message.options().embedding();
  return request;
}

absl::StatusOr<ClassifyRequest> ToClassifyRequest(
    const v1::EmbedRequest& message, const RequestLimits& limits) {
  ASSIGN_OR_RETURN(
      ClassifyRequest request,
      TakeCommon(message,
                 {.images = static_cast<std::size_t>(message.images_size())},
                 limits));
  request.want_predictions = false;
  request.want_embedding = true;
  return request;
}

absl::Status CheckRequestId(absl::string_view request_id,
                            const RequestLimits& limits) {
  if (request_id.size() > limits.max_request_id_bytes) {
    const std::string text =
        absl::StrCat("request_id has ", request_id.size(), " bytes, at most ",
                     limits.max_request_id_bytes, " are accepted");
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 text)
        .Violation("request_id", text);
  }
  for (const char c : request_id) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) {
      const std::string text = absl::StrCat("request_id ", Quoted(request_id),
                                            " is not printable ASCII");
      return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                   text)
          .Violation("request_id", text);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Duration> ToTimeout(const google::protobuf::Duration& timeout) {
  constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
  // Far beyond every deadline, and 64 bits of nanoseconds hold it.
  constexpr std::int64_t kManySeconds = 1'000'000'000;
  const std::int64_t seconds = timeout.seconds();
  const std::int64_t nanos = timeout.nanos();
  if (seconds < 0 || nanos < 0 || nanos >= kNanosPerSecond) {
    return BadPart("timeout",
                   absl::StrCat("timeout of ", seconds, " s and ", nanos,
                                " ns is not a duration from 0 on"));
  }
  return std::chrono::seconds(std::min(seconds, kManySeconds)) +
         std::chrono::nanoseconds(nanos);
}

std::size_t RawPixelBytes(const ImageList& images) {
  std::size_t bytes = 0;
  for (const v1::Image& image : images) {
    if (image.has_raw()) {
      bytes += PixelBytesOf(image.raw());
    } else if (image.has_tensor()) {
      // What becomes floats of 4 bytes.
      const std::size_t size = image.tensor().data().size();
      bytes +=
          image.tensor().type() == v1::TensorImage::TYPE_FP16 ? 2 * size : size;
    }
  }
  return bytes;
}

void DropRawImages(ImageList& images) {
  for (v1::Image& image : images) {
    if (image.has_raw()) {
      image.clear_raw();
    }
  }
}

}  // namespace resnetd
