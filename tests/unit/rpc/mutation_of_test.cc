#include "server/rpc/mutation_of.h"

#include <gtest/gtest.h>

#include <string>

#include "resnetd/v1/model_service.pb.h"

namespace resnetd {
namespace {

v1::SetAliasRequest Request() {
  v1::SetAliasRequest request;
  request.set_name("models/net/aliases/stable");
  request.set_version(2);
  request.set_request_id("key");
  return request;
}

TEST(MutationOfTest, CarriesTheMethodAndTheKey) {
  const Mutation mutation = MutationOf("SetAlias", Request());
  EXPECT_EQ(mutation.method, "SetAlias");
  EXPECT_EQ(mutation.request_id, "key");
  EXPECT_EQ(mutation.actor, "anonymous");
}

TEST(MutationOfTest, TheHashIsOfEverythingButTheKey) {
  const std::string hash = MutationOf("SetAlias", Request()).request_hash;
  v1::SetAliasRequest other_key = Request();
  other_key.set_request_id("another key");
  EXPECT_EQ(MutationOf("SetAlias", other_key).request_hash, hash);
  v1::SetAliasRequest other = Request();
  other.set_validate_only(true);
  EXPECT_NE(MutationOf("SetAlias", other).request_hash, hash);
  other = Request();
  other.set_etag("g1");
  EXPECT_NE(MutationOf("SetAlias", other).request_hash, hash);
}

TEST(MutationOfTest, TheHashIsTheSameInEveryRelease) {
  // sha256sum over "resnetd.v1.SetAliasRequest\n" and the request's bytes,
  // written by hand: 0a 19 name, 10 02.
  EXPECT_EQ(MutationOf("SetAlias", Request()).request_hash,
            "fa933da4608c07b44397ee98609dfa9a64a99ab5fed737ba2df129716d4d5e76");
}

TEST(MutationOfTest, EqualBytesOfAnotherMessageHaveAnotherHash) {
  v1::RollbackAliasRequest rollback;
  rollback.set_name("models/net/aliases/stable");
  v1::DeleteAliasRequest deletion;
  deletion.set_name("models/net/aliases/stable");
  ASSERT_EQ(rollback.SerializeAsString(), deletion.SerializeAsString());
  EXPECT_NE(MutationOf("A", rollback).request_hash,
            MutationOf("A", deletion).request_hash);
}

TEST(MutationOfTest, LeavesTheRequestAsItIs) {
  const v1::SetAliasRequest request = Request();
  MutationOf("SetAlias", request);
  EXPECT_EQ(request.SerializeAsString(), Request().SerializeAsString());
}

}  // namespace
}  // namespace resnetd
