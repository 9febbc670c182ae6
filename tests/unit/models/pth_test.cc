#include "server/models/pth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/pth_writer.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// 24 different bytes.
const std::string kStorage = "abcdefghijklmnopqrstuvwx";

std::string Verdict(const std::string& file, const PthLimits& limits = {}) {
  const absl::Status status = PthFile::Parse(ToBytes(file), limits).status();
  return status.ok() ? ""
                     : absl::StrCat(DetailsOf(status).reason, ": ",
                                    std::string(status.message()));
}

std::string TextOf(const TensorView& tensor) {
  return {tensor.bytes.begin(), tensor.bytes.end()};
}

PickledView Bytes(std::vector<std::int64_t> shape,
                  std::vector<std::int64_t> strides, std::int64_t offset = 0) {
  return {.name = "w",
          .type = "ByteStorage",
          .elements = 24,
          .offset = offset,
          .shape = std::move(shape),
          .strides = std::move(strides)};
}

std::string PackView(const PickledView& view) {
  return PackPth(PickleOf({view}), {kStorage});
}

TEST(PthTest, ReadsTensorsOfEveryTypeInTheirOrder) {
  std::vector<WrittenTensor> tensors;
  for (const DType dtype :
       {DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
        DType::kI32, DType::kU8, DType::kBool}) {
    const auto elements =
        static_cast<std::int64_t>(kStorage.size() / DTypeBytes(dtype));
    tensors.push_back({.name = std::string(DTypeName(dtype)),
                       .dtype = dtype,
                       .shape = {elements},
                       .bytes = kStorage});
  }
  const auto file = PthFile::Parse(ToBytes(PackPthTensors(tensors)));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(file->tensors()[i].name, tensors[i].name);
    EXPECT_EQ(file->tensors()[i].dtype, tensors[i].dtype);
    EXPECT_EQ(file->tensors()[i].shape, tensors[i].shape);
    EXPECT_EQ(TextOf(file->tensors()[i]), kStorage);
  }
}

TEST(PthTest, PutsViewsTogether) {
  const std::vector<PickledView> views = {
      Bytes({4}, {1}, 20), Bytes({2, 2}, {1, 2}), Bytes({3}, {0}, 1),
      Bytes({}, {}, 23), Bytes({0, 7}, {7, 1})};
  std::vector<PickledView> named;
  for (const PickledView& view : views) {
    named.push_back(view);
    named.back().name = absl::StrCat(named.size());
  }
  PthFile parsed =
      PthFile::Parse(ToBytes(PackPth(PickleOf(named), {kStorage}))).value();
  const PthFile file = std::move(parsed);
  EXPECT_EQ(TextOf(file.tensors()[0]), "uvwx");
  EXPECT_EQ(TextOf(file.tensors()[1]), "acbd");
  EXPECT_EQ(TextOf(file.tensors()[2]), "bbb");
  EXPECT_EQ(TextOf(file.tensors()[3]), "x");
  EXPECT_EQ(TextOf(file.tensors()[4]), "");
}

TEST(PthTest, RefusesViewsThatLeaveTheirStorage) {
  EXPECT_EQ(Verdict(PackView(Bytes({24}, {1}))), "");
  for (const PickledView& view :
       {Bytes({25}, {1}), Bytes({24}, {1}, 1), Bytes({2}, {24}),
        Bytes({}, {}, 24), Bytes({std::int64_t{1} << 62, 8}, {0, 0})}) {
    EXPECT_THAT(Verdict(PackView(view)),
                HasSubstr("WEIGHTS_CORRUPT: tensor \"w\": its view ["));
  }
}

TEST(PthTest, RefusesStoragesThatAreShortOrMissing) {
  PickledView view = Bytes({24}, {1});
  view.elements = 25;
  EXPECT_THAT(Verdict(PackView(view)),
              HasSubstr("its storage should have 25 elements of 1 bytes, "
                        "data/\"0\" has 24 bytes"));
  view.elements = std::int64_t{1} << 62;
  view.type = "DoubleStorage";
  EXPECT_THAT(Verdict(PackView(view)), HasSubstr("WEIGHTS_CORRUPT"));
  view = Bytes({24}, {1});
  view.key = "1";
  EXPECT_THAT(Verdict(PackView(view)),
              HasSubstr("its storage data/\"1\" is missing"));
  view.key = "../version";
  EXPECT_THAT(Verdict(PackView(view)), HasSubstr("is missing"));
}

TEST(PthTest, RefusesTypesThatNoNetworkHas) {
  PickledView view = Bytes({24}, {1});
  view.type = "CharStorage";
  EXPECT_THAT(Verdict(PackView(view)),
              HasSubstr("MODEL_INVALID: tensor \"w\": is of torch.CharStorage, "
                        "which no network here has; convert it to float32"));
}

