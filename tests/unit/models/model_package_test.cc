#include "server/models/model_package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "tests/support/pth_writer.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class ModelPackageTest : public testing::Test {
 protected:
  // Reads the model "tiny" of `dir_`, expected to fail; no error may show where
  // the folder lies.
  absl::Status Refused(const std::string& folder) {
    const absl::Status status = ReadModelFolder(folder).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr(dir_.path())));
    return status;
  }
  std::string TextOf(const absl::Status& status) {
    return std::string(status.message());
  }

  TempDir dir_;
};

TEST_F(ModelPackageTest, HoldsFactsNetworkAndWeights) {
  const auto package = ReadModelFolder(WriteTinyModel(dir_));
  ASSERT_TRUE(package.ok()) << package.status();
  const VersionFacts& facts = package->facts;
  EXPECT_EQ(facts.name.text(), "tiny");
  EXPECT_EQ(facts.version.value, 1);
  EXPECT_EQ(facts.architecture.name, "cifar_resnet8");
  EXPECT_EQ(facts.architecture.num_classes, 10);
  EXPECT_EQ(facts.preprocess.crop, 32);
  EXPECT_THAT(facts.labels, SizeIs(10));
  EXPECT_EQ(facts.labels[9], "tiny-9");
  const std::string file = TinyWeightsFile();
  EXPECT_EQ(facts.weights_sha256, Sha256Hex(ToBytes(file)));
  EXPECT_EQ(facts.weights_bytes, static_cast<std::int64_t>(file.size()));
  EXPECT_EQ(facts.parameters, ParameterCount(package->network));
  EXPECT_THAT(package->network.blocks, SizeIs(3));
  EXPECT_THAT(package->weights.at("fc.weight").values, SizeIs(640));
}

TEST_F(ModelPackageTest, NumbersTheLabelsWithoutAFileOfThem) {
  const std::string folder = WriteTinyModel(dir_);
  std::filesystem::remove(folder + "/labels.txt");
  EXPECT_THAT(ReadModelFolder(folder).value().facts.labels,
              ElementsAre("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"));
}

TEST_F(ModelPackageTest, TakesTheArchitectureFromTheFoldersName) {
  for (const char* name : {"cifar_resnet8", "cifar_resnet8@v2"}) {
    const std::string folder = WriteTinyModel(dir_, name);
    std::filesystem::remove(folder + "/manifest.json");
    const auto package = ReadModelFolder(folder);
    ASSERT_TRUE(package.ok()) << package.status();
    EXPECT_EQ(package->facts.name.text(), "cifar_resnet8");
    EXPECT_EQ(package->facts.architecture.num_classes, 10);
    EXPECT_EQ(package->facts.preprocess, PreprocessSpec());
  }
}

TEST_F(ModelPackageTest, CountsClassesBehindAPrefixToo) {
  const std::string folder = dir_.MakeFolder("cifar_resnet8");
  const Network network = BuildNetwork(TinyArchitecture());
  auto tensors = TensorsOf(network, FillWeights(network));
  for (WrittenTensor& tensor : tensors) {
    tensor.name = "module." + tensor.name;
  }
  dir_.Write("cifar_resnet8/model.safetensors", PackTensors(tensors));
  EXPECT_TRUE(ReadModelFolder(folder).ok());
}

TEST_F(ModelPackageTest, TakesTheNameOfTheManifestFirst) {
  const std::string folder = WriteTinyModel(dir_, "Some Folder");
  EXPECT_THAT(TextOf(Refused(folder)),
              HasSubstr("rename the folder or put a \"name\" into "
                        "manifest.json"));
  dir_.Write("Some Folder/manifest.json",
             absl::StrReplaceAll(TinyManifest(),
                                 {{"\"architecture\"",
                                   "\"name\": \"good\", \"architecture\""}}));
  EXPECT_EQ(ReadModelFolder(folder).value().facts.name.text(), "good");
}

