// The calls of Client about models that are one request and one answer.
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/calls.h"
#include "client/convert.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

using Stub = v1::ModelService::Stub;

// As the proto spells "whichever" and "there is none".
constexpr std::int64_t kAnyVersion = 0;
constexpr std::int64_t kNoAlias = -1;

std::int64_t ExpectedVersion(std::optional<std::int64_t> expected) {
  return !expected ? kAnyVersion : *expected == 0 ? kNoAlias : *expected;
}

// A repetition without an id could be a second change.
std::string IdOr(std::string request_id) {
  return request_id.empty() ? NewRequestId() : std::move(request_id);
}

// Sets what every request to change an alias has.
template <typename Message, typename Request>
Message AliasMessage(Request& request) {
  Message message;
  message.set_name(ModelResource(request.name));
  message.set_etag(std::move(request.etag));
  message.set_request_id(IdOr(std::move(request.request_id)));
  return message;
}

absl::Status SamePageTwice(absl::string_view what) {
  return ClientError(
      absl::StatusCode::kInternal, kReasonBadAnswer,
      absl::StrCat("the server sent the same page of ", what, " twice"));
}

}  // namespace

absl::StatusOr<ModelList> Client::ListModels() {
  ModelList list;
  v1::ListModelsRequest request;
  for (bool first = true;; first = false) {
    v1::ListModelsResponse response;
    RETURN_IF_ERROR(calls_->Ask(calls_->short_timeout, &Stub::ListModels,
                                request, response));
    // What happens between two pages may be in neither: the watcher begins
    // before it.
    if (first) {
      list.event_sequence = response.event_sequence();
    }
    for (const v1::Model& model : response.models()) {
      list.models.push_back(FromProto(model));
    }
    if (response.next_page_token().empty()) {
      return list;
    }
    // The same page again would be an endless loop.
    if (response.next_page_token() == request.page_token()) {
      return SamePageTwice("models");
    }
    request.set_page_token(response.next_page_token());
  }
}

absl::StatusOr<Model> Client::GetModel(absl::string_view model) {
  v1::GetModelRequest request;
  request.set_name(ModelResource(model));
  v1::GetModelResponse response;
  RETURN_IF_ERROR(
      calls_->Ask(calls_->short_timeout, &Stub::GetModel, request, response));
  return FromProto(response.model());
}

absl::StatusOr<std::vector<Version>> Client::ListVersions(
    absl::string_view model) {
  std::vector<Version> versions;
  v1::ListVersionsRequest request;
  request.set_parent(ModelResource(model));
  while (true) {
    v1::ListVersionsResponse response;
    RETURN_IF_ERROR(calls_->Ask(calls_->short_timeout, &Stub::ListVersions,
                                request, response));
    for (const v1::Version& version : response.versions()) {
      versions.push_back(FromProto(version));
    }
    if (response.next_page_token().empty()) {
      return versions;
    }
    if (response.next_page_token() == request.page_token()) {
      return SamePageTwice("versions");
    }
    request.set_page_token(response.next_page_token());
  }
}

absl::StatusOr<Version> Client::GetVersion(absl::string_view version) {
  v1::GetVersionRequest request;
  request.set_name(ModelResource(version));
  v1::GetVersionResponse response;
  RETURN_IF_ERROR(
      calls_->Ask(calls_->short_timeout, &Stub::GetVersion, request, response));
  return FromProto(response.version());
}

absl::StatusOr<Version> Client::DeleteVersion(DeleteVersionRequest request) {
  auto message = AliasMessage<v1::DeleteVersionRequest>(request);
  message.set_validate_only(request.validate_only);
  v1::DeleteVersionResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->short_timeout, &Stub::DeleteVersion,
                              message, response));
  return FromProto(response.version());
}

absl::StatusOr<Version> Client::LoadVersion(absl::string_view version) {
  v1::LoadVersionRequest request;
  request.set_name(ModelResource(version));
  v1::LoadVersionResponse response;
  RETURN_IF_ERROR(
      calls_->Ask(calls_->long_timeout, &Stub::LoadVersion, request, response));
  return FromProto(response.version());
}

absl::StatusOr<Version> Client::UnloadVersion(absl::string_view version) {
  v1::UnloadVersionRequest request;
  request.set_name(ModelResource(version));
  v1::UnloadVersionResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::UnloadVersion,
                              request, response));
  return FromProto(response.version());
}

absl::StatusOr<WarmedUp> Client::WarmUpVersion(absl::string_view version) {
  v1::WarmUpVersionRequest request;
  request.set_name(ModelResource(version));
  v1::WarmUpVersionResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::WarmUpVersion,
                              request, response));
  return WarmedUp{.version = FromProto(response.version()),
                  .batches = response.batches(),
                  .duration = FromProto(response.duration())};
}

absl::StatusOr<Alias> Client::SetAlias(SetAliasRequest request) {
  auto message = AliasMessage<v1::SetAliasRequest>(request);
  message.set_version(request.version);
  message.set_expected_version(ExpectedVersion(request.expected_version));
  message.set_validate_only(request.validate_only);
  v1::SetAliasResponse response;
  RETURN_IF_ERROR(
      calls_->Ask(calls_->long_timeout, &Stub::SetAlias, message, response));
  return FromProto(response.alias());
}

absl::StatusOr<Alias> Client::RollbackAlias(RollbackAliasRequest request) {
  auto message = AliasMessage<v1::RollbackAliasRequest>(request);
  message.set_validate_only(request.validate_only);
  v1::RollbackAliasResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::RollbackAlias,
                              message, response));
  return FromProto(response.alias());
}

absl::StatusOr<Alias> Client::PromoteVersion(PromoteVersionRequest request) {
  auto message = AliasMessage<v1::PromoteVersionRequest>(request);
  message.set_alias(request.alias);
  message.set_expected_version(ExpectedVersion(request.expected_version));
  message.set_allow_label_change(request.allow_label_change);
  message.set_validate_only(request.validate_only);
  v1::PromoteVersionResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::PromoteVersion,
                              message, response));
  return FromProto(response.alias());
}

absl::Status Client::DeleteAlias(DeleteAliasRequest request) {
  const auto message = AliasMessage<v1::DeleteAliasRequest>(request);
  v1::DeleteAliasResponse response;
  return calls_->Ask(calls_->short_timeout, &Stub::DeleteAlias, message,
                     response);
}

}  // namespace resnetd::client
