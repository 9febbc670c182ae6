#include "server/models/version_upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/models/golden.h"
#include "server/models/labels.h"
#include "server/models/safetensors.h"
#include "server/models/stored_version.h"
#include "tests/support/pth_writer.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::int64_t> Numbers(ManagerFixture& fixture,
                                  absl::string_view model) {
  std::vector<std::int64_t> numbers;
  for (const VersionView& view :
       Must(fixture.manager().ListVersions(Named(model)))) {
    numbers.push_back(view.row.version.value);
  }
  return numbers;
}

// Nothing of an import that failed is to be seen anywhere.
void ExpectNothing(ManagerFixture& fixture) {
  EXPECT_EQ(Must(fixture.store().ListModels()).size(), 0U);
  EXPECT_EQ(Must(fixture.store().Stats()).blobs, 0);
  EXPECT_EQ(fixture.StagedFiles(), 0);
  EXPECT_EQ(Must(fixture.manager().LastEvent()), 0);
  EXPECT_EQ(fixture.registry().List().size(), 0U);
}

TEST(VersionUploadTest, TheSameContentIsTheSameVersion) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  const int loads = fixture.loader().loads();
  const std::string file = TinyWeightsFile(1);
  ImportHeader header = HeaderOf("digits", file);
  header.description = "told differently";
  const Imported again = Must(fixture.TryImport(header, file));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.version.row.version.value, 1);
  EXPECT_EQ(fixture.loader().loads(), loads);
  header.labels = NumberedLabels(10);
  EXPECT_FALSE(Must(fixture.TryImport(header, file)).created);
  EXPECT_EQ(fixture.StagedFiles(), 0);
  EXPECT_THAT(Numbers(fixture, "digits"), ElementsAre(1));
}

TEST(VersionUploadTest, OtherLabelsOrPreprocessingAreAnotherVersion) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  const std::string file = TinyWeightsFile(1);
  ImportHeader header = HeaderOf("digits", file);
  header.labels = NumberedLabels(10);
  header.labels[3] = "three";
  const Imported labelled = Must(fixture.TryImport(header, file));
  EXPECT_TRUE(labelled.created);
  EXPECT_EQ(labelled.version.facts->labels[3], "three");
  header.preprocess->std[1] = 0.5F;
  EXPECT_TRUE(Must(fixture.TryImport(header, file)).created);
  EXPECT_THAT(Numbers(fixture, "digits"), ElementsAre(3, 2, 1));
  // Of another model it is one of its own.
  EXPECT_TRUE(fixture.Import("birds", 1).created);
}

TEST(VersionUploadTest, WritesAManifestThatSaysWhereItCameFrom) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  const std::string file = TinyWeightsFile(2);
  ImportHeader header = HeaderOf("digits", file);
  header.description = "trained on Sunday";
  header.evaluations = {{"held out", 360, 0.5}};
  header.parent = VersionNumber{1};
  const VersionView second = Must(fixture.TryImport(header, file)).version;
  header = HeaderOf("digits", TinyWeightsFile(3));
  header.parent = VersionNumber{2};
  const VersionView third =
      Must(fixture.TryImport(header, TinyWeightsFile(3))).version;
  const Manifest manifest =
      Must(ReadStoredManifest(fixture.store(), second.row));
  EXPECT_EQ(manifest.name->text(), "digits");
  EXPECT_EQ(manifest.version, std::nullopt);
  EXPECT_EQ(manifest.description, "trained on Sunday");
  EXPECT_EQ(manifest.evaluations[0].examples, 360);
  EXPECT_EQ(manifest.weights_sha256, Sha256Hex(BytesOf(file)));
  EXPECT_EQ(manifest.labels_sha256, second.row.labels);
  EXPECT_EQ(manifest.golden_sha256, second.row.golden);
  EXPECT_EQ(manifest.source->format, "safetensors");
  EXPECT_EQ(manifest.source->sha256, Sha256Hex(BytesOf(file)));
  EXPECT_EQ(manifest.parent_version, VersionNumber{1});
  EXPECT_EQ(second.row.parent, VersionNumber{1});
  EXPECT_THAT(Must(ReadStoredManifest(fixture.store(), third.row)).lineage,
              ElementsAre(Sha256Hex(BytesOf(file)),
                          Sha256Hex(BytesOf(TinyWeightsFile(1)))));
}

