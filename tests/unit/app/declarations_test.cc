#include "server/app/declarations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string FolderError(const std::string& folder) {
  const absl::Status status = DeclareFolder(folder).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_THAT(std::string(status.message()), StartsWith("model folder \""));
  return std::string(status.message());
}

TEST(DeclareFolderTest, TakesEverythingFromTheManifest) {
  const auto model = DeclareFolder(RESNETD_SOURCE_DIR "/models/digits");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name.text(), "digits");
  EXPECT_EQ(model->alias, "stable");
  EXPECT_THAT(model->file, EndsWith("models/digits/model.safetensors"));
  EXPECT_THAT(model->labels_file, EndsWith("models/digits/labels.txt"));
  std::ifstream file(model->file, std::ios::binary);
  const std::string weights{std::istreambuf_iterator<char>(file),
                            std::istreambuf_iterator<char>()};
  EXPECT_EQ(model->sha256, Sha256Hex(AsBytes(weights)));
  EXPECT_EQ(model->architecture, "cifar_resnet8");
  EXPECT_EQ(model->num_classes, 10);
  EXPECT_EQ(model->preprocess->crop, 32);
  EXPECT_THAT(model->description, StartsWith("Handwritten digits"));
  EXPECT_THAT(model->evaluations, SizeIs(4));
}

TEST(DeclareFolderTest, WithoutAManifestTheNameOfTheFolderCounts) {
  const TempDir dir;
  const auto known = DeclareFolder(dir.MakeFolder("resnet50@v2"));
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(known->name.text(), "resnet50");
  EXPECT_EQ(known->architecture, "resnet50");
  EXPECT_EQ(known->labels_file, "");
  EXPECT_EQ(known->num_classes, 0);
  const auto unknown = DeclareFolder(dir.MakeFolder("flowers"));
  ASSERT_TRUE(unknown.ok()) << unknown.status();
  EXPECT_EQ(unknown->name.text(), "flowers");
  // It is recognised.
  EXPECT_EQ(unknown->architecture, "");
}

TEST(DeclareFolderTest, AManifestWithoutANameTakesTheFolders) {
  const TempDir dir;
  const auto model = DeclareFolder(WriteTinyModel(dir, "tiny"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name.text(), "tiny");
  EXPECT_EQ(model->sha256, "");
}

TEST(DeclareFolderTest, TakesEitherFormatButNotBoth) {
  const TempDir dir;
  const std::string folder = dir.MakeFolder("resnet18");
  dir.Write("resnet18/model.pth", "x");
  const auto model = DeclareFolder(folder);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->file, folder + "/model.pth");
  dir.Write("resnet18/model.safetensors", "x");
  EXPECT_THAT(FolderError(folder), HasSubstr("leave one of them"));
}

TEST(DeclareFolderTest, SaysWhatIsWrong) {
  const TempDir dir;
  EXPECT_THAT(FolderError(dir.File("nowhere")), HasSubstr("nowhere"));
  EXPECT_THAT(FolderError(dir.Write("file", "x")), HasSubstr("not a folder"));
  EXPECT_THAT(FolderError(dir.MakeFolder("Not A Name")),
              HasSubstr("put a \"name\" into manifest.json"));
  const std::string folder = WriteTinyModel(dir, "tiny");
  dir.Write("tiny/manifest.json", "{\"formt\": 1}");
  EXPECT_THAT(FolderError(folder), HasSubstr("manifest.json: "));
}

TEST(DeclareWeightsTest, TheFilesNameIsTheModels) {
  Config config;
  config.weights = "/models/ResNet50-11ad3fa6.pth";
  config.labels = "labels.txt";
  config.architecture = "resnet50";
  const auto model = DeclareWeights(config);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name.text(), "resnet50-11ad3fa6");
  EXPECT_EQ(model->file, config.weights);
  EXPECT_EQ(model->labels_file, "labels.txt");
  EXPECT_EQ(model->architecture, "resnet50");
  config.model_name = "other";
  EXPECT_EQ(DeclareWeights(config)->name.text(), "other");
}

TEST(DeclareWeightsTest, ANameThatIsNoneSaysWhichFlagHelps) {
  Config config;
  config.weights = "my model.pth";
  EXPECT_THAT(std::string(DeclareWeights(config).status().message()),
              HasSubstr("--model-name"));
  config.model_name = "Also Bad";
  EXPECT_THAT(std::string(DeclareWeights(config).status().message()),
              StartsWith("--model-name: "));
}

std::vector<std::string> NamesOf(const Config& config) {
  const auto models = DeclarationsOf(config);
  EXPECT_TRUE(models.ok()) << models.status();
  std::vector<std::string> names;
  for (const DeclaredModel& model : *models) {
    names.push_back(model.name.text());
  }
  return names;
}

TEST(DeclarationsOfTest, TheDemoModelServesOnlyWhereNothingElseIsSaid) {
  Config config;
  EXPECT_THAT(NamesOf(config), ElementsAre("digits"));
  config.data_dir = "/data";
  EXPECT_THAT(NamesOf(config), IsEmpty());
  config.weights = "a.pth";
  EXPECT_THAT(NamesOf(config), ElementsAre("a"));
  config.data_dir = "";
  EXPECT_THAT(NamesOf(config), ElementsAre("a"));
}

TEST(DeclarationsOfTest, FoldersComeFirstThenWeightsThenTheList) {
  const TempDir dir;
  Config config;
  config.models = {WriteTinyModel(dir, "tiny"), dir.MakeFolder("resnet18")};
  config.weights = "a.pth";
  config.models_file = dir.Write("m.toml", "[[model]]\nname='z'\nfile='z'\n");
  EXPECT_THAT(NamesOf(config), ElementsAre("tiny", "resnet18", "a", "z"));
  const auto models = DeclarationsOf(config);
  EXPECT_EQ(models->back().file, dir.File("z"));
}

TEST(DeclarationsOfTest, AnEmptyListIsNoReasonForTheDemoModel) {
  const TempDir dir;
  Config config;
  config.models_file = dir.Write("m.toml", "");
  EXPECT_THAT(NamesOf(config), IsEmpty());
}

TEST(DeclarationsOfTest, RefusesAListThatCannotBeRead) {
  const TempDir dir;
  Config config;
  config.models_file = dir.File("nowhere.toml");
  EXPECT_EQ(DeclarationsOf(config).status().message(),
            "--models-file: \"nowhere.toml\" does not exist");
  config.models_file =
      dir.Write("large.toml", std::string(kMaxModelsFileBytes + 1, '#'));
  EXPECT_EQ(DeclarationsOf(config).status().message(),
            "models file \"large.toml\" has 1048577 bytes, over 1048576");
}

TEST(DeclarationsOfTest, RefusesOneNameTwice) {
  const TempDir dir;
  Config config;
  config.models = {WriteTinyModel(dir, "a")};
  config.weights = "a.pth";
  EXPECT_THAT(std::string(DeclarationsOf(config).status().message()),
              HasSubstr("is declared twice"));
}

}  // namespace
}  // namespace resnetd
