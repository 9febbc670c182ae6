#include "server/models/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/safetensors_writer.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ReadGolden(const std::string& name) {
  std::ifstream in(
      std::string(RESNETD_SOURCE_DIR "/tests/golden/models/") + name,
      std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

absl::StatusOr<SafetensorsFile> Parse(absl::string_view bytes,
                                      const SafetensorsLimits& limits = {}) {
  return SafetensorsFile::Parse(ToBytes(bytes), limits);
}

absl::Status ErrorOf(absl::string_view bytes,
                     const SafetensorsLimits& limits = {}) {
  return Parse(bytes, limits).status();
}

// absl::HexStringToBytes is deprecated or takes other arguments, by release.
std::string FromHex(absl::string_view digits) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    const std::string byte(digits.substr(at, 2));
    bytes.push_back(static_cast<char>(std::stoi(byte, nullptr, 16)));
  }
  return bytes;
}

std::string TextOf(absl::string_view bytes) {
  return std::string(ErrorOf(bytes).message());
}

// One F32 tensor of one value called "a".
std::string OneTensor(absl::string_view name = "a") {
  return PackTensors({{.name = std::string(name),
                       .dtype = DType::kF32,
                       .shape = {1},
                       .bytes = "1234"}});
}

TEST(DTypeTest, HasTheNamesAndSizesOfTheFormat) {
  const std::map<std::string, std::size_t> sizes = {
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2},
      {"I64", 8}, {"I32", 4}, {"U8", 1},  {"BOOL", 1}};
  std::map<std::string, std::size_t> ours;
  for (const DType dtype :
       {DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
        DType::kI32, DType::kU8, DType::kBool}) {
    ours[std::string(DTypeName(dtype))] = DTypeBytes(dtype);
  }
  EXPECT_EQ(ours, sizes);
}

TEST(SafetensorsTest, ReadsTheFilesOfTheReferenceWriter) {
  const auto expected =
      nlohmann::json::parse(ReadGolden("valid/expected.json"));
  ASSERT_EQ(expected.size(), 5U);
  for (const auto& [name, want] : expected.items()) {
    SCOPED_TRACE(name);
    const std::string bytes =
        ReadGolden(absl::StrCat("valid/", name, ".safetensors"));
    const absl::StatusOr<SafetensorsFile> file = Parse(bytes);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->size_bytes(), bytes.size());
    std::map<std::string, std::string> metadata(file->metadata().begin(),
                                                file->metadata().end());
    EXPECT_EQ(nlohmann::json(metadata).dump(),
              want["metadata"].is_null() ? "{}" : want["metadata"].dump());
    ASSERT_EQ(file->tensors().size(), want["tensors"].size());
    for (const TensorView& tensor : file->tensors()) {
      SCOPED_TRACE(tensor.name);
      ASSERT_TRUE(want["tensors"].contains(tensor.name));
      const auto& entry = want["tensors"][tensor.name];
      EXPECT_EQ(std::string(DTypeName(tensor.dtype)),
                entry["dtype"].get<std::string>());
      EXPECT_EQ(nlohmann::json(tensor.shape), entry["shape"]);
      EXPECT_EQ(tensor.bytes.size(),
                entry["bits"].size() * DTypeBytes(tensor.dtype));
    }
  }
}

// Every file that the reference reader refuses is refused; the hand-made ones
// that it takes are taken, but for the rules that we add.
TEST(SafetensorsTest, JudgesAsTheReferenceReader) {
  const auto rows = nlohmann::json::parse(ReadGolden("verdicts.json"));
  ASSERT_GT(rows.size(), 1200U);
  int refused = 0;
  int taken = 0;
  for (const auto& row : rows) {
    const std::string bytes = FromHex(row["hex"].get<std::string>());
    const absl::Status status = ErrorOf(bytes);
    if (!row["reference"].get<bool>()) {
      EXPECT_FALSE(status.ok()) << row["name"];
      ++refused;
    }
    if (row.contains("ours")) {
      EXPECT_EQ(status.ok(), row["ours"].get<bool>())
          << row["name"] << ": " << status;
    }
    if (status.ok()) {
      ++taken;
      continue;
    }
    const std::string reason = DetailsOf(status).reason;
    EXPECT_TRUE((status.code() == absl::StatusCode::kDataLoss &&
                 reason == "WEIGHTS_CORRUPT") ||
                (status.code() == absl::StatusCode::kInvalidArgument &&
                 (reason == "LIMIT_EXCEEDED" || reason == "MODEL_INVALID")))
        << row["name"] << ": " << status;
  }
  EXPECT_GT(refused, 1100);
  EXPECT_GT(taken, 20);
}

