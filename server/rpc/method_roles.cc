#include "server/rpc/method_roles.h"

#include <google/protobuf/descriptor.h>

#include <map>

#include "resnetd/v1/auth.pb.h"
#include "resnetd/v1/classification_service.pb.h"
#include "resnetd/v1/dataset_service.pb.h"
#include "resnetd/v1/fine_tune_service.pb.h"
#include "resnetd/v1/gradient_lab_service.pb.h"
#include "resnetd/v1/model_service.pb.h"
#include "resnetd/v1/server_service.pb.h"

namespace resnetd {
namespace {

std::optional<Role> ToRole(v1::Role role) {
  switch (role) {
    case v1::ROLE_VIEWER:
      return Role::kViewer;
    case v1::ROLE_CLASSIFIER:
      return Role::kClassifier;
    case v1::ROLE_TRAINER:
      return Role::kTrainer;
    case v1::ROLE_OPERATOR:
      return Role::kOperator;
    case v1::ROLE_REPLICA:
      return Role::kReplica;
    default:
      return std::nullopt;
  }
}

std::map<std::string, Role, std::less<>> ReadRoles() {
  std::map<std::string, Role, std::less<>> roles;
  for (const google::protobuf::FileDescriptor* file :
       {v1::ClassifyRequest::descriptor()->file(),
        v1::CreateDatasetRequest::descriptor()->file(),
        v1::CreateFineTuneJobRequest::descriptor()->file(),
        v1::ProbeGradientsRequest::descriptor()->file(),
        v1::ListModelsRequest::descriptor()->file(),
        v1::GetServerInfoRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const auto* method = file->service(s)->method(m);
        if (const auto role =
                ToRole(method->options().GetExtension(v1::required_role))) {
          roles.emplace(method->name(), *role);
        }
      }
    }
  }
  return roles;
}

}  // namespace

std::optional<Role> RoleOfMethod(absl::string_view method) {
  static const auto roles = ReadRoles();
  const auto found = roles.find(std::string_view(method.data(), method.size()));
  return found == roles.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace resnetd
