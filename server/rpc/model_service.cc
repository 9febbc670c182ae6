#include "server/rpc/model_service.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert_answer.h"
#include "server/rpc/page_token.h"

namespace resnetd {
namespace {

enum class Names { kModel, kVersion };

// Reads a resource name of exactly the kind `wanted`.
absl::StatusOr<ModelReference> ParseName(absl::string_view field,
                                         absl::string_view text, Names wanted) {
  if (absl::StartsWith(text, "models/")) {
    absl::StatusOr<ModelReference> reference = ParseModelReference(text);
    if (reference.ok() &&
        reference->version.has_value() == (wanted == Names::kVersion)) {
      return reference;
    }
  }
  const std::string message =
      absl::StrCat(field, " ", Quoted(text), " is not of the form ",
                   wanted == Names::kVersion ? "\"models/NAME/versions/N\""
                                             : "\"models/NAME\"");
  return absl::Status(Error(absl::StatusCode::kInvalidArgument,
                            Reason::kRequestInvalid, message)
                          .Violation(field, message));
}

absl::StatusOr<v1::ListModelsResponse> ListModelsOf(
    const ModelRegistry& registry, const v1::ListModelsRequest& request) {
  ASSIGN_OR_RETURN(const std::size_t page_size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::string after,
                   ReadPageToken("models", request.page_token()));
  const std::optional<ModelName> default_model = registry.default_model();
  const std::vector<ModelHandle> models = registry.List();
  // The page goes on behind a name, not at an index: models may come and go
  // between two pages.
  auto model = std::find_if(models.begin(), models.end(),
                            [&after](const ModelHandle& handle) {
                              return handle->facts.name.text() > after;
                            });
  v1::ListModelsResponse response;
  for (; model != models.end(); ++model) {
    if (static_cast<std::size_t>(response.models_size()) == page_size) {
      response.set_next_page_token(
          MakePageToken("models", (*std::prev(model))->facts.name.text()));
      break;
    }
    *response.add_models() =
        ToModelProto(**model, default_model == (*model)->facts.name);
  }
  return response;
}

absl::StatusOr<v1::GetModelResponse> GetModelOf(
    const ModelRegistry& registry, const v1::GetModelRequest& request) {
  ASSIGN_OR_RETURN(const ModelReference reference,
                   ParseName("name", request.name(), Names::kModel));
  ASSIGN_OR_RETURN(const ModelHandle handle, registry.Acquire(reference));
  v1::GetModelResponse response;
  *response.mutable_model() =
      ToModelProto(*handle, registry.default_model() == handle->facts.name);
  return response;
}

// The registry holds one version of a model, so that the first page is always
// the last and no token was ever given out.
absl::StatusOr<v1::ListVersionsResponse> ListVersionsOf(
    const ModelRegistry& registry, const v1::ListVersionsRequest& request) {
  ASSIGN_OR_RETURN(const ModelReference reference,
                   ParseName("parent", request.parent(), Names::kModel));
  RETURN_IF_ERROR(PageSize(request.page_size()).status());
  if (!request.page_token().empty()) {
    return PageTokenError();
  }
  ASSIGN_OR_RETURN(const ModelHandle handle, registry.Acquire(reference));
  v1::ListVersionsResponse response;
  *response.add_versions() = ToVersionProto(*handle, Labels::kLeaveOut);
  return response;
}

absl::StatusOr<v1::GetVersionResponse> GetVersionOf(
    const ModelRegistry& registry, const v1::GetVersionRequest& request) {
  ASSIGN_OR_RETURN(const ModelReference reference,
                   ParseName("name", request.name(), Names::kVersion));
  ASSIGN_OR_RETURN(const ModelHandle handle, registry.Acquire(reference));
  v1::GetVersionResponse response;
  *response.mutable_version() = ToVersionProto(*handle, Labels::kInclude);
  return response;
}

}  // namespace

grpc::ServerUnaryReactor* ModelService::ListModels(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return AnswerNow<v1::ListModelsRequest, v1::ListModelsResponse>(
      environment_, "ListModels", *context, *request, *response,
      Availability::kAlways, [this](const v1::ListModelsRequest& message) {
        return ListModelsOf(registry_, message);
      });
}

grpc::ServerUnaryReactor* ModelService::GetModel(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return AnswerNow<v1::GetModelRequest, v1::GetModelResponse>(
      environment_, "GetModel", *context, *request, *response,
      Availability::kAlways, [this](const v1::GetModelRequest& message) {
        return GetModelOf(registry_, message);
      });
}

grpc::ServerUnaryReactor* ModelService::ListVersions(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return AnswerNow<v1::ListVersionsRequest, v1::ListVersionsResponse>(
      environment_, "ListVersions", *context, *request, *response,
      Availability::kAlways, [this](const v1::ListVersionsRequest& message) {
        return ListVersionsOf(registry_, message);
      });
}

grpc::ServerUnaryReactor* ModelService::GetVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return AnswerNow<v1::GetVersionRequest, v1::GetVersionResponse>(
      environment_, "GetVersion", *context, *request, *response,
      Availability::kAlways, [this](const v1::GetVersionRequest& message) {
        return GetVersionOf(registry_, message);
      });
}

}  // namespace resnetd
