// The commands of resnetctl that move files: models import, models export.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/unit/client/models_fixture.h"

namespace resnetd::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using nlohmann::json;

// --- import ---

TEST_F(ModelsTest, ImportsAFileUnderItsOwnName) {
  const std::string weights = FakeWeights(3);
  const ProcessResult result =
      Run({"models", "import", File("resnet50.pth", "pth:" + weights),
           "--labels", File("labels.txt", "cat\r\ndog\nowl\n")});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "imported  models/resnet50/versions/1\n"
            "is        resnet50, 3 classes, 21 B\n"
            "labels    cat, dog, owl\n"
            "sha256    " +
                DigestOf("pth:" + weights) +
                "\n"
                "answers   yes, to every call that names the model\n");
  EXPECT_EQ(result.err, "next: resnetctl classify -m resnet50 PICTURE\n");
}

TEST_F(ModelsTest, ImportsASecondVersionThatWaitsForItsPromotion) {
  ImportCats();
  const ProcessResult result =
      Run({"models", "import", File("c.pth", FakeWeights(2, "third")), "--name",
           "cats"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("answers   no, version 1 does\n"));
  EXPECT_EQ(result.err,
            "next: resnetctl models promote cats@3\n"
            "      resnetctl models load cats@3\n");
}

TEST_F(ModelsTest, SaysThatAVersionIsThereAlready) {
  ImportCats();
  const std::vector<std::string> words = {
      "models", "import", File("b.pth", FakeWeights(2, "second")), "--name",
      "cats"};
  EXPECT_THAT(Run(words).out,
              StartsWith("already there  models/cats/versions/2\n"));
  EXPECT_EQ(RunJson(words)["created"], false);
}

TEST_F(ModelsTest, ImportsAndPromotesInOneCommand) {
  ImportCats();
  const json document =
      RunJson({"models", "import", File("c.pth", FakeWeights(2, "third")),
               "--name", "cats", "--promote"});
  EXPECT_EQ(document["version"]["version"], 3);
  EXPECT_EQ(document["version"]["residency"], "READY");
  EXPECT_EQ(document["version"]["aliases"], json::parse(R"(["stable"])"));
  EXPECT_EQ(document["serving_version"], 3);
  EXPECT_EQ(document["alias"]["previous_version"], 1);
  EXPECT_EQ(document["created"], true);
  EXPECT_EQ(document["dry_run"], false);
}

TEST_F(ModelsTest, TellsAnImportFromAPromotionThatFailed) {
  ImportCats();
  const std::vector<std::string> words = {
      "models",    "import",   File("c.pth", FakeWeights(2)), "--name", "cats",
      "--promote", "--labels", File("l.txt", "x\ny\n")};
  const ProcessResult result = Run(words);
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, StartsWith("imported  models/cats/versions/3\n"));
  EXPECT_THAT(result.err, StartsWith("error: the labels of version 3 differ"));
  EXPECT_THAT(result.err, HasSubstr("--allow-label-change\n"));
  const json document = RunJson(words, 1);
  EXPECT_EQ(document["version"]["version"], 3);
  EXPECT_EQ(document["alias"], nullptr);
  EXPECT_EQ(document["error"]["reason"], "LABEL_CHANGE");
}

