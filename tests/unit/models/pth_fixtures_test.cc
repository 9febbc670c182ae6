// Files that PyTorch itself wrote (tools/pth_fixtures.py), read and compared
// with what the reference package wrote of the same tensors.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "server/models/pth.h"
#include "server/models/safetensors.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

std::vector<std::uint8_t> Fixture(const std::string& name) {
  std::ifstream file(
      std::string(RESNETD_SOURCE_DIR) + "/tests/golden/pth/" + name,
      std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

nlohmann::json Index() {
  const std::vector<std::uint8_t> bytes = Fixture("index.json");
  return nlohmann::json::parse(bytes.begin(), bytes.end());
}

std::vector<TensorView> Sorted(std::vector<TensorView> tensors) {
  std::sort(
      tensors.begin(), tensors.end(),
      [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
  return tensors;
}

void ExpectSameTensors(const std::vector<TensorView>& found,
                       const std::vector<TensorView>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  const std::vector<TensorView> left = Sorted(found);
  const std::vector<TensorView> right = Sorted(expected);
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(left[i].name, right[i].name);
    EXPECT_EQ(left[i].dtype, right[i].dtype) << left[i].name;
    EXPECT_EQ(left[i].shape, right[i].shape) << left[i].name;
    EXPECT_EQ(left[i].bytes, right[i].bytes) << left[i].name;
  }
}

TEST(PthFixturesTest, ReadTheSameTensorsAsTheReferencePackage) {
  int compared = 0;
  const nlohmann::json index = Index();
  for (const auto& [name, facts] : index.items()) {
    if (!facts.contains("tensors")) {
      continue;
    }
    SCOPED_TRACE(name);
    const auto file = PthFile::Parse(Fixture(name + ".pth"));
    ASSERT_TRUE(file.ok()) << file.status();
    const std::string same = facts["tensors"].get<std::string>();
    const auto expected =
        SafetensorsFile::Parse(Fixture(same + ".safetensors"));
    ASSERT_TRUE(expected.ok()) << expected.status();
    ExpectSameTensors(file->tensors(), expected->tensors());
    ++compared;
  }
  // Nine kinds of files, and the layouts of three versions of PyTorch.
  EXPECT_EQ(compared, 12);
}

TEST(PthFixturesTest, RefuseWhatIsNoStateDictWithTheReason) {
  int refused = 0;
  const nlohmann::json index = Index();
  for (const auto& [name, facts] : index.items()) {
    if (!facts.contains("reason")) {
      continue;
    }
    const absl::Status status = PthFile::Parse(Fixture(name + ".pth")).status();
    EXPECT_EQ(DetailsOf(status).reason, facts["reason"].get<std::string>())
        << name << ": " << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(facts["text"].get<std::string>()))
        << name;
    ++refused;
  }
  EXPECT_EQ(refused, 9);
}

// A file is the same one whatever order its tensors come in: no copy may move
// when another one is made.
TEST(PthFixturesTest, KeepTheirBytesWhenTheFileIsMoved) {
  PthFile first = PthFile::Parse(Fixture("views.pth")).value();
  const PthFile moved = std::move(first);
  const auto expected =
      SafetensorsFile::Parse(Fixture("views.safetensors")).value();
  ExpectSameTensors(moved.tensors(), expected.tensors());
}

}  // namespace
}  // namespace resnetd