// Whatever is taken holds the promises of the header, whatever was done to the
// bytes.
void CheckPromises(const SafetensorsFile& file) {
  const std::uint8_t* end = nullptr;
  for (const TensorView& tensor : file.tensors()) {
    std::size_t elements = 1;
    for (const std::int64_t size : tensor.shape) {
      ASSERT_GE(size, 0);
      elements *= static_cast<std::size_t>(size);
    }
    ASSERT_EQ(tensor.bytes.size(), elements * DTypeBytes(tensor.dtype));
    if (end != nullptr) {
      ASSERT_EQ(tensor.bytes.data(), end);
    }
    end = tensor.bytes.data() + tensor.bytes.size();
  }
}

std::string Mutate(std::string bytes, std::mt19937& random) {
  const auto edits = 1 + random() % 4;
  for (unsigned i = 0; i < edits && !bytes.empty(); ++i) {
    const std::size_t at = random() % bytes.size();
    switch (random() % 5) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^
                                      (1U << (random() % 8)));
        break;
      case 2:
        bytes.erase(at, 1 + random() % 3);
        break;
      case 3:
        bytes.insert(at, 1, "{}[]\":,0123456789-.eE\\u"[random() % 23]);
        break;
      default:
        bytes.resize(at);
        break;
    }
  }
  return bytes;
}

TEST(SafetensorsTest, SurvivesThousandsOfDamagedFiles) {
  const std::size_t per_seed =
      std::getenv("RESNETD_TEST_LONG") != nullptr ? 500'000 : 4'000;
  std::mt19937 random(20);
  int taken = 0;
  for (const char* name : {"all_types", "no_elements", "odd_sizes"}) {
    const std::string seed =
        ReadGolden(absl::StrCat("valid/", name, ".safetensors"));
    // Most edits into the header, where the decisions are.
    const std::string small = seed.substr(0, 8 + 400);
    for (std::size_t i = 0; i < per_seed; ++i) {
      const std::string bytes =
          i % 2 == 0 ? Mutate(seed, random)
                     : Mutate(small, random) + seed.substr(small.size());
      if (const auto file = Parse(bytes); file.ok()) {
        ++taken;
        CheckPromises(*file);
      }
    }
  }
  // Edits of data bytes and of names leave a file whole.
  EXPECT_GT(taken, 0);
}

TEST(SafetensorsTest, RefusesAFileCutAtAnyByte) {
  const std::string bytes = ReadGolden("valid/odd_sizes.safetensors");
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const absl::Status status = ErrorOf(bytes.substr(0, length));
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << length;
  }
  EXPECT_FALSE(ErrorOf(bytes + "x").ok());
  EXPECT_TRUE(ErrorOf(bytes).ok());
}