TEST_F(ModelsTest, ChecksAnImportWithoutKeepingIt) {
  const ProcessResult result =
      Run({"models", "import", File("cats.pth", FakeWeights(2)), "--dry-run"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("checked  it would be a version; nothing "
                                     "was kept\n"));
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(Run({"models", "show", "cats"}).code, 4);
}

TEST_F(ModelsTest, SendsWhatTheOptionsSay) {
  const std::string file = File("cats.pth", FakeWeights(2));
  const json document =
      RunJson({"models", "import", file, "--architecture", "resnet34",
               "--resize", "232", "--mean", "0.5,0.5,0.5", "--description",
               "a try", "--parent", "7"});
  const json& version = document["version"];
  EXPECT_EQ(version["architecture"], "resnet34");
  EXPECT_EQ(version["description"], "a try");
  EXPECT_EQ(version["parent_version"], 7);
  EXPECT_EQ(version["preprocess"], json::parse(R"({
    "resize": 232, "crop": 224, "mean": [0.5, 0.5, 0.5],
    "std": [0.229, 0.224, 0.225]})"));
}

TEST_F(ModelsTest, SendsAFileOfSeveralPieces) {
  const std::string weights = FakeWeights(2, std::string(2'500'000, 'x'));
  const json document =
      RunJson({"models", "import", File("cats.pth", weights)});
  EXPECT_EQ(document["version"]["weights_sha256"], DigestOf(weights));
  EXPECT_EQ(document["version"]["weights_bytes"], weights.size());
}

TEST_F(ModelsTest, ShowsTheProgressOfAnImportOnATerminalOnly) {
  ProcessOptions options =
      Command({"models", "import",
               File("cats.pth", FakeWeights(2, std::string(2'500'000, 'x')))});
  options.err_is_tty = true;
  const ProcessResult live = RunProcess(options);
  EXPECT_EQ(live.code, 0);
  EXPECT_THAT(live.err, HasSubstr("hashing "));
  EXPECT_THAT(live.err, HasSubstr("2.4 MiB of 2.4 MiB"));
  EXPECT_THAT(live.err, HasSubstr("the server checks and loads it"));
  options.words.push_back("-q");
  EXPECT_EQ(RunProcess(options).err, "");
}

TEST_F(ModelsTest, RefusesFilesThatAreNone) {
  EXPECT_EQ(Run({"models", "import", InFolder("none.pth")}).err,
            "error: \"" + InFolder("none.pth") + "\" does not exist\n");
  EXPECT_EQ(
      RunJson({"models", "import", InFolder("none.pth")}, 8)["error"]["reason"],
      "FILE_NOT_FOUND");
  EXPECT_THAT(Run({"models", "import", File("e.pth", "")}).err,
              HasSubstr("is empty: a .safetensors or .pth file is expected"));
  EXPECT_THAT(Run({"models", "import", folder_.path(), "--name", "x"}).err,
              HasSubstr("is a directory: name a file"));
  EXPECT_THAT(Run({"models", "import", File("a.pth", FakeWeights(2)),
                   "--labels", InFolder("none.txt")})
                  .err,
              HasSubstr("none.txt\" does not exist"));
}

TEST_F(ModelsTest, RefusesALegacyFileBeforeItIsSent) {
  const std::string file =
      File("old model.pth",
           std::string(
               "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14) +
               "rest");
  const ProcessResult result =
      Run({"models", "import", file, "--name", "cats"});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.err, HasSubstr("before PyTorch 1.6"));
  EXPECT_THAT(result.err,
              HasSubstr("\n  python3 -c 'import sys, torch; torch.save("));
  EXPECT_THAT(result.err, HasSubstr("' '" + file + "' '" + file + ".new'\n"));
  EXPECT_EQ(fake_.calls(), 0);
}

TEST_F(ModelsTest, AsksForANameWhenTheFilesIsNone) {
  const std::string file = File("My Cats.pth", FakeWeights(2));
  const ProcessResult result = Run({"models", "import", file});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.err, HasSubstr("name it with --name"));
  EXPECT_EQ(fake_.calls(), 0);
}

TEST_F(ModelsTest, PrintsTheWholeDifferenceOfWeights) {
  const ProcessResult result =
      Run({"models", "import", File("cats.pth", "no weights")});
  EXPECT_EQ(result.code, 8);
  EXPECT_EQ(result.err,
            "error: the weights do not fit resnet50:\n  missing: fc.weight\n"
            "  unknown: head.weight\n");
}

TEST_F(ModelsTest, SaysWhichLabelsDoNotFit) {
  const ProcessResult result =
      Run({"models", "import", File("cats.pth", FakeWeights(3)), "--labels",
           File("labels.txt", "cat\ndog")});
  EXPECT_EQ(result.code, 8);
  EXPECT_EQ(result.err, "error: has 2 labels, the model has 3 classes\n");
}

TEST_F(ModelsTest, TellsTheFiguresOfAFullStoreAndOfMemory) {
  Fail("ImportVersion",
       RichError(grpc::StatusCode::RESOURCE_EXHAUSTED, "the store is full",
                 "STORAGE_FULL",
                 {{"needed", "104857600"}, {"free", "3145728"}}));
  const std::string file = File("cats.pth", FakeWeights(2));
  ProcessResult result = Run({"models", "import", file});
  EXPECT_EQ(result.code, 6);
  EXPECT_EQ(result.err,
            "error: the store is full: it needs 100.0 MiB, 3.0 MiB are free; "
            "`resnetctl models delete NAME@N` removes a version\n");
  Fail("LoadVersion", RichError(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                "no room for digits@3", "MEMORY_ADMISSION",
                                {{"needed", "104857600"},
                                 {"free", "3145728"},
                                 {"limit", "268435456"}},
                                "models/digits/versions/3"));
  result = Run({"models", "load", "digits@3"});
  EXPECT_EQ(result.code, 6);
  EXPECT_EQ(result.err,
            "error: no room for digits@3: it needs 100.0 MiB, 3.0 MiB of 256.0 "
            "MiB are free; `resnetctl models unload digits@N` frees a "
            "version\n");
}