TEST(VersionUploadTest, ConvertsAPthFileOnce) {
  ManagerFixture fixture;
  std::vector<WrittenTensor> tensors = TinyTensors(1);
  for (WrittenTensor& tensor : tensors) {
    tensor.name = "module." + tensor.name;
  }
  const std::string pth = PackPthTensors(tensors);
  const Imported first = Must(fixture.TryImport(HeaderOf("digits", pth), pth));
  EXPECT_TRUE(first.created);
  EXPECT_EQ(first.version.row.source, Sha256Hex(BytesOf(pth)));
  EXPECT_EQ(first.version.row.source_format, "pth");
  EXPECT_NE(first.version.row.weights, first.version.row.source);
  // What is kept is a .safetensors file of the plain names.
  const auto bytes = Must(fixture.store().ReadBlob(
      first.version.row.weights, first.version.row.weights_bytes));
  const SafetensorsFile kept = Must(SafetensorsFile::Parse(bytes));
  EXPECT_EQ(kept.tensors().size(), tensors.size());
  for (const TensorView& tensor : kept.tensors()) {
    EXPECT_THAT(tensor.name, testing::Not(HasSubstr("module.")));
  }
  EXPECT_FALSE(Must(fixture.TryImport(HeaderOf("digits", pth), pth)).created);
  // The converted file itself is the same content too.
  const std::string converted(bytes.begin(), bytes.end());
  EXPECT_FALSE(Must(fixture.TryImport(HeaderOf("digits", converted), converted))
                   .created);
  EXPECT_EQ(fixture.StagedFiles(), 0);
  // Weights, labels, golden, manifest: the .pth itself is not kept.
  EXPECT_EQ(Must(fixture.store().Stats()).blobs, 4);
}

TEST(VersionUploadTest, RefusesBytesThatWereNotAnnounced) {
  ManagerFixture fixture;
  const std::string file = TinyWeightsFile(1);
  ImportHeader header = HeaderOf("digits", file);
  // Short.
  absl::Status status =
      fixture.TryImport(header, file.substr(0, file.size() - 1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "DIGEST_MISMATCH");
  // Long: refused with the bytes.
  status = fixture.TryImport(header, file + "x").status();
  EXPECT_EQ(ReasonOf(status), "DIGEST_MISMATCH");
  // Others.
  std::string other = file;
  other.back() = static_cast<char>(other.back() ^ 1);
  status = fixture.TryImport(header, other).status();
  EXPECT_EQ(ReasonOf(status), "DIGEST_MISMATCH");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(testing::Pair("expected", header.sha256),
                          testing::Pair("actual", Sha256Hex(BytesOf(other)))));
  ExpectNothing(fixture);
}

TEST(VersionUploadTest, RefusesFilesThatAreNoWeights) {
  ManagerFixture fixture;
  for (const std::string& file :
       {std::string("x"), std::string(100, '\0'), TinyWeightsFile(1) + "x",
        PackTensors({}), PackZip({})}) {
    const absl::Status status =
        fixture.TryImport(HeaderOf("digits", file), file).status();
    EXPECT_TRUE(status.code() == absl::StatusCode::kDataLoss ||
                status.code() == absl::StatusCode::kInvalidArgument)
        << status;
    EXPECT_NE(ReasonOf(status), "");
  }
  ExpectNothing(fixture);
}

TEST(VersionUploadTest, RefusesWeightsThatAreNotFinite) {
  ManagerFixture fixture;
  std::vector<WrittenTensor> tensors = TinyTensors(1);
  // The bits of a quiet NaN, little-endian.
  tensors[0].bytes.replace(0, 4, std::string("\x00\x00\xC0\x7F", 4));
  const std::string file = PackTensors(tensors);
  const absl::Status status =
      fixture.TryImport(HeaderOf("digits", file), file).status();
  EXPECT_EQ(ReasonOf(status), "WEIGHTS_CORRUPT");
  ExpectNothing(fixture);
}

TEST(VersionUploadTest, RefusesAnArchitectureThatIsNotTheFiles) {
  ManagerFixture fixture;
  const std::string file = TinyWeightsFile(1);
  ImportHeader header = HeaderOf("digits", file);
  header.architecture = "resnet18";
  const absl::Status status = fixture.TryImport(header, file).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "WEIGHTS_MISMATCH");
  EXPECT_THAT(std::string(status.message()), HasSubstr("cifar_resnet8"));
  ExpectNothing(fixture);
}

TEST(VersionUploadTest, RefusesLabelsThatDoNotFit) {
  ManagerFixture fixture;
  const std::string file = TinyWeightsFile(1);
  ImportHeader header = HeaderOf("digits", file);
  for (const int count : {9, 11}) {
    header.labels = NumberedLabels(count);
    const absl::Status status = fixture.TryImport(header, file).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << count;
    EXPECT_EQ(ReasonOf(status), "MODEL_INVALID") << count;
    EXPECT_EQ(DetailsOf(status).violations[0].first, "labels");
  }
  ExpectNothing(fixture);
  header.labels = NumberedLabels(10);
  EXPECT_TRUE(Must(fixture.TryImport(header, file)).created);
}