TEST(PthTest, BoundsTheBytesOfRepeatedNumbers) {
  const std::int64_t file_bytes =
      static_cast<std::int64_t>(PackView(Bytes({1000}, {0})).size());
  const auto verdict = [](std::int64_t size) {
    return Verdict(PackView(Bytes({size}, {0})), {.max_repeated_bytes = 100});
  };
  EXPECT_EQ(verdict(file_bytes + 99), "");
  EXPECT_EQ(verdict(file_bytes + 100), "");
  EXPECT_THAT(verdict(file_bytes + 101),
              StartsWith("LIMIT_EXCEEDED: tensor \"w\": views that repeat"));
  EXPECT_THAT(Verdict(PackView(Bytes({std::int64_t{1} << 50}, {0}))),
              StartsWith("LIMIT_EXCEEDED"));
}

TEST(PthTest, RefusesTheFormatsBeforeTheZipFormat) {
  for (const std::string& file :
       {std::string("\x80\x02\x8a\x0al\xfc\x9c"), std::string("\x80\x02}q\0."),
        std::string(257, '\0') + "ustar"}) {
    EXPECT_TRUE(PthFile::LooksLikePth(ToBytes(file)));
    EXPECT_THAT(
        Verdict(file),
        testing::AllOf(
            StartsWith("MODEL_INVALID: is in the format of torch.save before "
                       "PyTorch 1.6"),
            HasSubstr("safetensors.torch.save_file(torch.load(")));
  }
  EXPECT_FALSE(PthFile::LooksLikePth(ToBytes("")));
  EXPECT_THAT(Verdict("GIF89a"), HasSubstr("does not begin as a .pth file"));
}

TEST(PthTest, RefusesTorchScript) {
  for (const char* name : {"archive/code/a.py", "archive/constants.pkl"}) {
    auto entries = PthEntries(PickleOf({}), {});
    // Programs are compressed.
    entries.push_back({.name = name, .bytes = "x", .method = 8});
    EXPECT_THAT(Verdict(PackZip(entries)),
                StartsWith("MODEL_INVALID: is a TorchScript program"));
  }
}

TEST(PthTest, RefusesOtherArchives) {
  EXPECT_THAT(Verdict(PackZip({{"word/document.xml", "<xml/>"}})),
              StartsWith("MODEL_INVALID: is a zip archive without data.pkl"));
  EXPECT_THAT(Verdict(PackZip({{"a/b/data.pkl", "x"}})),
              StartsWith("MODEL_INVALID: is a zip archive without data.pkl"));
  auto entries = PthEntries(PickleOf({}), {});
  entries.push_back({"other/data/0", "x"});
  EXPECT_THAT(Verdict(PackZip(entries)),
              HasSubstr("\"other/data/0\" lies outside the folder"));
}

TEST(PthTest, ChecksVersionAndByteOrder) {
  const auto with = [](std::size_t index, const std::string& bytes) {
    auto entries = PthEntries(PickleOf({Bytes({1}, {1})}), {kStorage});
    entries[index].bytes = bytes;
    return Verdict(PackZip(entries));
  };
  EXPECT_EQ(with(1, "little"), "");
  EXPECT_THAT(with(1, "big"),
              StartsWith("MODEL_INVALID: has the byte order \"big\""));
  EXPECT_EQ(with(3, "3\n"), "");
  EXPECT_THAT(with(3, "11\n"),
              StartsWith("MODEL_INVALID: has the format version \"11\\n\""));
  auto entries = PthEntries(PickleOf({Bytes({1}, {1})}), {kStorage});
  entries.erase(entries.begin() + 1);
  EXPECT_EQ(Verdict(PackZip(entries)), "");
  entries.pop_back();
  EXPECT_THAT(Verdict(PackZip(entries)),
              StartsWith("WEIGHTS_CORRUPT: the entry \"version\" is missing"));
}

// Also what no tensor lies in.
TEST(PthTest, VerifiesEveryEntry) {
  auto entries = PthEntries(PickleOf({Bytes({1}, {1})}), {kStorage});
  entries.push_back({"archive/.data/serialization_id", "unused"});
  std::string file = PackZip(entries);
  ASSERT_EQ(Verdict(file), "");
  file[file.find("unused")] = 'X';
  EXPECT_THAT(Verdict(file), HasSubstr("the CRC-32 of "));
}

TEST(PthTest, SaysWhereThePickleIsDamaged) {
  EXPECT_THAT(Verdict(PackPth("\x80\x02N", {})),
              StartsWith("WEIGHTS_CORRUPT: data.pkl: at byte 3: "));
  EXPECT_THAT(
      Verdict(PackPth(pickle::kProto + pickle::Global("os", "system"), {})),
      StartsWith("MODEL_INVALID: data.pkl: at byte 2: asks for the Python "
                 "object \"os.system\""));
}

}  // namespace
}  // namespace resnetd
