#include "server/rpc/model_changes.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/convert_version.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/proto_time.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

// -1 on the wire: the alias must not exist, 0 in the domain.
constexpr std::int64_t kMustNotExist = -1;

template <typename Request>
void CheckId(const Request& request, const RequestLimits& limits,
             Violations& violations) {
  violations.AddError("request_id",
                      CheckRequestId(request.request_id(), limits));
}

std::optional<std::int64_t> ExpectedVersion(std::int64_t expected,
                                            Violations& violations) {
  if (expected < kMustNotExist) {
    violations.Add("expected_version",
                   absl::StrCat("expected_version ", expected,
                                " is not 0 for any, -1 for none, or a version "
                                "from 1 on"));
  }
  if (expected == 0) {
    return std::nullopt;
  }
  return expected == kMustNotExist ? 0 : expected;
}

absl::StatusOr<AliasMove> ToMove(const v1::SetAliasRequest& request,
                                 const RequestLimits& limits) {
  Violations violations;
  std::optional<AliasName> name =
      violations.Take("name", ParseAliasName("name", request.name()));
  if (request.version() < 1) {
    violations.Add("version", absl::StrCat("version ", request.version(),
                                           " is not a version from 1 on"));
  }
  const std::optional<std::int64_t> expected =
      ExpectedVersion(request.expected_version(), violations);
  CheckId(request, limits, violations);
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  return AliasMove{.model = std::move(name->model),
                   .alias = std::move(name->alias),
                   .to = VersionNumber{request.version()},
                   .expected_version = expected,
                   .etag = request.etag()};
}

absl::StatusOr<AliasMove> ToMove(const v1::PromoteVersionRequest& request,
                                 const RequestLimits& limits) {
  Violations violations;
  std::optional<VersionName> name =
      violations.Take("name", ParseVersionName("name", request.name()));
  std::string alias = kStableAlias;
  if (!request.alias().empty()) {
    alias = violations.Take("alias", ParseAlias("alias", request.alias()))
                .value_or("");
  }
  const std::optional<std::int64_t> expected =
      ExpectedVersion(request.expected_version(), violations);
  violations.AddError("gate_override", CheckOverride(request.gate_override()));
  CheckId(request, limits, violations);
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  return AliasMove{.model = std::move(name->model),
                   .alias = std::move(alias),
                   .to = name->version,
                   .expected_version = expected,
                   .etag = request.etag()};
}

// The alias that a request with a request_id names.
template <typename Request>
absl::StatusOr<AliasName> AliasOf(const Request& request,
                                  const RequestLimits& limits) {
  Violations violations;
  std::optional<AliasName> name =
      violations.Take("name", ParseAliasName("name", request.name()));
  CheckId(request, limits, violations);
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  return *std::move(name);
}

}  // namespace

absl::Status CheckOwnsModels(bool is_replica) {
  return is_replica
             ? Error(absl::StatusCode::kFailedPrecondition, Reason::kReplica,
                     "this server follows the models of a registry: change "
                     "them there")
             : absl::OkStatus();
}

