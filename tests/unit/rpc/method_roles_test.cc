#include "server/rpc/method_roles.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "resnetd/v1/auth.pb.h"
#include "resnetd/v1/fine_tune_service.pb.h"
#include "resnetd/v1/gradient_lab_service.pb.h"
#include "server/base/bytes.h"
#include "server/base/sha256.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using google::protobuf::MethodDescriptor;

// Every method of every service of resnetd.v1, however they are spread over
// files.
std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const char* file : {"classification", "dataset", "fine_tune",
                           "gradient_lab", "model", "server"}) {
    const auto* found = pool->FindFileByName(
        absl::StrCat("resnetd/v1/", file, "_service.proto"));
    EXPECT_NE(found, nullptr) << file;
    for (int s = 0; found != nullptr && s < found->service_count(); ++s) {
      for (int m = 0; m < found->service(s)->method_count(); ++m) {
        methods.push_back(found->service(s)->method(m));
      }
    }
  }
  return methods;
}

TEST(RoleOfMethodTest, EveryMethodOfEveryServiceNamesARole) {
  EXPECT_GE(AllMethods().size(), 48U);
  for (const MethodDescriptor* method : AllMethods()) {
    EXPECT_NE(method->options().GetExtension(v1::required_role),
              v1::ROLE_UNSPECIFIED)
        << method->full_name();
    EXPECT_TRUE(RoleOfMethod(method->name())) << method->full_name();
  }
}

TEST(RoleOfMethodTest, NoTwoMethodsHaveOneName) {
  std::set<std::string> names;
  for (const MethodDescriptor* method : AllMethods()) {
    EXPECT_TRUE(names.insert(method->name()).second) << method->full_name();
  }
}

TEST(RoleOfMethodTest, WhatOnlyReadsIsForViewersButForWeights) {
  for (const MethodDescriptor* method : AllMethods()) {
    const std::string& name = method->name();
    const bool reads = name.starts_with("Get") || name.starts_with("List") ||
                       name.starts_with("Watch");
    const bool is_viewers = RoleOfMethod(name) == Role::kViewer;
    EXPECT_EQ(is_viewers, reads && name != "GetBlob") << name;
  }
  EXPECT_EQ(RoleOfMethod("GetBlob"), Role::kReplica);
}

TEST(RoleOfMethodTest, KnowsNoRoleOfWhatIsNoMethod) {
  EXPECT_EQ(RoleOfMethod("NoSuchMethod"), std::nullopt);
  EXPECT_EQ(RoleOfMethod(""), std::nullopt);
}

// All methods and roles, with credentials of every kind, on a real server.
class AccessMatrixTest : public RpcTest {
 protected:
  static std::string TokenOf(const std::string& name) {
    return absl::StrCat("resnetd_canary_", name);
  }
  static Grant GrantOf(const std::string& name, Role role) {
    return {.name = name,
            .role = role,
            .token_sha256 = Sha256Hex(AsBytes(TokenOf(name)))};
  }
  static AccessControl Access() {
    Grant expired = GrantOf("expired", Role::kOperator);
    expired.not_after = std::chrono::system_clock::now();
    std::vector<Grant> grants = {std::move(expired)};
    for (const Role role : kRoles) {
      grants.push_back(GrantOf(std::string(RoleName(role)), role));
    }
    return AccessControl(AccessList(std::move(grants)));
  }

  void SetUp() override {
    GrpcServerOptions options = LoopbackOptions();
    options.access = &access_;
    // Something to be told by who watches.
    manager_.Add("a", "weights of a");
    manager_.AddEvents("a", 1);
    ListenReady(options);
  }