TEST_F(ModelsTest, WritesAGrpcurlLineForAnUploadThatTheShellUnderstands) {
  const std::string weights = FakeWeights(2, std::string(1'500'000, 'x'));
  const std::string file = File("my cats.pth", weights);
  const ProcessResult result = Run({"-v", "models", "import", file, "--name",
                                    "cats", "--request-id", "r-1"});
  EXPECT_EQ(result.code, 0) << result.err;
  const std::size_t begin = result.err.find("like: (") + 6;
  const std::size_t end = result.err.find(") | grpcurl -plaintext -d @ ");
  ASSERT_NE(end, std::string::npos) << result.err;
  ProcessOptions shell = Command({});
  shell.words = {"/bin/sh", "-c", result.err.substr(begin, end - begin + 1)};
  const ProcessResult printed = RunProcess(shell);
  EXPECT_EQ(printed.code, 0) << printed.err;
  std::istringstream lines(printed.out);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(json::parse(line), json({{"header",
                                      {{"model", "models/cats"},
                                       {"sha256", DigestOf(weights)},
                                       {"size_bytes", weights.size()},
                                       {"request_id", "r-1"}}}}));
  int chunks = 0;
  while (std::getline(lines, line)) {
    EXPECT_TRUE(json::parse(line)["chunk"].is_string());
    ++chunks;
  }
  EXPECT_EQ(chunks, 2);
}

// --- export ---

TEST_F(ModelsTest, ExportsWeightsAndLabels) {
  ImportCats();
  const ProcessResult result =
      Run({"models", "export", "cats", InFolder("out.safetensors"), "--labels",
           InFolder("out.txt")});
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string weights = FakeWeights(2, "first");
  EXPECT_EQ(ReadFile(InFolder("out.safetensors")), weights);
  EXPECT_EQ(ReadFile(InFolder("out.txt")), "0\n1\n");
  EXPECT_EQ(result.out,
            "exported  models/cats/versions/1\n"
            "is        resnet50, 2 classes, 15 B\n"
            "file      " +
                InFolder("out.safetensors") +
                "\n"
                "size      15 B\n"
                "sha256    " +
                DigestOf(weights) + "\n" + "labels    " + InFolder("out.txt") +
                "\n");
}

TEST_F(ModelsTest, ExportsUnderTheNameOfTheVersion) {
  ImportCats();
  ProcessOptions options = Command({});
  options.words = {"/bin/sh", "-c",
                   "cd \"$1\" && \"$0\" models export cats@2 -o json",
                   options.words[0], folder_.path()};
  const ProcessResult result = RunProcess(options);
  EXPECT_EQ(result.code, 0) << result.err;
  const json document = json::parse(result.out);
  EXPECT_EQ(document["file"], "cats-2.safetensors");
  EXPECT_EQ(document["size_bytes"], 16);
  EXPECT_EQ(document["sha256"], DigestOf(FakeWeights(2, "second")));
  EXPECT_EQ(document["version"]["name"], "models/cats/versions/2");
  EXPECT_FALSE(document.contains("labels_file"));
  EXPECT_EQ(ReadFile(InFolder("cats-2.safetensors")), FakeWeights(2, "second"));
}

TEST_F(ModelsTest, ReplacesAFileOnlyWhenTold) {
  const std::string file = File("there.safetensors", "precious");
  ProcessResult result = Run({"models", "export", "digits", file});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("is there already: --force replaces it"));
  EXPECT_EQ(ReadFile(file), "precious");
  result = Run({"models", "export", "digits", file, "--force"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(ReadFile(file), FakeWeights(12, "digits"));
}

TEST_F(ModelsTest, LeavesNothingOfADownloadThatIsDamaged) {
  fake_.models().Damage(fake_.models().version("digits", 3).weights_sha256());
  const ProcessResult result =
      Run({"models", "export", "digits", InFolder("out.safetensors")});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("the download is damaged: sha256 is "));
  EXPECT_THAT(result.err, HasSubstr("`resnetctl models verify`"));
  EXPECT_EQ(ReadFile(InFolder("out.safetensors")), "");
  const ProcessResult left = RunProcess({.words = {"/bin/ls", folder_.path()}});
  EXPECT_EQ(left.out, "");
}

}  // namespace
}  // namespace resnetd::test
