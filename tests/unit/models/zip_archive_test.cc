#include "server/models/zip_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/zip_writer.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

std::vector<WrittenEntry> Entries() {
  return {{"a/one", "first"}, {"a/two", ""}, {"a/three", "third"}};
}

// What Open and Verify of every entry say; empty: the archive is read.
std::string Verdict(const std::string& file, const ZipLimits& limits = {}) {
  const std::vector<std::uint8_t> bytes = ToBytes(file);
  const auto archive = ZipArchive::Open(bytes, limits);
  absl::Status status = archive.status();
  for (std::size_t i = 0; status.ok() && i < archive->entries().size(); ++i) {
    status = ZipArchive::Verify(archive->entries()[i]);
  }
  return status.ok() ? ""
                     : absl::StrCat(DetailsOf(status).reason, ": ",
                                    std::string(status.message()));
}

TEST(ZipArchiveTest, ReadsEntriesAsTorchAndPythonWriteThem) {
  for (const bool align : {true, false}) {
    for (const bool zip64 : {true, false}) {
      for (const unsigned flags : {0x0808U, 0x0800U, 0U, 8U}) {
        std::vector<WrittenEntry> entries = Entries();
        for (WrittenEntry& entry : entries) {
          entry.flags = flags;
        }
        const std::vector<std::uint8_t> bytes =
            ToBytes(PackZip(entries, {.align = align, .zip64 = zip64}));
        const auto archive = ZipArchive::Open(bytes);
        ASSERT_TRUE(archive.ok()) << archive.status();
        ASSERT_EQ(archive->entries().size(), 3U);
        const ZipEntry* third = archive->Find("a/three");
        ASSERT_NE(third, nullptr);
        EXPECT_EQ(third->bytes, absl::MakeConstSpan(ToBytes("third")));
        EXPECT_TRUE(ZipArchive::Verify(*third).ok());
        EXPECT_EQ(archive->Find("a/four"), nullptr);
        EXPECT_TRUE(archive->Find("a/two")->bytes.empty());
      }
    }
  }
}

TEST(ZipArchiveTest, ReadsAnEmptyArchive) {
  EXPECT_EQ(Verdict(PackZip({})), "");
  EXPECT_EQ(Verdict(PackZip({}, {.zip64 = false})), "");
}

TEST(ZipArchiveTest, RefusesEveryCutOffArchive) {
  const std::string whole = PackZip(Entries());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(Verdict(whole.substr(0, length)),
                HasSubstr("WEIGHTS_CORRUPT: zip archive: "))
        << length;
  }
}

TEST(ZipArchiveTest, RefusesBytesBeforeBehindAndBetween) {
  const std::string whole = PackZip(Entries());
  EXPECT_THAT(Verdict(whole + "\n"), HasSubstr("does not end with"));
  EXPECT_THAT(Verdict("#!" + whole), HasSubstr("WEIGHTS_CORRUPT"));
  const std::string one = PackZip({{"a", "1"}});
  EXPECT_THAT(Verdict(one + whole), HasSubstr("WEIGHTS_CORRUPT"));
}

TEST(ZipArchiveTest, SeesEveryFlippedBitThatMatters) {
  const std::string whole = PackZip(Entries());
  const std::vector<std::uint8_t> good = ToBytes(whole);
  for (std::size_t i = 0; i < whole.size() * 8; ++i) {
    std::vector<std::uint8_t> bytes = good;
    bytes[i / 8] = static_cast<std::uint8_t>(bytes[i / 8] ^ (1U << (i % 8)));
    const auto archive = ZipArchive::Open(bytes);
    if (!archive.ok()) {
      continue;
    }
    ASSERT_EQ(archive->entries().size(), 3U);
    for (std::size_t e = 0; e < 3; ++e) {
      const ZipEntry& entry = archive->entries()[e];
      if (ZipArchive::Verify(entry).ok()) {
        EXPECT_EQ(entry.name, Entries()[e].name);
        EXPECT_EQ(entry.bytes,
                  absl::MakeConstSpan(ToBytes(Entries()[e].bytes)));
      }
    }
  }
}

TEST(ZipArchiveTest, RefusesNamesThatAreNoPlainRelativeOnes) {
  for (const char* name : {"", "/etc/passwd", "a/../b", "..", ".", "a/./b",
                           "a//b", "a/", "a\\b", "a\nb", "a\x7F", "\xFF"}) {
    EXPECT_THAT(Verdict(PackZip({{name, "x"}})),
                HasSubstr("is no plain relative file name"))
        << name;
  }
  for (const char* name : {"a", "a/.data/b", "r\xC3\xA9seau/data.pkl", "..."}) {
    EXPECT_EQ(Verdict(PackZip({{name, "x"}})), "") << name;
  }
}

TEST(ZipArchiveTest, RefusesANameThatIsThereTwice) {
  EXPECT_THAT(Verdict(PackZip({{"a", "x"}, {"b", "y"}, {"a", "z"}})),
              HasSubstr("\"a\" is there twice"));
}

TEST(ZipArchiveTest, RefusesCompressionAndEncryption) {
  EXPECT_THAT(Verdict(PackZip({{.name = "a", .bytes = "x", .method = 8}})),
              HasSubstr("MODEL_INVALID: zip archive: \"a\" is compressed"));
  EXPECT_THAT(Verdict(PackZip({{.name = "a", .bytes = "x", .flags = 1}})),
              HasSubstr("MODEL_INVALID: zip archive: \"a\" is encrypted"));
  EXPECT_THAT(Verdict(PackZip({{.name = "a", .bytes = "x", .flags = 0x2000}})),
              HasSubstr("unknown flags"));
}

TEST(ZipArchiveTest, LimitsEntriesAndNames) {
  const ZipLimits limits = {.max_entries = 3, .max_name_bytes = 7};
  EXPECT_EQ(Verdict(PackZip(Entries()), limits), "");
  EXPECT_EQ(Verdict(PackZip({{"a", ""}, {"b", ""}}), limits), "");
  EXPECT_THAT(
      Verdict(PackZip({{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}}), limits),
      HasSubstr("LIMIT_EXCEEDED: zip archive: has 4 entries, at most 3"));
  EXPECT_EQ(Verdict(PackZip({{"aaaaaa", ""}}), limits), "");
  EXPECT_EQ(Verdict(PackZip({{"aaaaaaa", ""}}), limits), "");
  EXPECT_THAT(Verdict(PackZip({{"aaaaaaaa", ""}}), limits),
              HasSubstr("LIMIT_EXCEEDED: zip archive: an entry name has 8"));
}

}  // namespace
}  // namespace resnetd