TEST_F(ModelPackageTest, RefusesAFolderThatIsNotThere) {
  const absl::Status status = Refused(dir_.File("nothing"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_EQ(TextOf(status), "\"nothing\" does not exist");
}

TEST_F(ModelPackageTest, SaysHowToMakeMissingWeights) {
  const std::string folder = WriteTinyModel(dir_);
  std::filesystem::remove(folder + "/model.safetensors");
  const absl::Status status = Refused(folder);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_EQ(TextOf(status),
            "\"model.safetensors\" is missing in the model folder \"tiny\"; "
            "write it with safetensors.torch.save_file(model.state_dict(), "
            "\"model.safetensors\"), or put model.pth there, written by "
            "torch.save(model.state_dict(), \"model.pth\")");
}

TEST_F(ModelPackageTest, RecognisesTheArchitectureInAFolderOfAnyName) {
  const std::string folder = WriteTinyModel(dir_, "digits");
  std::filesystem::remove(folder + "/manifest.json");
  const auto package = ReadModelFolder(folder);
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->facts.name.text(), "digits");
  EXPECT_EQ(package->facts.architecture.name, "cifar_resnet8");
  EXPECT_EQ(package->facts.architecture.num_classes, 10);
}

TEST_F(ModelPackageTest, ShowsTheNearestArchitectureOfWeightsThatFitNone) {
  const std::string folder = WriteTinyModel(dir_, "digits");
  std::filesystem::remove(folder + "/manifest.json");
  auto tensors = TensorsOf(BuildNetwork(TinyArchitecture()),
                           FillWeights(BuildNetwork(TinyArchitecture())));
  tensors.erase(tensors.begin());
  dir_.Write("digits/model.safetensors", PackTensors(tensors));
  const absl::Status status = Refused(folder);
  EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_MISMATCH");
  EXPECT_THAT(TextOf(status),
              StartsWith("model.safetensors: the weights fit no known network; "
                         "the nearest is cifar_resnet8 with 10 classes: "
                         "1 missing"));
}

// A name that says an architecture is a promise.
TEST_F(ModelPackageTest,
       RefusesWeightsOfAnotherArchitectureThanTheFoldersName) {
  const std::string folder = WriteTinyModel(dir_, "resnet18");
  std::filesystem::remove(folder + "/manifest.json");
  EXPECT_THAT(TextOf(Refused(folder)),
              StartsWith("model.safetensors: the weights do not fit resnet18 "
                         "with 10 classes (they are those of cifar_resnet8 "
                         "with 10 classes): "));
}

TEST_F(ModelPackageTest, ReadsAPthFileInsteadOfSafetensors) {
  const std::string folder = WriteTinyModel(dir_);
  const Weights expected = ReadModelFolder(folder)->weights;
  std::filesystem::remove(folder + "/model.safetensors");
  const Network network = BuildNetwork(TinyArchitecture());
  dir_.Write("tiny/model.pth",
             PackPthTensors(TensorsOf(network, FillWeights(network))));
  const auto package = ReadModelFolder(folder);
  ASSERT_TRUE(package.ok()) << package.status();
  for (const TensorSpec& spec : TensorSpecs(network)) {
    EXPECT_EQ(package->weights.at(spec.name).values,
              expected.at(spec.name).values)
        << spec.name;
  }
  dir_.Write("tiny/model.pth", "PK");
  EXPECT_THAT(TextOf(Refused(folder)), StartsWith("model.pth: zip archive: "));
}

TEST_F(ModelPackageTest, RefusesTwoWeightsFiles) {
  const std::string folder = WriteTinyModel(dir_);
  dir_.Write("tiny/model.pth", "");
  const absl::Status status = Refused(folder);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_EQ(TextOf(status),
            "the model folder \"tiny\" has both model.safetensors and "
            "model.pth; remove one of them");
}

TEST_F(ModelPackageTest, NamesTheFileOfABadManifest) {
  const std::string folder = WriteTinyModel(dir_);
  dir_.Write("tiny/manifest.json", "{]");
  EXPECT_EQ(TextOf(Refused(folder)),
            "manifest.json: is not valid JSON at line 1, column 2");
}

TEST_F(ModelPackageTest, NamesTheFileOfBadLabels) {
  const std::string folder = WriteTinyModel(dir_);
  dir_.Write("tiny/labels.txt", "one\ntwo\n");
  EXPECT_EQ(TextOf(Refused(folder)),
            "labels.txt: has 2 labels, the model has 10 classes; write one "
            "label a line");
}

TEST_F(ModelPackageTest, NamesTheFileOfDamagedWeights) {
  const std::string folder = WriteTinyModel(dir_);
  const std::string file = TinyWeightsFile();
  dir_.Write("tiny/model.safetensors", file.substr(0, file.size() - 1));
  const absl::Status status = Refused(folder);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_CORRUPT");
  EXPECT_THAT(TextOf(status),
              testing::AllOf(StartsWith("model.safetensors: the tensors need "),
                             HasSubstr("it is cut off")));
}

TEST_F(ModelPackageTest, VerifiesTheDigestBeforeItReadsTheFormat) {
  const std::string folder = WriteTinyModel(dir_);
  const auto with_digest = [&](const std::string& digest) {
    dir_.Write(
        "tiny/manifest.json",
        absl::StrReplaceAll(
            TinyManifest(),
            {{"\"architecture\"", absl::StrCat("\"weights_sha256\": \"", digest,
                                               "\", \"architecture\"")}}));
  };
  const std::string digest = Sha256Hex(ToBytes(TinyWeightsFile()));
  with_digest(digest);
  EXPECT_TRUE(ReadModelFolder(folder).ok());
  dir_.Write("tiny/model.safetensors", "not even a safetensors file");
  const absl::Status status = Refused(folder);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_CORRUPT");
  EXPECT_THAT(TextOf(status),
              HasSubstr(absl::StrCat("manifest.json says ", digest)));
}

TEST_F(ModelPackageTest, NamesTheArchitectureThatTheWeightsDoNotFit) {
  const std::string folder = WriteTinyModel(dir_);
  dir_.Write("tiny/manifest.json",
             absl::StrReplaceAll(TinyManifest(),
                                 {{"cifar_resnet8", "cifar_resnet14"}}));
  const absl::Status status = Refused(folder);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_MISMATCH");
  EXPECT_THAT(
      TextOf(status),
      testing::AllOf(
          StartsWith("model.safetensors as cifar_resnet14 (they are those "
                     "of cifar_resnet8 with 10 classes): the weights "
                     "do not fit the network: "),
          HasSubstr("\n  missing: layer1.1.conv1.weight [16, 16, 3, "
                    "3]\n")));
}

TEST_F(ModelPackageTest, NamesWeightsThatAreNoRegularFile) {
  const std::string folder = WriteTinyModel(dir_);
  std::filesystem::remove(folder + "/model.safetensors");
  dir_.MakeFolder("tiny/model.safetensors");
  EXPECT_EQ(TextOf(Refused(folder)),
            "\"model.safetensors\" is not a regular file");
}

TEST_F(ModelPackageTest, RefusesMoreThanFourGibibytesBeforeReading) {
  const std::string folder = WriteTinyModel(dir_);
  // A file of this size without a block on the disk.
  std::filesystem::resize_file(folder + "/model.safetensors",
                               (std::uintmax_t{4} << 30) + 1);
  const absl::Status status = Refused(folder);
  EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(TextOf(status),
            "\"model.safetensors\" has 4294967297 bytes, at most 4294967296 "
            "are accepted");
}

// One flipped bit anywhere is seen when the manifest carries the digest.
TEST_F(ModelPackageTest, SeesEveryFlippedBitByTheDigest) {
  const std::string folder = WriteTinyModel(dir_);
  const std::string file = TinyWeightsFile();
  dir_.Write("tiny/manifest.json",
             absl::StrReplaceAll(
                 TinyManifest(),
                 {{"\"architecture\"", absl::StrCat("\"weights_sha256\": \"",
                                                    Sha256Hex(ToBytes(file)),
                                                    "\", \"architecture\"")}}));
  for (std::size_t i = 0; i < 50; ++i) {
    std::string damaged = file;
    const std::size_t at = i * (file.size() - 1) / 49;
    damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^
                                    (1U << (i % 8)));
    dir_.Write("tiny/model.safetensors", damaged);
    EXPECT_EQ(Refused(folder).code(), absl::StatusCode::kDataLoss) << at;
  }
}

}  // namespace
}  // namespace resnetd