absl::StatusOr<v1::DeleteVersionResponse> DeleteVersion(
    ModelManager& manager, const RequestLimits& limits,
    const v1::DeleteVersionRequest& request, absl::string_view actor) {
  Violations violations;
  const std::optional<VersionName> name =
      violations.Take("name", ParseVersionName("name", request.name()));
  CheckId(request, limits, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(
      const VersionView version,
      manager.DeleteVersion(name->model, name->version, request.etag(),
                            request.validate_only(),
                            MutationOf("DeleteVersion", request, actor)));
  v1::DeleteVersionResponse response;
  *response.mutable_version() = ToProto(version, Labels::kInclude);
  return response;
}

absl::StatusOr<v1::LoadVersionResponse> LoadVersion(
    ModelManager& manager, const v1::LoadVersionRequest& request) {
  ASSIGN_OR_RETURN(const VersionName name,
                   ParseVersionName("name", request.name()));
  ASSIGN_OR_RETURN(const VersionView version,
                   manager.Load(name.model, name.version));
  v1::LoadVersionResponse response;
  *response.mutable_version() = ToProto(version, Labels::kInclude);
  return response;
}

absl::StatusOr<v1::UnloadVersionResponse> UnloadVersion(
    ModelManager& manager, const v1::UnloadVersionRequest& request) {
  ASSIGN_OR_RETURN(const VersionName name,
                   ParseVersionName("name", request.name()));
  ASSIGN_OR_RETURN(const VersionView version,
                   manager.Unload(name.model, name.version));
  v1::UnloadVersionResponse response;
  *response.mutable_version() = ToProto(version, Labels::kInclude);
  return response;
}

absl::StatusOr<v1::WarmUpVersionResponse> WarmUpVersion(
    ModelManager& manager, const v1::WarmUpVersionRequest& request) {
  ASSIGN_OR_RETURN(const VersionName name,
                   ParseVersionName("name", request.name()));
  ASSIGN_OR_RETURN(const WarmUp warm_up,
                   manager.WarmUpVersion(name.model, name.version));
  v1::WarmUpVersionResponse response;
  *response.mutable_version() = ToProto(warm_up.version, Labels::kInclude);
  response.set_batches(warm_up.batches);
  *response.mutable_duration() = ToProto(warm_up.duration);
  return response;
}

absl::StatusOr<v1::SetAliasResponse> SetAlias(
    ModelManager& manager, const RequestLimits& limits,
    const v1::SetAliasRequest& request, absl::string_view actor) {
  ASSIGN_OR_RETURN(const AliasMove move, ToMove(request, limits));
  ASSIGN_OR_RETURN(const AliasRow alias,
                   manager.SetAlias(move, request.validate_only(),
                                    MutationOf("SetAlias", request, actor)));
  v1::SetAliasResponse response;
  *response.mutable_alias() = ToProto(alias);
  return response;
}

absl::StatusOr<v1::RollbackAliasResponse> RollbackAlias(
    ModelManager& manager, const RequestLimits& limits,
    const v1::RollbackAliasRequest& request, absl::string_view actor) {
  ASSIGN_OR_RETURN(const AliasName name, AliasOf(request, limits));
  ASSIGN_OR_RETURN(
      const AliasRow alias,
      manager.RollbackAlias(name.model, name.alias, request.etag(),
                            request.validate_only(),
                            MutationOf("RollbackAlias", request, actor)));
  v1::RollbackAliasResponse response;
  *response.mutable_alias() = ToProto(alias);
  return response;
}

absl::StatusOr<v1::DeleteAliasResponse> DeleteAlias(
    ModelManager& manager, const RequestLimits& limits,
    const v1::DeleteAliasRequest& request, absl::string_view actor) {
  ASSIGN_OR_RETURN(const AliasName name, AliasOf(request, limits));
  RETURN_IF_ERROR(
      manager.DeleteAlias(name.model, name.alias, request.etag(),
                          MutationOf("DeleteAlias", request, actor)));
  return v1::DeleteAliasResponse();
}

absl::StatusOr<v1::PromoteVersionResponse> PromoteVersion(
    ModelManager& manager, const RequestLimits& limits,
    const v1::PromoteVersionRequest& request, absl::string_view actor) {
  ASSIGN_OR_RETURN(const AliasMove move, ToMove(request, limits));
  ASSIGN_OR_RETURN(
      const AliasRow alias,
      manager.Promote(move,
                      {.allow_label_change = request.allow_label_change(),
                       .gate_override = request.gate_override()},
                      request.validate_only(),
                      MutationOf("PromoteVersion", request, actor)));
  v1::PromoteVersionResponse response;
  *response.mutable_alias() = ToProto(alias);
  return response;
}

}  // namespace resnetd
