#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/model_service.pb.h"
#include "server/models/model_manager.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/request_limits.h"

namespace resnetd {

// What the unary methods of ModelService that change something answer: all
// fields are checked, and named if they are wrong, before the manager is asked.
// Thread-safe as the manager is; they wait for the disk and for networks to
// load.

// FAILED_PRECONDITION (REPLICA): this server follows another one's models.
absl::Status CheckOwnsModels(bool is_replica);

absl::StatusOr<v1::DeleteVersionResponse> DeleteVersion(
    ModelManager& manager, const RequestLimits& limits,
    const v1::DeleteVersionRequest& request,
    absl::string_view actor = kAnonymous);

absl::StatusOr<v1::LoadVersionResponse> LoadVersion(
    ModelManager& manager, const v1::LoadVersionRequest& request);
absl::StatusOr<v1::UnloadVersionResponse> UnloadVersion(
    ModelManager& manager, const v1::UnloadVersionRequest& request);
absl::StatusOr<v1::WarmUpVersionResponse> WarmUpVersion(
    ModelManager& manager, const v1::WarmUpVersionRequest& request);

absl::StatusOr<v1::SetAliasResponse> SetAlias(
    ModelManager& manager, const RequestLimits& limits,
    const v1::SetAliasRequest& request, absl::string_view actor = kAnonymous);
absl::StatusOr<v1::RollbackAliasResponse> RollbackAlias(
    ModelManager& manager, const RequestLimits& limits,
    const v1::RollbackAliasRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::DeleteAliasResponse> DeleteAlias(
    ModelManager& manager, const RequestLimits& limits,
    const v1::DeleteAliasRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::PromoteVersionResponse> PromoteVersion(
    ModelManager& manager, const RequestLimits& limits,
    const v1::PromoteVersionRequest& request,
    absl::string_view actor = kAnonymous);

}  // namespace resnetd
