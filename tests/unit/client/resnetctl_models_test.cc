// The commands of resnetctl that move, check and delete versions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/support/silent_listener.h"
#include "tests/unit/client/models_fixture.h"

namespace resnetd::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using nlohmann::json;

// --- aliases ---

TEST_F(ModelsTest, PromotesAndRollsBack) {
  ImportCats();
  ProcessResult result = Run({"models", "promote", "cats@2"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "stable of cats names version 2, before 1\n");
  EXPECT_EQ(result.err,
            "next: resnetctl models rollback cats, if it does worse\n");
  result = Run({"models", "rollback", "cats"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "stable of cats names version 1, before 2\n");
  EXPECT_EQ(RunJson({"models", "promote", "models/cats/versions/2"}),
            json::parse(R"({"alias": {
              "name": "models/cats/aliases/stable", "version": 2,
              "previous_version": 1, "generation": 4, "etag": "g4",
              "update_time": "2026-11-21T12:00:00+00:00"},
              "dry_run": false})"));
}

TEST_F(ModelsTest, ChecksAPromotionWithoutDoingIt) {
  ImportCats();
  const ProcessResult result =
      Run({"models", "promote", "cats@2", "--dry-run"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "checked, nothing was changed: it would be that stable of cats "
            "names version 2, before 1\n");
  EXPECT_EQ(RunJson({"models", "show", "cats"})["model"]["serving_version"], 1);
}

TEST_F(ModelsTest, WaitsUntilEveryReplicaFollows) {
  ImportCats();
  // Twice the same server is one replica.
  const std::string replicas = fake_.address() + "," + fake_.address();
  const ProcessResult result =
      Run({"models", "promote", "cats@2", "--wait", "--replicas", replicas});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "stable of cats names version 2, before 1\n"
            "1 of 1 replica serves cats@2\n");
  // It stands for each of its addresses, of which the fake listens at one.
  const std::string port = fake_.address().substr(fake_.address().find(':'));
  const json document = RunJson({"models", "rollback", "cats", "--wait"});
  EXPECT_EQ(document["replicas"], json::parse(R"([{"server": "127.0.0.1)" +
                                              port + R"(", "version": 1}])"));
}

TEST_F(ModelsTest, TellsWhichReplicaDoesNotFollowInTime) {
  ImportCats();
  const std::string replicas = fake_.address() + ",127.0.0.1:1";
  const json document = RunJson({"models", "promote", "cats@2", "--wait",
                                 "--replicas", replicas, "--timeout", "300ms"},
                                5);
  EXPECT_EQ(document["alias"]["version"], 2);
  EXPECT_EQ(document["replicas"][0]["version"], 2);
  EXPECT_EQ(document["replicas"][1]["server"], "127.0.0.1:1");
  EXPECT_EQ(document["replicas"][1]["error"]["reason"], "NO_CONNECTION");
  EXPECT_EQ(document["error"]["reason"], "REPLICAS_BEHIND");
  const ProcessResult result =
      Run({"models", "promote", "cats@2", "--wait", "--replicas", replicas,
           "--timeout", "300ms"});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.out, StartsWith("stable of cats names version 2"));
  EXPECT_THAT(result.err,
              HasSubstr("error: stable of cats was moved, but after "
                        "300.0 ms only 1 of 2 replicas serve cats@2: "
                        "127.0.0.1:1 did not say: "));
  EXPECT_THAT(result.err, HasSubstr("the same command waits again"));
  EXPECT_EQ(Run({"models", "promote", "cats@2", "--wait", "--dry-run"}).code,
            2);
  EXPECT_EQ(
      Run({"models", "promote", "cats@2", "--wait", "--replicas", "a b"}).code,
      8);
}