TEST(SafetensorsTest, OrdersTensorsByTheirPlaceInTheFile) {
  const auto file = Parse(
      PackFile(R"({"last":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},)"
               R"("empty":{"dtype":"U8","shape":[0],"data_offsets":[1,1]},)"
               R"("first":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})",
               "abc"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<std::string> names;
  for (const TensorView& tensor : file->tensors()) {
    names.push_back(tensor.name);
  }
  EXPECT_THAT(names, ElementsAre("first", "empty", "last"));
  EXPECT_THAT(file->tensors()[2].bytes, ElementsAre('b', 'c'));
  EXPECT_THAT(file->tensors()[0].shape, IsEmpty());
}

TEST(SafetensorsTest, KeepsItsViewsWhenItIsMoved) {
  SafetensorsFile file = Parse(OneTensor()).value();
  const SafetensorsFile moved = std::move(file);
  EXPECT_THAT(moved.tensors()[0].bytes, ElementsAre('1', '2', '3', '4'));
}

TEST(SafetensorsTest, LimitsTheHeader) {
  const std::string bytes = OneTensor();
  const std::size_t header = bytes.size() - 8 - 4;
  EXPECT_TRUE(ErrorOf(bytes, {.max_header_bytes = header + 1}).ok());
  EXPECT_TRUE(ErrorOf(bytes, {.max_header_bytes = header}).ok());
  const absl::Status status = ErrorOf(bytes, {.max_header_bytes = header - 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(testing::Pair("limit", absl::StrCat(header - 1))));
}

TEST(SafetensorsTest, LimitsTheDefaultHeaderToOneMebibyte) {
  const auto padded = [](std::size_t length) {
    return PackFile("{}" + std::string(length - 2, ' '));
  };
  EXPECT_TRUE(ErrorOf(padded((1U << 20U) - 1)).ok());
  EXPECT_TRUE(ErrorOf(padded(1U << 20U)).ok());
  EXPECT_EQ(DetailsOf(ErrorOf(padded((1U << 20U) + 1))).reason,
            "LIMIT_EXCEEDED");
}

TEST(SafetensorsTest, LimitsTheNumberOfTensors) {
  const auto file = [](int tensors) {
    std::vector<WrittenTensor> made;
    for (int i = 0; i < tensors; ++i) {
      made.push_back({.name = absl::StrCat("t", i),
                      .dtype = DType::kU8,
                      .shape = {1},
                      .bytes = "x"});
    }
    return PackTensors(made);
  };
  EXPECT_TRUE(ErrorOf(file(4), {.max_tensors = 5}).ok());
  EXPECT_TRUE(ErrorOf(file(5), {.max_tensors = 5}).ok());
  EXPECT_EQ(DetailsOf(ErrorOf(file(6), {.max_tensors = 5})).reason,
            "LIMIT_EXCEEDED");
}

TEST(SafetensorsTest, LimitsTheLengthOfNames) {
  EXPECT_TRUE(ErrorOf(OneTensor(std::string(255, 'n'))).ok());
  EXPECT_TRUE(ErrorOf(OneTensor(std::string(256, 'n'))).ok());
  const absl::Status status = ErrorOf(OneTensor(std::string(257, 'n')));
  EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("has 257 bytes"));
}

TEST(SafetensorsTest, LimitsTheRank) {
  const auto file = [](std::size_t rank) {
    return PackTensors({{.name = "a",
                         .dtype = DType::kU8,
                         .shape = std::vector<std::int64_t>(rank, 1),
                         .bytes = "x"}});
  };
  EXPECT_TRUE(ErrorOf(file(7)).ok());
  EXPECT_TRUE(ErrorOf(file(8)).ok());
  EXPECT_EQ(DetailsOf(ErrorOf(file(9))).reason, "LIMIT_EXCEEDED");
}

TEST(SafetensorsTest, RefusesTenMillionTensorsOnTheSameBytes) {
  // The header alone is 500 MB; only its length is read.
  std::string bytes = PackFile("");
  const std::uint64_t length = 500'000'000;
  for (unsigned i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>((length >> (8 * i)) & 0xFFU);
  }
  EXPECT_EQ(ErrorOf(bytes).code(), absl::StatusCode::kDataLoss);
  // As many as fit below the limit of the header: the first two overlap.
  std::string header = "{";
  int count = 0;
  while (header.size() < (1U << 20U) - 100) {
    absl::StrAppend(&header, count == 0 ? "" : ",", "\"", count,
                    R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})");
    ++count;
  }
  EXPECT_THAT(TextOf(PackFile(header + "}", "x")), HasSubstr("overlap"));
}

TEST(SafetensorsTest, SaysWhatIsWrongWithWhichTensor) {
  EXPECT_EQ(TextOf("abc"),
            "the file has 3 bytes, too few for a .safetensors file");
  EXPECT_THAT(TextOf("PK\x03\x04 a zip file"),
              HasSubstr("this is no .safetensors file"));
  EXPECT_EQ(TextOf(PackFile("[]")), "header: does not begin with \"{\"");
  EXPECT_EQ(TextOf(PackFile("{\"a\" 1}")), "header: not valid JSON at byte 6");
  EXPECT_EQ(TextOf(PackFile(R"({"a":{"dtype":"F32","shape":[1.0]}})")),
            "header: tensor \"a\": found a number with fraction or exponent, "
            "or over 2^64, expected an integer from 0 to 2^53");
  EXPECT_EQ(TextOf(PackFile(R"({"a":{"dtype":"F8_E4M3"}})")),
            "header: tensor \"a\" has type F8_E4M3, which is not supported; "
            "convert it to F32 (accepted: F64 F32 F16 BF16 I64 I32 U8 BOOL)");
  EXPECT_EQ(TextOf(PackFile(R"({"a":{"dtype":"X"}})")),
            "header: tensor \"a\" has the unknown type \"X\"");
  EXPECT_EQ(TextOf(PackFile(R"({"a":{"dtype":"U8","shape":[]}})")),
            "header: tensor \"a\": \"data_offsets\" is missing");
  EXPECT_EQ(TextOf(PackFile(R"({"__metadata__":{"k":1}})")),
            "header: __metadata__: found a number, expected a string");
  EXPECT_EQ(TextOf(PackFile(
                R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,4]}})",
                "1234")),
            "tensor \"a\": F32 [2, 3] needs 24 bytes, data_offsets give it 4");
  EXPECT_EQ(TextOf(PackFile(
                R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})")),
            "the tensors need 1 bytes of data, the file holds 0; it is cut "
            "off");
}

}  // namespace
}  // namespace resnetd
