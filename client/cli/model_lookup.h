#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/commands.h"
#include "client/cli/model_ref.h"
#include "client/client.h"

namespace resnetd::cli {

// The model that `ref` names.
absl::StatusOr<client::Model> AskModel(const Session& session, Client& client,
                                       const ModelRef& ref);

// The version by this name, with its labels.
absl::StatusOr<client::Version> AskVersion(const Session& session,
                                           Client& client,
                                           const std::string& name);

// The resource of the version that `ref` names: by its number, by an alias, or
// as the one that answers. NOT_FOUND: the model has no such alias
// (ALIAS_NOT_FOUND).
absl::StatusOr<std::string> AskVersionName(const Session& session,
                                           Client& client, const ModelRef& ref);

// INVALID_ARGUMENT (LABEL_UNKNOWN): the version by this name does not know one
// of `labels`.
absl::Status CheckLabels(const Session& session, Client& client,
                         const std::string& version,
                         const std::vector<std::string>& labels);

// "models/NAME/versions/N".
std::string VersionResource(const ModelRef& ref, std::int64_t version);

}  // namespace resnetd::cli