  // Calls a method with one empty message, and ends whatever it answers.
  grpc::Status Call(const MethodDescriptor& method,
                    const std::string& authorization) const {
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    LimitTime(context);
    if (!authorization.empty()) {
      context.AddMetadata("authorization", authorization);
    }
    const auto await = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
      return ok;
    };
    const auto call = stub.PrepareCall(
        &context,
        absl::StrCat("/", method.service()->full_name(), "/", method.name()),
        &queue);
    call->StartCall(nullptr);
    await();
    grpc::Slice empty;
    call->WriteLast(grpc::ByteBuffer(&empty, 1), grpc::WriteOptions(), nullptr);
    await();
    grpc::ByteBuffer answer;
    for (call->Read(&answer, nullptr); await(); call->Read(&answer, nullptr)) {
      // What is watched never ends by itself.
      if (method.name().starts_with("Watch")) {
        context.TryCancel();
      }
    }
    grpc::Status status;
    call->Finish(&status, nullptr);
    await();
    queue.Shutdown();
    return status;
  }

  static bool IsRefused(const grpc::Status& status) {
    return status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
           status.error_code() == grpc::StatusCode::PERMISSION_DENIED;
  }

  static constexpr Role kRoles[] = {Role::kViewer, Role::kClassifier,
                                    Role::kTrainer, Role::kOperator,
                                    Role::kReplica};
  AccessControl access_ = Access();
};

TEST_F(AccessMatrixTest, EachMethodIsForTheRolesOfTheProtos) {
  for (const MethodDescriptor* method : AllMethods()) {
    const std::optional<Role> needed = RoleOfMethod(method->name());
    ASSERT_TRUE(needed) << method->full_name();
    for (const Role role : kRoles) {
      const grpc::Status status =
          Call(*method, "Bearer " + TokenOf(std::string(RoleName(role))));
      EXPECT_EQ(IsRefused(status), !Includes(role, *needed))
          << method->name() << " as " << RoleName(role) << ": "
          << status.error_code() << " " << status.error_message();
      if (IsRefused(status)) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
        EXPECT_EQ(ReasonOf(status), "ROLE_MISSING");
        EXPECT_EQ(MetadataOf(status)["required_role"], RoleName(*needed));
      }
    }
  }
}

TEST_F(AccessMatrixTest, NoMethodIsForThoseWithoutValidCredentials) {
  const std::map<std::string, std::string> reasons = {
      {"", "CREDENTIALS_MISSING"},
      {"Bearer " + TokenOf("nobody"), "CREDENTIALS_WRONG"},
      {"Basic b3BlcmF0b3I6", "CREDENTIALS_WRONG"},
      {"Bearer " + TokenOf("expired"), "CREDENTIALS_EXPIRED"}};
  for (const MethodDescriptor* method : AllMethods()) {
    for (const auto& [authorization, reason] : reasons) {
      const grpc::Status status = Call(*method, authorization);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED)
          << method->name() << ": " << status.error_message();
      EXPECT_EQ(ReasonOf(status), reason) << method->name();
      EXPECT_EQ(status.error_message().find("canary"), std::string::npos);
    }
  }
}

TEST_F(AccessMatrixTest, HealthIsForEverybodyAndReflectionForNobody) {
  EXPECT_EQ(Health(""), grpc::health::v1::HealthCheckResponse::SERVING);
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  const MethodDescriptor* const reflection = pool->FindMethodByName(
      "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo");
  ASSERT_NE(reflection, nullptr);
  EXPECT_EQ(Call(*reflection, "Bearer " + TokenOf("operator")).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(AccessMatrixTest, TheCallerOfLimitsIsThePrincipal) {
  std::promise<std::string> identity;
  classifier_.SetCheck([&identity](const ClassifyOutline& outline) {
    identity.set_value(outline.identity);
    return absl::OkStatus();
  });
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + TokenOf("classifier"));
  ASSERT_TRUE(Classify(context, OneImage()).ok());
  EXPECT_EQ(identity.get_future().get(), "classifier");
}

TEST_F(AccessMatrixTest, TheAuditNamesThePrincipal) {
  v1::SetAliasRequest move;
  move.set_name("models/a/aliases/next");
  move.set_version(1);
  grpc::ClientContext context;
  LimitTime(context);
  context.AddMetadata("authorization", "Bearer " + TokenOf("operator"));
  v1::SetAliasResponse moved;
  const grpc::Status status = models_->SetAlias(&context, move, &moved);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(manager_.last_mutation().actor, "operator");
}

}  // namespace
}  // namespace resnetd