TEST_F(ModelsTest, IsNotHeldUpByAReplicaThatHangs) {
  ImportCats();
  const SilentListener silent;
  const auto began = std::chrono::steady_clock::now();
  const json document =
      RunJson({"models", "promote", "cats@2", "--wait", "--replicas",
               fake_.address() + "," + silent.address(), "--timeout", "300ms"},
              5);
  // Two seconds at most, by design. gRPC gives a connection that hangs up
  // after 20 s.
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(15));
  EXPECT_EQ(document["error"]["reason"], "REPLICAS_BEHIND");
  EXPECT_THAT(
      document["error"]["message"].get<std::string>(),
      AllOf(HasSubstr("only 1 of 2 replicas serve cats@2"),
            HasSubstr(silent.address() + " did not say: no connection to ")));
  EXPECT_EQ(document["replicas"][0]["version"], 2);
  EXPECT_EQ(document["replicas"][1]["error"]["reason"], "NO_CONNECTION");
}

TEST_F(ModelsTest, PromotesOnlyOverTheVersionThatIsExpected) {
  ImportCats();
  const ProcessResult result =
      Run({"models", "promote", "cats@2", "--expect", "7"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "error: stable of cats does not name version 7: it names version 1 "
            "now; if that is fine, say --expect 1\n");
  EXPECT_EQ(Run({"models", "promote", "cats@2", "--expect", "1"}).code, 0);
}

TEST_F(ModelsTest, AsksBeforeLabelsChange) {
  ImportCats();
  Run({"models", "import", File("c.pth", FakeWeights(2)), "--name", "cats",
       "--labels", File("l.txt", "x\ny\n")});
  const ProcessResult result = Run({"models", "promote", "cats@3"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("say --allow-label-change\n"));
  EXPECT_EQ(Run({"models", "promote", "cats@3", "--allow-label-change"}).code,
            0);
}

TEST_F(ModelsTest, SetsUsesAndDeletesAnAlias) {
  ImportCats();
  ProcessResult result = Run({"models", "alias", "set", "cats@2", "canary"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "canary of cats names version 2\n");
  EXPECT_EQ(result.err, "next: resnetctl classify -m cats@canary PICTURE\n");
  Run({"classify", "-m", "cats@canary", Picture("a.jpg")});
  EXPECT_EQ(fake_.classify_requests().back().model(),
            "models/cats/aliases/canary");
  EXPECT_EQ(RunJson({"models", "show", "cats@canary"})["version"]["version"],
            2);
  EXPECT_EQ(
      Run({"models", "alias", "set", "cats@1", "canary", "--expect", "0"}).code,
      1);
  result = Run({"models", "alias", "delete", "cats@canary"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "deleted models/cats/aliases/canary\n");
  result = Run({"models", "show", "cats@canary"});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err,
              HasSubstr("cats has no alias \"canary\"; there are stable"));
}

TEST_F(ModelsTest, TellsThatThereIsNothingToGoBackTo) {
  const ProcessResult result = Run({"models", "rollback", "digits"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "error: the alias never named another version: `resnetctl models "
            "promote digits@N` names one\n");
}

// --- delete, load ---

TEST_F(ModelsTest, DeletesOnlyWhatWasConfirmed) {
  ImportCats();
  ProcessResult result = Run({"models", "delete", "cats@2"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("add --yes"));
  result = Run({"models", "delete", "cats@2", "--dry-run"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "it could be deleted: models/cats/versions/2\n");
  EXPECT_EQ(
      RunJson({"models", "delete", "cats@2", "--yes"})["version"]["state"],
      "RETIRED");
  result = Run({"models", "delete", "cats@2", "--yes"});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, HasSubstr("`resnetctl models versions cats` shows"));
}

TEST_F(ModelsTest, NamesTheAliasesInTheWayOfADeletion) {
  ImportCats();
  Run({"models", "alias", "set", "cats@1", "canary"});
  const ProcessResult result = Run({"models", "delete", "cats@1", "-y"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "error: version 1 is in use: aliases name it: `resnetctl models "
            "alias delete cats@canary` removes canary, `resnetctl models "
            "promote cats@N` moves stable to another version\n");
}

TEST_F(ModelsTest, LoadsWarmsAndUnloads) {
  ImportCats();
  ProcessResult result = Run({"models", "warmup", "cats@2"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("`resnetctl models load cats@N` loads it"));
  EXPECT_EQ(Run({"models", "load", "cats@2"}).out,
            "cats@2 is READY: 120.0 MiB in memory, loaded in 250.0 ms, engine "
            "in fp32\n");
  EXPECT_EQ(Run({"models", "warmup", "cats@2"}).out,
            "cats@2 ran 4 batches in 80.0 ms and gives the answers it was "
            "stored with\n");
  const json document = RunJson({"models", "warmup", "cats@2"});
  EXPECT_EQ(document["batches"], 4);
  EXPECT_EQ(document["duration_ms"], 80.0);
  EXPECT_EQ(Run({"models", "unload", "cats@2"}).out, "cats@2 is UNLOADED\n");
  EXPECT_EQ(Run({"models", "unload", "cats@stable"}).code, 1);
}

// --- views ---

TEST_F(ModelsTest, ListsEveryVersionOfEveryPage) {
  ImportCats();
  Run({"models", "import", File("c.pth", FakeWeights(2, "third")), "--name",
       "cats", "--description", "a try"});
  const ProcessResult result = Run({"models", "versions", "cats"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("VERSION  STATE     ALIASES  ARCHITECTURE "
                                     " CLASSES  SIZE  CREATED (UTC)"));
  EXPECT_THAT(result.out, HasSubstr("\n      3  UNLOADED           resnet50"));
  EXPECT_THAT(result.out, HasSubstr("  a try\n"));
  EXPECT_THAT(result.out, HasSubstr("\n      1  READY     stable   resnet50"));
  const json document = RunJson({"models", "versions", "cats"});
  ASSERT_EQ(document["versions"].size(), 3U);
  EXPECT_FALSE(document["versions"][0].contains("labels"));
  EXPECT_EQ(document["versions"][0]["state"], "COMMITTED");
  EXPECT_EQ(Run({"models", "versions", "dogs"}).code, 4);
}

// --- verify ---

TEST_F(ModelsTest, ProvesEverythingThatIsStored) {
  ImportCats();
  const ProcessResult result = Run({"models", "verify"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, StartsWith("VERSION   RESULT  BLOBS"));
  EXPECT_THAT(result.out, HasSubstr("\ncats@2    ok          3"));
  EXPECT_THAT(result.out, HasSubstr("\ndigits@3  ok          3"));
  const json document = RunJson({"models", "verify", "cats"});
  EXPECT_EQ(document["ok"], true);
  ASSERT_EQ(document["versions"].size(), 2U);
  EXPECT_EQ(document["versions"][0]["name"], "models/cats/versions/2");
  EXPECT_EQ(document["versions"][0]["blobs"], 3);
  EXPECT_EQ(document["versions"][0]["problems"], json::array());
}

TEST_F(ModelsTest, FindsBlobsThatAreDamagedOrLost) {
  ImportCats();
  FakeModels& models = fake_.models();
  models.Damage(models.version("cats", 1).weights_sha256());
  models.Lose(models.version("cats", 2).manifest_sha256());
  const ProcessResult result = Run({"models", "verify"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("cats@1    damaged"));
  EXPECT_THAT(result.out, HasSubstr("cats@2    damaged"));
  EXPECT_THAT(result.out, HasSubstr("digits@3  ok"));
  EXPECT_THAT(result.err, HasSubstr("error: cats@1: weights_sha256 " +
                                    models.version("cats", 1).weights_sha256() +
                                    ": the download is damaged: sha256 is "));
  EXPECT_THAT(result.err, HasSubstr("error: cats@2: the manifest "));
  EXPECT_THAT(result.err, HasSubstr("2 of 3 versions are damaged"));
  EXPECT_EQ(RunJson({"models", "verify", "cats@1"}, 1)["ok"], false);
  EXPECT_EQ(Run({"models", "verify", "digits@3"}).code, 0);
}

TEST_F(ModelsTest, FindsAManifestThatNamesOtherWeights) {
  FakeModels& models = fake_.models();
  const std::string other =
      models.Keep(R"({"weights_sha256":")" + models.Keep("others") + R"("})");
  models.Change("digits", 3, [&other](v1::Version& version) {
    version.set_manifest_sha256(other);
    version.clear_labels();
    version.add_labels("one");
  });
  const json document = RunJson({"models", "verify", "digits"}, 1);
  EXPECT_THAT(
      document["versions"][0]["problems"].get<std::vector<std::string>>(),
      ElementsAre(HasSubstr("the manifest does not name the weights ")));
}

TEST_F(ModelsTest, EndsAVerificationThatLosesItsServer) {
  Fail("GetBlob",
       RichError(grpc::StatusCode::PERMISSION_DENIED, "no", "FORBIDDEN"));
  EXPECT_EQ(Run({"models", "verify"}).code, 7);
}

// --- errors that any of them meets ---

TEST_F(ModelsTest, RepeatsAChangeUnderOneRequestId) {
  ImportCats();
  int answers = 0;
  fake_.models().after = [&answers](const std::string& method) {
    return method == "RollbackAlias" && ++answers == 1
               ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone")
               : grpc::Status::OK;
  };
  Run({"models", "promote", "cats@2"});
  EXPECT_EQ(Run({"models", "rollback", "cats"}).out,
            "stable of cats names version 1, before 2\n");
}

TEST_F(ModelsTest, RefusesARequestIdThatIsUsed) {
  ImportCats();
  EXPECT_EQ(Run({"models", "promote", "cats@2", "--request-id", "once"}).code,
            0);
  const ProcessResult result =
      Run({"models", "promote", "cats@1", "--request-id", "once"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("say another --request-id, or none"));
}

TEST_F(ModelsTest, RefusesWhatNamesNoVersionAsWrongUsage) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"models", "promote", "cats"},
           {"models", "promote", "cats@0"},
           {"models", "show", "Cats"},
           {"models", "rollback", "cats@2"},
           {"models", "alias"},
           {"models", "alias", "set", "cats@2"},
           {"models", "alias", "set", "cats@2", "7"},
           {"models", "alias", "delete", "cats"},
           {"models", "watch", "cats@2"},
           {"models", "import", "x", "--name", "a/b"}}) {
    const ProcessResult result = Run(words);
    EXPECT_EQ(result.code, 2) << words.back();
    EXPECT_THAT(result.err, HasSubstr("error: "));
    EXPECT_THAT(result.err, HasSubstr(" --help`.\n"));
  }
  EXPECT_EQ(fake_.calls(), 0);
}

TEST_F(ModelsTest, SaysThatThereIsNoServer) {
  const std::string file = File("cats.pth", FakeWeights(2));
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"models", "import", file},
           {"models", "export", "cats", InFolder("x")},
           {"models", "promote", "cats@2"},
           {"models", "verify"},
           {"models", "watch"}}) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"-s", "localhost:1"});
    const ProcessResult result = Run(all);
    EXPECT_EQ(result.code, 3) << words[1];
    EXPECT_THAT(result.err, HasSubstr("no server at localhost:1"));
  }
  EXPECT_EQ(ReadFile(InFolder("x")), "");
}

TEST_F(ModelsTest, NeverPrintsControlCharactersOfADescription) {
  Run({"models", "import", File("cats.pth", FakeWeights(2)), "--description",
       "\x1b]0;owned"});
  for (const char* command : {"show", "versions"}) {
    const ProcessResult result = Run({"models", command, "cats"});
    EXPECT_THAT(result.out, HasSubstr("owned"));
    EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
  }
}

}  // namespace
}  // namespace resnetd::test
