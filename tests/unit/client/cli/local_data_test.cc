#include "client/cli/local_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/error_info.h"
#include "tests/support/temp_dir.h"

namespace resnetd::cli {
namespace {

using client::ExampleSplit;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A .tar of `files`, as the format's first description has it (ustar).
std::string Tar(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string out;
  for (const auto& [name, content] : files) {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    header.replace(100, 7, "0000644");
    header.replace(108, 7, "0000000");
    header.replace(116, 7, "0000000");
    char size[12];
    std::snprintf(size, sizeof(size), "%011zo", content.size());
    header.replace(124, 11, size);
    header.replace(136, 11, "00000000000");
    header.replace(148, 8, "        ");
    header[156] = '0';
    header.replace(257, 5, "ustar");
    header.replace(263, 2, "00");
    unsigned sum = 0;
    for (const char c : header) {
      sum += static_cast<unsigned char>(c);
    }
    char checksum[8];
    std::snprintf(checksum, sizeof(checksum), "%06o", sum);
    header.replace(148, 7, std::string(checksum, 6) + '\0');
    out += header + content;
    out.resize((out.size() + 511) / 512 * 512, '\0');
  }
  return out + std::string(1024, '\0');
}

class LocalDataTest : public ::testing::Test {
 protected:
  void Put(const std::string& name, const std::string& content = "picture") {
    folder_.MakeFolder(name.substr(0, name.rfind('/')));
    folder_.Write(name, content);
  }
  static LocalData Look(const std::string& path,
                        const std::vector<std::string>& labels = {}) {
    absl::StatusOr<LocalData> data = LookAt(path, labels);
    EXPECT_TRUE(data.ok()) << data.status();
    return data.ok() ? *std::move(data) : LocalData();
  }
  static std::string ReasonOf(const std::string& path) {
    return client::ErrorInfoOf(LookAt(path, {}).status()).reason;
  }
  // "name label split" of every picture.
  static std::vector<std::string> ListOf(const LocalData& data) {
    std::vector<std::string> list;
    for (const LocalPicture& picture : data.pictures) {
      list.push_back(absl::StrCat(picture.name, " ", picture.label, " ",
                                  client::ExampleSplitName(picture.split)));
    }
    return list;
  }
  // The bytes of all pictures behind the first `skip`.
  static std::vector<std::string> Read(const LocalData& data,
                                       std::int64_t skip = 0) {
    const auto source = SourceOf(data);
    EXPECT_TRUE(source->Skip(skip).ok());
    std::vector<std::string> read;
    while (true) {
      auto example = source->Next();
      EXPECT_TRUE(example.ok()) << example.status();
      if (!example.ok() || !*example) {
        return read;
      }
      read.push_back((*example)->image);
    }
  }

