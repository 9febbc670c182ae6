#include "server/app/plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::string Fake(const std::string& name) {
  return absl::StrCat(FAKE_PLUGIN_FOLDER, "/fake_plugin_", name, ".so");
}

// What the entry points answer, which must be the same but for the last
// words.
struct Refusals {
  absl::Status backend;
  absl::Status trainer;
  absl::Status probe;
};

Refusals Refusal(const std::vector<std::string>& candidates) {
  return {LoadBackendPlugin(candidates).status(),
          LoadTrainerPlugin(candidates).status(),
          LoadProbePlugin(candidates).status()};
}

// What every refusal has in common: the code, the reason, what to do, and no
// path of this machine.
void ExpectUnavailable(const absl::Status& status, const std::string& what,
                       const std::string& advice) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(DetailsOf(status).reason, "BACKEND_UNAVAILABLE");
  EXPECT_THAT(std::string(status.message()),
              AllOf(StartsWith("the LibTorch plug-in "), HasSubstr(what),
                    EndsWith(": run ./dev setup && ./dev build" + advice),
                    Not(HasSubstr("/fake")), Not(HasSubstr(".so"))));
}

void ExpectUnavailable(const Refusals& refusals, const std::string& backend,
                       const std::string& trainer, const std::string& probe) {
  ExpectUnavailable(refusals.backend, backend,
                    ", or start without --backend=torch");
  ExpectUnavailable(refusals.trainer, trainer, " to be able to train");
  ExpectUnavailable(refusals.probe, probe, " to be able to probe gradients");
}

void ExpectUnavailable(const Refusals& refusals, const std::string& what) {
  ExpectUnavailable(refusals, what, what, what);
}

std::string NewerThan(int abi) {
  return absl::StrCat("has interface ", abi + 1, ", this server needs ", abi);
}

TEST(PluginTest, LoadsAPluginOfThisBuild) {
  const auto plugin = LoadBackendPlugin({Fake("good")});
  ASSERT_TRUE(plugin.ok()) << plugin.status();
  EXPECT_STREQ((*plugin)->library, "fake 1.0");
  EXPECT_EQ((*plugin)->create({}).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(PluginTest, LoadsTheTrainersOfThisBuild) {
  const auto plugin = LoadTrainerPlugin({Fake("good")});
  ASSERT_TRUE(plugin.ok()) << plugin.status();
  EXPECT_STREQ((*plugin)->library, "fake trainer 1.0");
  EXPECT_EQ((*plugin)->create({}).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(PluginTest, LoadsTheProbersOfThisBuild) {
  const auto plugin = LoadProbePlugin({Fake("good")});
  ASSERT_TRUE(plugin.ok()) << plugin.status();
  EXPECT_STREQ((*plugin)->library, "fake prober 1.0");
  EXPECT_EQ((*plugin)->create().status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(PluginTest, GivesTheSamePluginWhenLoadedTwice) {
  const auto first = LoadBackendPlugin({Fake("good")});
  const auto second = LoadBackendPlugin({Fake("good")});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, *second);
  const auto trainer = LoadTrainerPlugin({Fake("good")});
  const auto again = LoadTrainerPlugin({Fake("good")});
  ASSERT_TRUE(trainer.ok() && again.ok());
  EXPECT_EQ(*trainer, *again);
}

TEST(PluginTest, TakesTheFirstCandidateThatExists) {
  EXPECT_TRUE(LoadBackendPlugin({"/nowhere/x.so", Fake("good")}).ok());
  EXPECT_TRUE(LoadTrainerPlugin({"/nowhere/x.so", Fake("good")}).ok());
  // One that exists decides, even when a better one would follow: otherwise a
  // broken installation would go unnoticed.
  ExpectUnavailable(Refusal({Fake("wrong_abi"), Fake("good")}), "interface");
}

TEST(PluginTest, SaysThatThePluginIsNotInstalled) {
  ExpectUnavailable(Refusal({"/nowhere/libresnetd_torch.so"}),
                    "is not installed");
  ExpectUnavailable(Refusal({}), "is not installed");
}

TEST(PluginTest, RefusesAFileThatIsNoLibrary) {
  const TempDir folder;
  const std::string path = absl::StrCat(folder.path(), "/text.so");
  std::ofstream(path) << "not a library\n";
  ExpectUnavailable(Refusal({path}), "cannot be loaded");
}

TEST(PluginTest, RefusesAFolder) {
  const TempDir folder;
  ExpectUnavailable(Refusal({std::string(folder.path())}), "cannot be loaded");
}

TEST(PluginTest, RefusesALibraryWhoseSymbolsNobodyHas) {
  ExpectUnavailable(Refusal({Fake("unresolved")}), "cannot be loaded");
}

TEST(PluginTest, RefusesALibraryWithoutTheEntryPoint) {
  ExpectUnavailable(Refusal({Fake("no_symbol")}), "has no entry point");
}

TEST(PluginTest, RefusesAPluginWithAnotherInterface) {
  ExpectUnavailable(Refusal({Fake("wrong_abi")}), NewerThan(kBackendPluginAbi),
                    NewerThan(kTrainerPluginAbi), NewerThan(kProbePluginAbi));
}

TEST(PluginTest, RefusesAPluginWithOtherTypes) {
  ExpectUnavailable(Refusal({Fake("wrong_layout")}), "other sources");
}

TEST(PluginTest, RefusesAPluginThatOffersNothing) {
  ExpectUnavailable(Refusal({Fake("null")}), "offers nothing");
  ExpectUnavailable(Refusal({Fake("no_create")}), "other sources");
}

TEST(PluginTest, LooksBesideTheExecutableFirstThenInLib) {
  EXPECT_THAT(TorchPluginCandidates("/opt/resnetd/bin"),
              ElementsAre("/opt/resnetd/bin/libresnetd_torch.so",
                          "/opt/resnetd/bin/../lib/libresnetd_torch.so",
                          "/opt/resnetd/bin/../lib/resnetd/"
                          "libresnetd_torch.so"));
  EXPECT_THAT(TorchPluginCandidates(""), IsEmpty());
}

TEST(PluginTest, KnowsItsOwnFolder) {
  EXPECT_EQ(ExecutableFolder(), absl::StrCat(RESNETD_BINARY_DIR, "/bin"));
}

}  // namespace
}  // namespace resnetd
