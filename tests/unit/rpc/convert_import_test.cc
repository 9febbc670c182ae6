#include "server/rpc/convert_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>

#include "server/base/error.h"
#include "server/models/labels.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Key;
using testing::UnorderedElementsAre;

constexpr RequestLimits kLimits{.max_request_id_bytes = 8,
                                .max_import_bytes = 100};

v1::ImportVersionHeader Header() {
  v1::ImportVersionHeader header;
  header.set_model("models/net");
  header.set_sha256(std::string(64, 'a'));
  header.set_size_bytes(10);
  return header;
}

v1::Preprocess Preprocess() {
  v1::Preprocess message;
  message.set_resize(40);
  message.set_crop(32);
  for (const float value : {0.5F, 0.25F, 0.125F}) {
    message.add_mean(value);
    message.add_std(value);
  }
  return message;
}

absl::StatusOr<ImportHeader> Read(v1::ImportVersionHeader header) {
  return ToImportHeader(header, kLimits);
}

std::map<std::string, std::string> ComplaintsAbout(
    const v1::ImportVersionHeader& header) {
  const absl::Status status = Read(header).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const ErrorDetails details = DetailsOf(status);
  return {details.violations.begin(), details.violations.end()};
}

TEST(ConvertImportTest, ATemperatureIsOneUnlessItIsSaid) {
  v1::ImportVersionHeader message = Header();
  EXPECT_EQ(Read(message)->temperature, 1);
  message.set_temperature(1.372);
  EXPECT_EQ(Read(message)->temperature, 1.372);
  for (const double bad : {-1.0, 0.009, 100.1}) {
    message.set_temperature(bad);
    EXPECT_THAT(ComplaintsAbout(message),
                UnorderedElementsAre(Key("header.temperature")));
  }
}

TEST(ConvertImportTest, ReadsEveryField) {
  v1::ImportVersionHeader message = Header();
  message.add_labels("cat");
  message.add_labels("dög");
  *message.mutable_preprocess() = Preprocess();
  message.set_architecture("resnet18");
  message.set_description("a net");
  message.set_parent_version(3);
  message.set_request_id("key");
  message.set_validate_only(true);
  const auto header = Read(message);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->model.text(), "net");
  EXPECT_EQ(header->sha256, std::string(64, 'a'));
  EXPECT_EQ(header->size_bytes, 10);
  EXPECT_THAT(header->labels, ElementsAre("cat", "dög"));
  EXPECT_EQ(header->preprocess->resize, 40);
  EXPECT_EQ(header->preprocess->crop, 32);
  EXPECT_THAT(header->preprocess->mean, ElementsAre(0.5F, 0.25F, 0.125F));
  EXPECT_THAT(header->preprocess->std, ElementsAre(0.5F, 0.25F, 0.125F));
  EXPECT_EQ(header->architecture, "resnet18");
  EXPECT_EQ(header->description, "a net");
  EXPECT_EQ(header->parent, VersionNumber{3});
  EXPECT_TRUE(header->validate_only);
}

TEST(ConvertImportTest, HasTheDefaultsOfTheProto) {
  const auto header = Read(Header());
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_TRUE(header->labels.empty());
  EXPECT_FALSE(header->preprocess.has_value());
  EXPECT_EQ(header->architecture, "");
  EXPECT_FALSE(header->parent.has_value());
  EXPECT_FALSE(header->validate_only);
}

TEST(ConvertImportTest, NamesEveryWrongFieldAtOnce) {
  v1::ImportVersionHeader message;
  message.set_model("models/NET");
  message.set_sha256("A");
  message.set_size_bytes(0);
  message.add_labels("good");
  message.add_labels("");
  *message.mutable_preprocess() = Preprocess();
  message.mutable_preprocess()->add_mean(1);
  message.mutable_preprocess()->set_crop(0);
  message.set_architecture("resnet19");
  message.set_description(std::string(4097, 'x'));
  message.set_parent_version(-1);
  message.set_request_id("too long a key");
  EXPECT_THAT(ComplaintsAbout(message),
              UnorderedElementsAre(
                  Key("header.model"), Key("header.sha256"),
                  Key("header.size_bytes"), Key("header.labels[1]"),
                  Key("header.preprocess.mean"), Key("header.preprocess.crop"),
                  Key("header.architecture"), Key("header.description"),
                  Key("header.parent_version"), Key("header.request_id")));
}