  TempDir folder_;
};

TEST_F(LocalDataTest, AFolderIsAClass) {
  Put("p/dog/2.png");
  Put("p/dog/10.JPG", "ten");
  Put("p/cat/deep/er/1.webp");
  Put("p/Zebra/1.jpeg");
  Put("p/dog/notes.txt");
  Put("p/.hidden/1.png");
  Put("p/dog/.hidden.png");
  const LocalData data = Look(folder_.File("p/"));
  // Sorted byte by byte: capitals first, "10" before "2".
  EXPECT_THAT(data.labels, ElementsAre("Zebra", "cat", "dog"));
  EXPECT_THAT(
      ListOf(data),
      ElementsAre("Zebra/1.jpeg Zebra auto", "cat/deep/er/1.webp cat auto",
                  "dog/10.JPG dog auto", "dog/2.png dog auto"));
  EXPECT_EQ(data.ignored, 1);
  EXPECT_EQ(data.bytes, 7 + 7 + 3 + 7);
  EXPECT_THAT(Read(data), ElementsAre("picture", "picture", "ten", "picture"));
  EXPECT_THAT(Read(data, 2), ElementsAre("ten", "picture"));
  EXPECT_THAT(Read(data, 4), ElementsAre());
}

TEST_F(LocalDataTest, PartsMayStandAboveTheClasses) {
  Put("p/train/cat/1.png");
  Put("p/val/cat/2.png");
  Put("p/test/dog/3.png");
  EXPECT_THAT(
      ListOf(Look(folder_.File("p"))),
      ElementsAre("test/dog/3.png dog test", "train/cat/1.png cat train",
                  "val/cat/2.png cat validation"));
}

TEST_F(LocalDataTest, WithoutAValidationPartItIsTakenFromTraining) {
  Put("p/train/cat/1.png");
  Put("p/test/cat/3.png");
  EXPECT_THAT(
      ListOf(Look(folder_.File("p"))),
      ElementsAre("test/cat/3.png cat test", "train/cat/1.png cat auto"));
}

TEST_F(LocalDataTest, AClassMayBeCalledTrain) {
  Put("p/train/1.png");
  Put("p/plane/1.png");
  EXPECT_THAT(Look(folder_.File("p")).labels, ElementsAre("plane", "train"));
}

TEST_F(LocalDataTest, AListOfLabelsDecidesTheOrder) {
  Put("p/cat/1.png");
  Put("p/dog/1.png");
  EXPECT_THAT(Look(folder_.File("p"), {"dog", "fox", "cat"}).labels,
              ElementsAre("dog", "fox", "cat"));
}

TEST_F(LocalDataTest, SaysWhatIsWrongWithAFolder) {
  EXPECT_EQ(ReasonOf(folder_.File("none")), "FILE_NOT_FOUND");
  folder_.MakeFolder("empty");
  EXPECT_EQ(ReasonOf(folder_.File("empty")), "DATA_EMPTY");
  Put("flat/1.png");
  EXPECT_EQ(ReasonOf(folder_.File("flat")), "DATA_NO_CLASSES");
  Put("loop/a/1.png");
  std::filesystem::create_directory_symlink(folder_.File("loop"),
                                            folder_.File("loop/a/again"));
  EXPECT_EQ(ReasonOf(folder_.File("loop")), "DATA_TOO_DEEP");
  EXPECT_EQ(ReasonOf(folder_.Write("x.zip", "zip")), "DATA_UNKNOWN_FORMAT");
}

TEST_F(LocalDataTest, AFileThatIsGoneIsSaid) {
  Put("p/cat/1.png");
  const LocalData data = Look(folder_.File("p"));
  std::filesystem::remove(folder_.File("p/cat/1.png"));
  const auto next = SourceOf(data)->Next();
  EXPECT_EQ(client::ErrorInfoOf(next.status()).reason,
            client::kReasonSourceChanged);
  Put("p/cat/1.png", "less");
  EXPECT_FALSE(SourceOf(data)->Next().ok());
}

TEST_F(LocalDataTest, AnUploadHasTheSameNameUntilAFileChanges) {
  Put("p/cat/1.png");
  Put("p/dog/1.png");
  const LocalData data = Look(folder_.File("p"));
  const std::string name = UploadNameOf(data);
  EXPECT_THAT(name, StartsWith("resnetctl-"));
  EXPECT_EQ(name.size(), 42U);
  EXPECT_EQ(UploadNameOf(Look(folder_.File("p"))), name);
  LocalData other = data;
  other.pictures[0].changed_ns += 1;
  EXPECT_NE(UploadNameOf(other), name);
  other = data;
  other.pictures[0].label = "dog";
  EXPECT_NE(UploadNameOf(other), name);
  other = data;
  other.pictures[0].split = ExampleSplit::kTest;
  EXPECT_NE(UploadNameOf(other), name);
  other = data;
  other.pictures.pop_back();
  EXPECT_NE(UploadNameOf(other), name);
}

TEST_F(LocalDataTest, ATableNamesPicturesBesideIt) {
  Put("p/images/a.png", "A");
  Put("p/images/b, c.png", "BC");
  const std::string path = folder_.Write(
      "p/list.csv", "images/a.png,dog\r\n\"images/b, c.png\",cat,val\r\n");
  const LocalData data = Look(path);
  EXPECT_THAT(data.labels, ElementsAre("cat", "dog"));
  EXPECT_EQ(data.pictures[0].split, ExampleSplit::kAuto);
  EXPECT_THAT(Read(data), ElementsAre("A", "BC"));
}

TEST_F(LocalDataTest, ATableMayNameItsColumns) {
  Put("p/a.png", "A");
  const std::string path =
      folder_.Write("p/list.csv", "Split,Label,Path\ntest,dog,a.png\n");
  EXPECT_THAT(ListOf(Look(path)), ElementsAre("a.png dog test"));
  const std::string absolute = folder_.Write(
      "other.csv",
      absl::StrCat("path,label\n", folder_.File("p/a.png"), ",dog\n"));
  EXPECT_THAT(Read(Look(absolute)), ElementsAre("A"));
}

TEST_F(LocalDataTest, NamesTheLineOfATableThatIsWrong) {
  Put("p/a.png");
  for (const auto& [text, problem] :
       std::vector<std::pair<std::string, std::string>>{
           {"a.png,dog\na.png\n", "line 2 has no label"},
           {"a.png,dog,some\n", "has the split \"some\""},
           {"a.png,dog\nnone.png,dog\n", "line 2 names"},
           {"\"a.png,dog\n", "begins a quote"}}) {
    const absl::Status status =
        LookAt(folder_.Write("p/list.csv", text), {}).status();
    EXPECT_EQ(client::ErrorInfoOf(status).reason, "DATA_TABLE_INVALID");
    EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
  }
  EXPECT_EQ(ReasonOf(folder_.Write("p/list.csv", "path,label\n")),
            "DATA_EMPTY");
}

TEST_F(LocalDataTest, AWebDatasetHasItsLabelsBesideThePictures) {
  const std::string path =
      folder_.Write("d.tar", Tar({{"0001.jpg", "one"},
                                  {"0001.cls", "10\n"},
                                  {"0001.txt", "a caption"},
                                  {"0002.cls", "2"},
                                  {"0002.seg.png", "two"},
                                  {"readme.md", "x"}}));
  const LocalData data = Look(path);
  // Numbers in the order of numbers.
  EXPECT_THAT(data.labels, ElementsAre("2", "10"));
  EXPECT_THAT(ListOf(data),
              ElementsAre("0001.jpg 10 auto", "0002.seg.png 2 auto"));
  EXPECT_EQ(data.ignored, 1);
  EXPECT_THAT(Read(data), ElementsAre("one", "two"));
  EXPECT_THAT(Read(data, 1), ElementsAre("two"));
}

TEST_F(LocalDataTest, NumbersOfAWebDatasetAreThoseOfTheList) {
  const std::string path =
      folder_.Write("d.tar", Tar({{"1.jpg", "one"},
                                  {"1.cls", "1"},
                                  {"2.jpg", "two"},
                                  {"2.json", R"({"label": 0, "x": [1]})"},
                                  {"3.jpg", "three"},
                                  {"3.json", "\"fox\""},
                                  {"4.jpg", "four"},
                                  {"4.txt", " dog \n"}}));
  const LocalData data = Look(path, {"cat", "dog", "fox"});
  EXPECT_THAT(ListOf(data), ElementsAre("1.jpg dog auto", "2.jpg cat auto",
                                        "3.jpg fox auto", "4.jpg dog auto"));
  EXPECT_THAT(data.labels, ElementsAre("cat", "dog", "fox"));
}

TEST_F(LocalDataTest, AnArchiveMayHoldFoldersOfClasses) {
  const std::string path = folder_.Write(
      "d.tar", Tar({{"./train/cat/1.jpg", "one"}, {"./val/dog/2.png", "two"}}));
  EXPECT_THAT(ListOf(Look(path)),
              ElementsAre("./train/cat/1.jpg cat train",
                          "./val/dog/2.png dog validation"));
}

TEST_F(LocalDataTest, SaysWhatIsWrongWithAnArchive) {
  EXPECT_EQ(ReasonOf(folder_.Write("bare.tar", Tar({{"1.jpg", "one"}}))),
            "DATA_NO_LABEL");
  EXPECT_EQ(ReasonOf(folder_.Write("none.tar", Tar({{"1.txt", "one"}}))),
            "DATA_EMPTY");
  EXPECT_EQ(ReasonOf(folder_.Write("junk.tar", std::string(2000, 'x'))),
            "DATA_ARCHIVE_DAMAGED");
  const std::string whole =
      Tar({{"a/1.jpg", std::string(5000, 'x')}, {"a/2.jpg", "two"}});
  EXPECT_EQ(ReasonOf(folder_.Write("cut.tar", whole.substr(0, 2000))),
            "DATA_ARCHIVE_DAMAGED");
}

TEST_F(LocalDataTest, AnArchiveThatChangesIsSaid) {
  const std::string path =
      folder_.Write("d.tar", Tar({{"a/1.jpg", "one"}, {"a/2.jpg", "two"}}));
  const LocalData data = Look(path);
  folder_.Write("d.tar", Tar({{"a/1.jpg", "one"}, {"a/3.jpg", "two"}}));
  const auto source = SourceOf(data);
  EXPECT_TRUE(source->Next().ok());
  EXPECT_EQ(client::ErrorInfoOf(source->Next().status()).reason,
            client::kReasonSourceChanged);
}

TEST(PictureNameTest, GoesByTheEnding) {
  for (const char* name : {"a.jpg", "a.JPEG", "x/a.png", "a.webp", "a.gif"}) {
    EXPECT_TRUE(IsPictureName(name)) << name;
  }
  for (const char* name : {"a.txt", "jpg", "a.jpg.txt", ""}) {
    EXPECT_FALSE(IsPictureName(name)) << name;
  }
}

TEST(SplitNameTest, KnowsTheUsualSpellings) {
  for (const auto& [text, expected] :
       std::vector<std::pair<std::string, ExampleSplit>>{
           {"train", ExampleSplit::kTrain},
           {"VAL", ExampleSplit::kValidation},
           {"valid", ExampleSplit::kValidation},
           {"Validation", ExampleSplit::kValidation},
           {"test", ExampleSplit::kTest}}) {
    ExampleSplit split{};
    EXPECT_TRUE(ParseSplitName(text, split)) << text;
    EXPECT_EQ(split, expected) << text;
  }
  ExampleSplit split{};
  EXPECT_FALSE(ParseSplitName("training", split));
  EXPECT_FALSE(ParseSplitName("", split));
}

}  // namespace
}  // namespace resnetd::cli
