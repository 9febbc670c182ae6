#include "server/models/version_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "server/models/labels.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

constexpr std::int64_t kLimit = 1000;

ImportHeader Good() {
  ImportHeader header{.model = Named("digits")};
  header.sha256 = std::string(64, 'a');
  header.size_bytes = 10;
  return header;
}

TEST(CheckHeaderTest, TakesWhatIsRight) {
  EXPECT_TRUE(CheckHeader(Good(), kLimit).ok());
  for (const std::function<void(ImportHeader&)>& change :
       std::vector<std::function<void(ImportHeader&)>>{
           [](ImportHeader& h) { h.size_bytes = 1; },
           [](ImportHeader& h) { h.size_bytes = kLimit; },
           [](ImportHeader& h) { h.description = std::string(4096, 'd'); },
           [](ImportHeader& h) { h.architecture = "resnet50"; },
           [](ImportHeader& h) {
             h.labels = {"a", "b", "a"};
           },
           [](ImportHeader& h) { h.labels = {std::string(256, 'l')}; },
           [](ImportHeader& h) {
             h.evaluations = {{"d", 1, 0.5}};
           },
           [](ImportHeader& h) { h.preprocess = PreprocessSpec(); }}) {
    ImportHeader header = Good();
    change(header);
    const absl::Status status = CheckHeader(header, kLimit);
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(CheckHeaderTest, RefusesEverythingElse) {
  using Change = std::function<void(ImportHeader&)>;
  for (const auto& [reason, change] :
       std::vector<std::pair<std::string, Change>>{
           {"REQUEST_INVALID", [](ImportHeader& h) { h.size_bytes = 0; }},
           {"REQUEST_INVALID", [](ImportHeader& h) { h.size_bytes = -1; }},
           {"LIMIT_EXCEEDED",
            [](ImportHeader& h) { h.size_bytes = kLimit + 1; }},
           {"REQUEST_INVALID", [](ImportHeader& h) { h.sha256 = ""; }},
           {"REQUEST_INVALID",
            [](ImportHeader& h) { h.sha256 = std::string(64, 'A'); }},
           {"REQUEST_INVALID",
            [](ImportHeader& h) { h.sha256 = std::string(65, 'a'); }},
           {"REQUEST_INVALID",
            [](ImportHeader& h) { h.description = std::string(4097, 'd'); }},
           {"REQUEST_INVALID", [](ImportHeader& h) { h.description = "\xff"; }},
           {"MODEL_INVALID",
            [](ImportHeader& h) { h.architecture = "resnet51"; }},
           {"MODEL_INVALID",
            [](ImportHeader& h) {
              h.labels = {"a", ""};
            }},
           {"MODEL_INVALID", [](ImportHeader& h) { h.labels = {"a\nb"}; }},
           {"MODEL_INVALID", [](ImportHeader& h) { h.labels = {"a\n"}; }},
           {"MODEL_INVALID", [](ImportHeader& h) { h.labels = {"a\r"}; }},
           {"MODEL_INVALID", [](ImportHeader& h) { h.labels = {"\xff"}; }},
           {"MODEL_INVALID",
            [](ImportHeader& h) { h.labels = {"\xEF\xBB\xBF first"}; }},
           {"MODEL_INVALID",
            [](ImportHeader& h) { h.labels = {std::string(257, 'l')}; }},
           {"LIMIT_EXCEEDED",
            [](ImportHeader&
                   h) { h.labels = std::vector<std::string>(100'001, "l"); }},
           {"MODEL_INVALID",
            [](ImportHeader& h) { h.evaluations = {{"d", 1, std::nan("")}}; }},
           {"REQUEST_INVALID", [](ImportHeader& h) {
              h.preprocess = PreprocessSpec{.resize = 8, .crop = 9};
            }}}) {
    ImportHeader header = Good();
    change(header);
    const absl::Status status = CheckHeader(header, kLimit);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << reason;
    EXPECT_EQ(ReasonOf(status), reason) << status;
    EXPECT_FALSE(DetailsOf(status).violations.empty()) << status;
  }
}

TEST(DraftVersionTest, MakesAVersionWithoutANumber) {
  const auto store = Must(Store::Open({}, RealClock()));
  const std::string file = TinyWeightsFile(1);
  auto upload = Must(store->NewBlob(static_cast<std::int64_t>(file.size())));
  ASSERT_TRUE(upload->Write(BytesOf(file)).ok());
  const VersionDraft draft = Must(DraftVersion(
      HeaderOf("digits", file), std::nullopt, *store, std::move(upload)));
  EXPECT_EQ(draft.package.facts.version.value, 0);
  EXPECT_EQ(draft.package.facts.weights_bytes,
            static_cast<std::int64_t>(file.size()));
  EXPECT_EQ(draft.package.facts.labels, NumberedLabels(10));
  EXPECT_EQ(draft.labels_text, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  EXPECT_EQ(draft.manifest.golden_sha256, std::nullopt);
  EXPECT_EQ(draft.package.weights.at("fc.bias").values[1], 101.0F);
  EXPECT_EQ(Must(store->Stats()).blobs, 0);
}

// The content key must never change: it decides what is stored already.
TEST(DraftVersionTest, HasAKeyOfWhatItIs) {
  const auto store = Must(Store::Open({}, RealClock()));
  const std::string file = TinyWeightsFile(1);
  auto upload = Must(store->NewBlob(static_cast<std::int64_t>(file.size())));
  ASSERT_TRUE(upload->Write(BytesOf(file)).ok());
  const VersionDraft draft = Must(DraftVersion(
      HeaderOf("digits", file), std::nullopt, *store, std::move(upload)));
  const std::string text = absl::StrCat(
      "{\n  \"format\": \"resnetd-model/1\",\n"
      "  \"architecture\": \"cifar_resnet8\",\n  \"num_classes\": 10,\n"
      "  \"preprocess\": {\n    \"resize\": 32,\n    \"crop\": 32,\n"
      "    \"mean\": [0.485, 0.456, 0.406],\n"
      "    \"std\": [0.229, 0.224, 0.225]\n  },\n"
      "  \"weights_sha256\": \"",
      Sha256Hex(BytesOf(file)), "\",\n  \"labels_sha256\": \"",
      Sha256Hex(BytesOf("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n")), "\"\n}\n");
  EXPECT_EQ(draft.content_key, Sha256Hex(BytesOf(text)));
}

}  // namespace
}  // namespace resnetd