TEST(ConvertImportTest, TheSizeIsOneToTheLimit) {
  for (const std::int64_t bytes : {1, 99, 100}) {
    v1::ImportVersionHeader message = Header();
    message.set_size_bytes(bytes);
    EXPECT_TRUE(Read(message).ok()) << bytes;
  }
  for (const std::int64_t bytes :
       {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
        std::int64_t{0}, std::int64_t{101},
        std::numeric_limits<std::int64_t>::max()}) {
    v1::ImportVersionHeader message = Header();
    message.set_size_bytes(bytes);
    EXPECT_THAT(ComplaintsAbout(message),
                UnorderedElementsAre(Key("header.size_bytes")))
        << bytes;
  }
  v1::ImportVersionHeader message = Header();
  message.set_size_bytes(101);
  EXPECT_EQ(DetailsOf(Read(message).status()).reason, "LIMIT_EXCEEDED");
}

TEST(ConvertImportTest, LabelsHaveOneTo256Bytes) {
  for (const std::size_t bytes :
       {std::size_t{1}, kMaxLabelBytes - 1, kMaxLabelBytes}) {
    v1::ImportVersionHeader message = Header();
    message.add_labels(std::string(bytes, 'l'));
    EXPECT_TRUE(Read(message).ok()) << bytes;
  }
  for (const std::string& label :
       {std::string(), std::string(kMaxLabelBytes + 1, 'l'), std::string("a\n"),
        std::string("\x7f")}) {
    v1::ImportVersionHeader message = Header();
    message.add_labels(label);
    EXPECT_THAT(ComplaintsAbout(message),
                UnorderedElementsAre(Key("header.labels[0]")));
  }
}

TEST(ConvertImportTest, ThereAreUpTo100000Labels) {
  v1::ImportVersionHeader message = Header();
  for (std::size_t i = 0; i < kMaxLabels; ++i) {
    message.add_labels("l");
  }
  EXPECT_TRUE(Read(message).ok());
  message.add_labels("l");
  EXPECT_THAT(ComplaintsAbout(message),
              UnorderedElementsAre(Key("header.labels")));
  EXPECT_EQ(DetailsOf(Read(message).status()).reason, "LIMIT_EXCEEDED");
}

TEST(ConvertImportTest, ADescriptionHasUpTo4096Bytes) {
  for (const std::size_t bytes :
       {kMaxDescriptionBytes - 1, kMaxDescriptionBytes}) {
    v1::ImportVersionHeader message = Header();
    message.set_description(std::string(bytes, 'x'));
    EXPECT_TRUE(Read(message).ok()) << bytes;
  }
  v1::ImportVersionHeader message = Header();
  message.set_description(std::string(kMaxDescriptionBytes + 1, 'x'));
  EXPECT_THAT(ComplaintsAbout(message),
              UnorderedElementsAre(Key("header.description")));
}

TEST(ConvertImportTest, ChannelsAreThree) {
  for (const int values : {0, 2, 4}) {
    v1::ImportVersionHeader message = Header();
    *message.mutable_preprocess() = Preprocess();
    message.mutable_preprocess()->mutable_std()->Resize(values, 0.5F);
    EXPECT_THAT(ComplaintsAbout(message),
                UnorderedElementsAre(Key("header.preprocess.std")))
        << values;
  }
}

TEST(ConvertImportTest, AnUnknownArchitectureComesWithTheNearestName) {
  v1::ImportVersionHeader message = Header();
  message.set_architecture("resnet81");
  EXPECT_THAT(ComplaintsAbout(message)["header.architecture"],
              testing::HasSubstr("resnet"));
}

TEST(ConvertImportTest, ADigestIs64LowerCaseHexDigits) {
  EXPECT_TRUE(ParseDigest("digest", std::string(64, 'f')).ok());
  EXPECT_TRUE(ParseDigest("digest", std::string(64, '0')).ok());
  for (const std::string& text :
       {std::string(), std::string(63, 'a'), std::string(65, 'a'),
        std::string(64, 'F'), std::string(64, 'g'), std::string(64, ' ')}) {
    const absl::Status status = ParseDigest("digest", text).status();
    EXPECT_EQ(DetailsOf(status).violations[0].first, "digest") << text;
  }
}

}  // namespace
}  // namespace resnetd