TEST(VersionUploadTest, ANetworkThatCannotBeLoadedIsNotImported) {
  ManagerFixture fixture;
  fixture.loader().SetHook(
      [](const ModelPackage&) { return absl::InternalError("no kernels"); });
  const std::string file = TinyWeightsFile(1);
  EXPECT_EQ(fixture.TryImport(HeaderOf("digits", file), file).status(),
            absl::InternalError("no kernels"));
  ExpectNothing(fixture);
  EXPECT_EQ(fixture.sink().counts().memory, MemoryUse());
}

TEST(VersionUploadTest, AnUploadThatIsGivenUpLeavesNothing) {
  ManagerFixture fixture;
  fixture.GiveUp("digits", TinyWeightsFile(1));
  ExpectNothing(fixture);
}

TEST(VersionUploadTest, ValidatingChecksEverythingAndKeepsNothing) {
  ManagerFixture fixture;
  const std::string file = TinyWeightsFile(1);
  ImportHeader header = HeaderOf("digits", file);
  header.validate_only = true;
  const Imported checked = Must(fixture.TryImport(header, file));
  EXPECT_TRUE(checked.created);
  EXPECT_EQ(checked.version.row.version.value, 0);
  EXPECT_EQ(checked.version.facts->architecture.name, "cifar_resnet8");
  EXPECT_EQ(fixture.loader().loads(), 1);
  EXPECT_EQ(fixture.loader().live(), 0);
  ExpectNothing(fixture);
  header.validate_only = false;
  EXPECT_TRUE(Must(fixture.TryImport(header, file)).created);
  header.validate_only = true;
  const Imported there = Must(fixture.TryImport(header, file));
  EXPECT_FALSE(there.created);
  EXPECT_EQ(there.version.row.version.value, 1);
}

TEST(VersionUploadTest, ARepeatedRequestIsCarriedOutOnce) {
  ManagerFixture fixture;
  const Mutation mutation{.actor = "ops",
                          .method = "ImportVersion",
                          .request_id = "key-1",
                          .request_hash = std::string(64, 'a')};
  const std::string file = TinyWeightsFile(1);
  for (int i = 0; i < 2; ++i) {
    const Imported imported =
        Must(fixture.TryImport(HeaderOf("digits", file), file, mutation));
    EXPECT_TRUE(imported.created);
    EXPECT_EQ(imported.version.row.version.value, 1);
  }
  EXPECT_EQ(fixture.loader().loads(), 1);
  Mutation other = mutation;
  other.request_hash = std::string(64, 'b');
  EXPECT_EQ(
      ReasonOf(
          fixture.manager().Import(HeaderOf("digits", file), other).status()),
      "REQUEST_ID_CONFLICT");
}

TEST(VersionUploadTest, AParentMustBeThere) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  const std::string file = TinyWeightsFile(2);
  ImportHeader header = HeaderOf("digits", file);
  header.parent = VersionNumber{7};
  EXPECT_EQ(ReasonOf(fixture.TryImport(header, file).status()),
            "VERSION_NOT_FOUND");
}

TEST(VersionUploadTest, RetiresOldVersionsThatNobodyNames) {
  ModelManagerOptions options;
  options.keep_versions = 2;
  ManagerFixture fixture(options);
  for (int variant = 1; variant <= 3; ++variant) {
    fixture.Import("digits", variant);
  }
  // 1 is stable; 2 and 3 are the newest two of the others.
  EXPECT_THAT(Numbers(fixture, "digits"), ElementsAre(3, 2, 1));
  fixture.Import("digits", 4);
  EXPECT_THAT(Numbers(fixture, "digits"), ElementsAre(4, 3, 1));
  EXPECT_EQ(fixture.WhyNot("models/digits/versions/2"), "VERSION_NOT_FOUND");
  Must(fixture.Point("digits", "stable", 3));
  fixture.Import("digits", 5);
  fixture.Import("digits", 6);
  // 1 is what stable named before.
  EXPECT_THAT(Numbers(fixture, "digits"), ElementsAre(6, 5, 3, 1));
  Must(fixture.manager().RollbackAlias(Named("digits"), "stable", "", false,
                                       {}));
  EXPECT_EQ(fixture.Answering("digits"), 1);
}

TEST(VersionUploadTest, StoresWhatTheNetworkAnswered) {
  ManagerFixture fixture;
  const VersionView view = fixture.Import("digits", 1).version;
  const auto golden =
      Must(ReadStoredGolden(fixture.store(), view.row, *view.facts));
  EXPECT_EQ(golden.precision, "fp32");
  ASSERT_EQ(golden.logits.size(), std::size_t{kGoldenPictures * 10});
  // The fake answers its largest bias, 101, for class 1 and a bit of red.
  EXPECT_GE(golden.logits[1], 101.0F);
  EXPECT_LT(golden.logits[1], 102.0F);
}

}  // namespace
}  // namespace resnetd
