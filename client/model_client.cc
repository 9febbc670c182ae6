// The calls of Client about models that are one request and one answer.
#include <cstdint>
#include <optional>
#include <utility>

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

}  // namespace

absl::StatusOr<ModelList> Client::ListModels() {
  ModelList list;
  bool first = true;
  RETURN_IF_ERROR(
      calls_->EachPage(&Stub::ListModels, v1::ListModelsRequest(), "models",
                       [&](const v1::ListModelsResponse& page) {
                         // What happens between two pages may be in
                         // neither: the watcher begins before it.
                         if (std::exchange(first, false)) {
                           list.event_sequence = page.event_sequence();
                         }
                         for (const v1::Model& model : page.models()) {
                           list.models.push_back(FromProto(model));
                         }
                       }));
  return list;
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
  RETURN_IF_ERROR(
      calls_->EachPage(&Stub::ListVersions, std::move(request), "versions",
                       [&versions](const v1::ListVersionsResponse& page) {
                         for (const v1::Version& version : page.versions()) {
                           versions.push_back(FromProto(version));
                         }
                       }));
  return versions;
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
  message.set_gate_override(request.gate_override);
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
