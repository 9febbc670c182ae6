#include "server/models/version_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/models/labels.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

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
