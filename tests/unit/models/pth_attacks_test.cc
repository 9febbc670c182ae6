// Damaged and hostile .pth files: each is refused with a reason, or holds what
// it held; in memory and time that the file's size bounds.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/base/error.h"
#include "server/models/pth.h"
#include "tests/support/pth_writer.h"
#include "tests/unit/image/allocation_counter.h"

namespace resnetd {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string Fixture(const std::string& name) {
  std::ifstream file(
      std::string(RESNETD_SOURCE_DIR) + "/tests/golden/pth/" + name,
      std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

// All that a file holds, as text; empty when it is refused, and then with a
// reason and a bounded text. `bytes` of memory are enough beside its own.
std::string Contents(const std::string& bytes,
                     std::size_t memory = std::size_t{1} << 20U) {
  std::vector<std::uint8_t> copy = ToBytes(bytes);
  const std::size_t before = testing::AllocatedBytes();
  const auto file = PthFile::Parse(std::move(copy));
  EXPECT_LE(testing::AllocatedBytes() - before, memory);
  if (!file.ok()) {
    EXPECT_THAT(DetailsOf(file.status()).reason,
                AnyOf("WEIGHTS_CORRUPT", "MODEL_INVALID", "LIMIT_EXCEEDED"));
    EXPECT_LT(file.status().message().size(), 1000U);
    return "";
  }
  std::string contents;
  for (const TensorView& tensor : file->tensors()) {
    absl::StrAppend(
        &contents, tensor.name, ShapeText(tensor.shape),
        DTypeName(tensor.dtype),
        absl::string_view(reinterpret_cast<const char*>(tensor.bytes.data()),
                          tensor.bytes.size()));
  }
  return contents;
}

std::string Refused(const std::string& bytes) {
  const absl::Status status = PthFile::Parse(ToBytes(bytes)).status();
  EXPECT_FALSE(status.ok());
  return absl::StrCat(DetailsOf(status).reason, ": ",
                      std::string(status.message()));
}

TEST(PthAttacksTest, RefuseFilesCutOffAnywhere) {
  for (const char* name :
       {"state_dict.pth", "checkpoint.pth", "torch-1.6.0.pth"}) {
    const std::string whole = Fixture(name);
    for (std::size_t percent = 0; percent < 100; ++percent) {
      EXPECT_EQ(Contents(whole.substr(0, whole.size() * percent / 100)), "")
          << name << " at " << percent << " %";
    }
    EXPECT_EQ(Contents(whole.substr(0, whole.size() - 1)), "");
  }
}

// One bit anywhere: what is accepted holds the same values under the same
// names. The long form flips every bit of every file.
TEST(PthAttacksTest, AcceptNoChangedValueAfterAFlippedBit) {
  const bool all = std::getenv("RESNETD_TEST_LONG") != nullptr;
  for (const char* name : {"state_dict.pth", "views.pth"}) {
    const std::string whole = Fixture(name);
    const std::string expected = Contents(whole);
    ASSERT_NE(expected, "");
    std::size_t accepted = 0;
    std::size_t tried = 0;
    const std::size_t step = all ? 1 : 29;
    for (std::size_t bit = 0; bit < whole.size() * 8; bit += step) {
      std::string damaged = whole;
      damaged[bit / 8] = static_cast<char>(
          static_cast<unsigned char>(damaged[bit / 8]) ^ (1U << (bit % 8)));
      const std::string contents = Contents(damaged);
      ++tried;
      if (!contents.empty()) {
        ++accepted;
        EXPECT_EQ(contents, expected) << name << " bit " << bit;
      }
    }
    // Times, versions and padding mean nothing; the rest is checked.
    EXPECT_LT(accepted, tried / 2) << name;
  }
}

TEST(PthAttacksTest, AcceptNoChangedValueAfterRandomDamage) {
  const int rounds = std::getenv("RESNETD_TEST_LONG") != nullptr ? 50'000 : 500;
  const std::string whole = Fixture("state_dict.pth");
  const std::string expected = Contents(whole);
  std::mt19937 random(11);
  for (int i = 0; i < rounds; ++i) {
    std::string damaged = whole;
    const std::size_t at = random() % whole.size();
    const std::size_t count = 1 + random() % 64;
    switch (random() % 4) {
      case 0:
        damaged.erase(at, count);
        break;
      case 1:
        damaged.insert(at, std::string(count, static_cast<char>(random())));
        break;
      case 2:
        damaged.insert(at, whole.substr(random() % whole.size(), count));
        break;
      default:
        for (std::size_t k = at; k < std::min(at + count, whole.size()); ++k) {
          damaged[k] = static_cast<char>(random());
        }
    }
    const std::string contents = Contents(damaged);
    EXPECT_TRUE(contents.empty() || contents == expected) << i;
  }
}

// What a zip archive of one tensor looks like after `edit` of its entries.
std::string Edited(
    const std::function<void(std::vector<WrittenEntry>&)>& edit) {
  auto entries = PthEntries(
      PickleOf(
          {{.name = "w", .elements = 6, .shape = {2, 3}, .strides = {3, 1}}}),
      {std::string(24, 'x')});
  edit(entries);
  return PackZip(entries);
}

const std::string& Sound() {
  static const std::string file = Edited([](auto& /*entries*/) {});
  return file;
}

// Sound() with `from` written as `to`, once, from the end.
std::string Replaced(const std::string& from, const std::string& to) {
  std::string file = Sound();
  const std::size_t at = file.rfind(from);
  EXPECT_NE(at, std::string::npos);
  return file.replace(at, from.size(), to);
}

TEST(PthAttacksTest, RefuseTricksWithTheEndOfTheArchive) {
  ASSERT_NE(Contents(Sound()), "");
  const std::string end = Sound().substr(Sound().size() - 22);
  // A second end record behind the first, and one whose comment hides it.
  EXPECT_EQ(Contents(Sound() + end), "");
  std::string comment = Sound();
  comment[comment.size() - 2] = 22;
  EXPECT_EQ(Contents(comment + end), "");
  // Another archive before this one, and behind it.
  EXPECT_EQ(Contents(Sound() + Sound()), "");
  EXPECT_EQ(Contents("PK\3\4" + Sound()), "");
  // Wrong offsets, sizes and counts in either end record.
  for (std::size_t i = Sound().size() - 98; i < Sound().size(); ++i) {
    for (const char value : {'\0', '\x01', '\x7F', '\xFF'}) {
      std::string file = Sound();
      if (file[i] == value) {
        continue;
      }
      file[i] = value;
      const std::string contents = Contents(file);
      EXPECT_TRUE(contents.empty() || contents == Contents(Sound())) << i;
    }
  }
}

TEST(PthAttacksTest, RefuseLyingHeadersAndDescriptors) {
  const std::string crc = LittleEndian(CrcOf(std::string(24, 'x')), 4);
  const std::string bad(4, '\x11');
  std::string file = Sound();
  std::size_t places = 0;
  // In the descriptor and in the directory.
  for (std::size_t at = file.find(crc); at != std::string::npos;
       at = file.find(crc, at + 1)) {
    std::string damaged = file;
    EXPECT_EQ(Contents(damaged.replace(at, 4, bad)), "");
    ++places;
  }
  EXPECT_EQ(places, 2U);
  EXPECT_THAT(Refused(Replaced("archive/data/0", "archive/data/1")),
              HasSubstr("differs from the directory"));
}

TEST(PthAttacksTest, RefuseEntriesThatAreNotFiles) {
  for (const char* name :
       {"archive/", "archive/data/", "/archive/data/1", "archive/../x",
        "archive\\data\\1", "archive/./data/1"}) {
    EXPECT_THAT(Refused(Edited([name](auto& entries) {
                  entries.push_back({name, ""});
                })),
                HasSubstr("is no plain relative file name"))
        << name;
  }
}

TEST(PthAttacksTest, RefuseTwoPicklesAndTwoStorages) {
  for (const char* name : {"archive/data.pkl", "archive/data/0"}) {
    EXPECT_THAT(Refused(Edited([name](auto& entries) {
                  entries.push_back({name, "x"});
                })),
                HasSubstr("is there twice"));
  }
}

TEST(PthAttacksTest, RefuseOverlappingEntries) {
  // Both records of the directory name the same place.
  auto entries = PthEntries(PickleOf({}), {"aaaa", "bbbb"});
  std::string file = PackZip(entries);
  const std::size_t first = file.rfind("archive/data/0") - 4;
  const std::size_t second = file.rfind("archive/data/1") - 4;
  file.replace(second, 4, file.substr(first, 4));
  EXPECT_THAT(Refused(file), HasSubstr("may not overlap"));
}

TEST(PthAttacksTest, StopBombsOfThePickleEarly) {
  std::string many(1'000'000, 'N');
  const std::string proto = pickle::kProto;
  const std::string memo = std::string("}q\0", 3);
  std::string grown = memo;
  for (int i = 0; i < 100'000; ++i) {
    grown += std::string("h\0h\0\x86q\0", 7);
  }
  for (const std::string& text :
       {proto + many + ".", proto + std::string(1'000'000, '(') + ".",
        proto + std::string(1'000'000, ']') + ".", proto + "\x8A\xFF" + many,
        proto + "X\xFF\xFF\xFF\x7F" + many, proto + "Nr\xFF\xFF\xFF\x7F.",
        proto + "Nr\xFF\xFF\x1F\0.", proto + grown + ".",
        proto + "c" + std::string(1'000'000, 'a') + "\nb\n."}) {
    // The archive is copied nowhere; 10,000 values of 56 bytes wait at most.
    EXPECT_EQ(Contents(PackPth(text, {}), std::size_t{64} << 20U), "");
  }
}

TEST(PthAttacksTest, TakeNoMemoryForWhatAFileOnlyClaims) {
  const auto tensor = [](std::int64_t elements, std::vector<std::int64_t> shape,
                         std::vector<std::int64_t> strides) {
    return PackPth(PickleOf({{.name = "w",
                              .elements = elements,
                              .shape = std::move(shape),
                              .strides = std::move(strides)}}),
                   {std::string(24, 'x')});
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  EXPECT_EQ(Contents(tensor(kHuge, {kHuge}, {1})), "");
  EXPECT_EQ(Contents(tensor(6, {kHuge}, {1})), "");
  EXPECT_EQ(Contents(tensor(6, {kHuge}, {0})), "");
  EXPECT_EQ(Contents(tensor(6, {kHuge, kHuge}, {0, 0})), "");
  EXPECT_EQ(Contents(tensor(6, {2, 3}, {INT64_MAX, INT64_MAX})), "");
}

// Many tensors on the same numbers: as many views, no copies.
TEST(PthAttacksTest, ShareStoragesWithoutCopies) {
  std::vector<PickledView> views;
  for (int i = 0; i < 1000; ++i) {
    views.push_back({.name = absl::StrCat("w", i),
                     .elements = 65536,
                     .shape = {256, 256},
                     .strides = {256, 1}});
  }
  const std::string file =
      PackPth(PickleOf(views), {std::string(std::size_t{4} * 65536, 'x')});
  std::vector<std::uint8_t> bytes = ToBytes(file);
  const std::size_t before = testing::AllocatedBytes();
  const auto parsed = PthFile::Parse(std::move(bytes));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_LT(testing::AllocatedBytes() - before, std::size_t{8} << 20U);
}

}  // namespace
}  // namespace resnetd
