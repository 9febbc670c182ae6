#include "server/models/safetensors_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/models/safetensors.h"
#include "tests/support/safetensors_writer.h"

namespace resnetd {
namespace {

const std::vector<std::uint8_t>& Zeros() {
  static const std::vector<std::uint8_t> zeros(64);
  return zeros;
}

TensorView View(std::string name, DType dtype,
                std::vector<std::int64_t> shape) {
  const std::uint64_t bytes = *TensorBytes(dtype, shape);
  return {.name = std::move(name),
          .dtype = dtype,
          .shape = std::move(shape),
          .bytes = absl::MakeConstSpan(Zeros()).first(
              static_cast<std::size_t>(bytes))};
}

std::string Written(const std::vector<TensorView>& tensors,
                    const SafetensorsMetadata& metadata = {}) {
  std::string file;
  const absl::Status status = WriteSafetensors(
      tensors, metadata, [&file](absl::Span<const std::uint8_t> bytes) {
        file.append(bytes.begin(), bytes.end());
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(SafetensorsBytes(tensors, metadata).value(),
            static_cast<std::int64_t>(file.size()));
  return file;
}

std::string Refused(const std::vector<TensorView>& tensors,
                    const SafetensorsMetadata& metadata = {}) {
  const absl::Status status = WriteSafetensors(
      tensors, metadata, [](absl::Span<const std::uint8_t> /*bytes*/) {
        ADD_FAILURE() << "something was written";
        return absl::OkStatus();
      });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_EQ(SafetensorsBytes(tensors, metadata).status(), status);
  return std::string(status.message());
}

TEST(SafetensorsWriterTest, WritesWhatTheReferencePackageWrites) {
  // The whole header of safetensors 0.8.0 for these tensors.
  EXPECT_EQ(
      Written({View("b.f", DType::kF32, {2}), View("a.f", DType::kF32, {2, 2}),
               View("h", DType::kF16, {3}), View("bf", DType::kBF16, {3}),
               View("d", DType::kF64, {1}), View("l", DType::kI64, {}),
               View("i", DType::kI32, {1}), View("u", DType::kU8, {3}),
               View("z", DType::kBool, {2}), View("e", DType::kF32, {0, 3}),
               View("\xC3\xA9\"\\\n\x01\x7F", DType::kF32, {1})})
          .substr(0, 640),
      std::string("\x78\x02\0\0\0\0\0\0", 8) +
          R"({"l":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
          R"("d":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},)"
          R"("a.f":{"dtype":"F32","shape":[2,2],"data_offsets":[16,32]},)"
          R"("b.f":{"dtype":"F32","shape":[2],"data_offsets":[32,40]},)"
          R"("e":{"dtype":"F32","shape":[0,3],"data_offsets":[40,40]},)"
          "\"\xC3\xA9\\\"\\\\\\n\\u0001\x7F"
          R"(":{"dtype":"F32","shape":[1],"data_offsets":[40,44]},)"
          R"("i":{"dtype":"I32","shape":[1],"data_offsets":[44,48]},)"
          R"("bf":{"dtype":"BF16","shape":[3],"data_offsets":[48,54]},)"
          R"("h":{"dtype":"F16","shape":[3],"data_offsets":[54,60]},)"
          R"("u":{"dtype":"U8","shape":[3],"data_offsets":[60,63]},)"
          R"("z":{"dtype":"BOOL","shape":[2],"data_offsets":[63,65]}}      )");
}

TEST(SafetensorsWriterTest, WritesMetadataFirstInTheOrderOfItsKeys) {
  EXPECT_EQ(
      Written({View("a", DType::kF32, {1})}, {{"format", "pt"}, {"a", "\t"}})
          .substr(8),
      R"({"__metadata__":{"a":"\t","format":"pt"},)"
      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  )" +
          std::string(4, '\0'));
  EXPECT_EQ(Written({}), PackFile("{}      "));
}

TEST(SafetensorsWriterTest, DoesNotDependOnTheOrderOfItsInput) {
  std::vector<TensorView> tensors = {View("a", DType::kU8, {5}),
                                     View("b", DType::kF32, {2}),
                                     View("c", DType::kF32, {0})};
  const std::string first = Written(tensors);
  std::reverse(tensors.begin(), tensors.end());
  EXPECT_EQ(Written(tensors), first);
}

TEST(SafetensorsWriterTest, WritesWhatTheReaderReads) {
  const std::string name = "layer1.0 \"\\/\b\f\n\r\t\x1F\xF0\x9F\x98\x80";
  const auto file = SafetensorsFile::Parse(ToBytes(
      Written({View(name, DType::kBF16, {3, 1}), View("", DType::kI64, {})},
              {{name, name}})));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors()[0].name, "");
  EXPECT_EQ(file->tensors()[1].name, name);
  EXPECT_EQ(file->tensors()[1].shape, (std::vector<std::int64_t>{3, 1}));
  EXPECT_EQ(file->metadata()[0].first, name);
  EXPECT_EQ(file->metadata()[0].second, name);
}

TEST(SafetensorsWriterTest, RefusesWhatTheFormatCannotHold) {
  EXPECT_EQ(Refused({View("a", DType::kF32, {1}), View("a", DType::kU8, {1})}),
            "tensor \"a\" is there twice");
  EXPECT_EQ(Refused({View("__metadata__", DType::kF32, {1})}),
            "no tensor may be called \"__metadata__\"");
  Refused({View("\xFF", DType::kF32, {1})});
  TensorView short_one = View("a", DType::kF32, {2});
  short_one.bytes.remove_suffix(1);
  EXPECT_EQ(Refused({short_one}),
            "tensor \"a\" has 7 bytes, F32 [2] needs others");
  Refused({View("a", DType::kF32, {1})}, {{"k", "1"}, {"k", "2"}});
  Refused({}, {{"k", "\xFF"}});
  Refused({}, {{"\xFF", "k"}});
}

TEST(SafetensorsWriterTest, EndsWithTheErrorOfTheSink) {
  for (int calls = 0; calls < 3; ++calls) {
    int left = calls;
    const absl::Status status = WriteSafetensors(
        {View("a", DType::kF32, {1}), View("b", DType::kF32, {1})}, {},
        [&left](absl::Span<const std::uint8_t> /*bytes*/) {
          return left-- == 0 ? absl::ResourceExhaustedError("full")
                             : absl::OkStatus();
        });
    EXPECT_EQ(status, absl::ResourceExhaustedError("full"));
    EXPECT_EQ(left, -1);
  }
}

}  // namespace
}  // namespace resnetd
