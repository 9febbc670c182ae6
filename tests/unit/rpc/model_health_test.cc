#include "server/rpc/model_health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <string>

#include "tests/support/fake_model.h"
#include "tests/support/fake_model_manager.h"

namespace resnetd {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

class ModelHealthTest : public testing::Test {
 protected:
  std::map<std::string, bool> TakeTold() { return std::exchange(told_, {}); }

  FakeModelManager manager_;
  ModelRegistry registry_;
  std::map<std::string, bool> told_;
  ModelHealth health_{manager_, registry_,
                      [this](const ModelName& model, bool is_serving) {
                        told_[model.text()] = is_serving;
                      }};
};

TEST_F(ModelHealthTest, AModelIsHealthyWhileItAnswers) {
  manager_.Add("a", "1");
  manager_.Add("b", "2");
  registry_.Serve(FakeVersion(FakeFacts("b")));
  health_.Refresh();
  EXPECT_THAT(TakeTold(),
              UnorderedElementsAre(Pair("a", false), Pair("b", true)));
  registry_.Serve(FakeVersion(FakeFacts("a")));
  registry_.Publish(ModelName::Parse("b").value(), {});
  health_.Refresh();
  EXPECT_THAT(TakeTold(),
              UnorderedElementsAre(Pair("a", true), Pair("b", false)));
}

TEST_F(ModelHealthTest, AModelThatIsGoneIsNotHealthy) {
  manager_.Add("a", "1");
  registry_.Serve(FakeVersion(FakeFacts("a")));
  health_.Refresh();
  EXPECT_THAT(TakeTold(), UnorderedElementsAre(Pair("a", true)));
  manager_.RemoveModel("a");
  health_.Refresh();
  EXPECT_THAT(TakeTold(), UnorderedElementsAre(Pair("a", false)));
  health_.Refresh();
  EXPECT_THAT(TakeTold(), IsEmpty());
}

TEST_F(ModelHealthTest, KeepsTheHealthWhenTheStoreCannotBeRead) {
  manager_.Fail("ListModels", absl::DataLossError("damaged"));
  health_.Refresh();
  EXPECT_THAT(TakeTold(), IsEmpty());
}

TEST_F(ModelHealthTest, LooksOfSeveralThreadsTakeTurns) {
  manager_.Add("a", "1");
  manager_.Hold("ListModels");
  auto first = std::async(std::launch::async, [this] { health_.Refresh(); });
  manager_.AwaitCalls("ListModels", 1);
  auto second = std::async(std::launch::async, [this] { health_.Refresh(); });
  registry_.Serve(FakeVersion(FakeFacts("a")));
  manager_.ReleaseAll();
  first.get();
  second.get();
  EXPECT_THAT(TakeTold(), UnorderedElementsAre(Pair("a", true)));
}

}  // namespace
}  // namespace resnetd
