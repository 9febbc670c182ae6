#include "server/rpc/convert_upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/bytes.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Key;

v1::UploadBatch OneExample() {
  v1::UploadBatch batch;
  v1::UploadExample& example = *batch.add_examples();
  example.set_name("cats/1.jpg");
  example.set_label("cat");
  example.set_split(v1::EXAMPLE_SPLIT_TEST);
  example.set_image("picture");
  return batch;
}

TEST(ConvertUploadTest, ReadsAHeader) {
  v1::UploadExamplesHeader message;
  message.set_dataset("datasets/pets");
  message.set_upload("up-1");
  const UploadHeader header = ToUploadHeader(message).value();
  EXPECT_EQ(header.dataset.text(), "pets");
  EXPECT_EQ(header.upload, "up-1");
}

TEST(ConvertUploadTest, AnUploadIsNamedBy1To128Bytes) {
  v1::UploadExamplesHeader message;
  message.set_dataset("datasets/pets");
  for (const std::size_t bytes : {1U, 127U, 128U}) {
    message.set_upload(std::string(bytes, 'x'));
    EXPECT_TRUE(ToUploadHeader(message).ok());
  }
  for (const std::size_t bytes : {0U, 129U}) {
    message.set_upload(std::string(bytes, 'x'));
    EXPECT_THAT(DetailsOf(ToUploadHeader(message).status()).violations,
                ElementsAre(Key("header.upload")));
  }
}

TEST(ConvertUploadTest, ThePictureStaysInTheMessage) {
  v1::UploadBatch batch = OneExample();
  const auto examples = ToUploadedExamples(batch, {}).value();
  ASSERT_EQ(examples.size(), 1U);
  EXPECT_EQ(examples[0].name, "cats/1.jpg");
  EXPECT_EQ(examples[0].label, "cat");
  EXPECT_EQ(examples[0].split, ExampleSplit::kTest);
  EXPECT_EQ(AsText(examples[0].bytes), "picture");
  EXPECT_EQ(static_cast<const void*>(examples[0].bytes.data()),
            static_cast<const void*>(batch.examples(0).image().data()));
}

TEST(ConvertUploadTest, ANameHasAtMost512Bytes) {
  for (const std::size_t bytes : {0U, 511U, 512U}) {
    v1::UploadBatch batch = OneExample();
    batch.mutable_examples(0)->set_name(std::string(bytes, 'x'));
    EXPECT_TRUE(ToUploadedExamples(batch, {}).ok()) << bytes;
  }
  v1::UploadBatch batch = OneExample();
  batch.mutable_examples(0)->set_name(std::string(513, 'x'));
  const ErrorDetails details =
      DetailsOf(ToUploadedExamples(batch, {}).status());
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(details.violations, ElementsAre(Key("batch.examples[0].name")));
}

TEST(ConvertUploadTest, ALabelHasAtMost256Bytes) {
  for (const std::size_t bytes : {0U, 255U, 256U}) {
    v1::UploadBatch batch = OneExample();
    batch.mutable_examples(0)->set_label(std::string(bytes, 'x'));
    // Whether the dataset has it is not decided here.
    EXPECT_TRUE(ToUploadedExamples(batch, {}).ok()) << bytes;
  }
  v1::UploadBatch batch = OneExample();
  batch.mutable_examples(0)->set_label(std::string(257, 'x'));
  EXPECT_THAT(DetailsOf(ToUploadedExamples(batch, {}).status()).violations,
              ElementsAre(Key("batch.examples[0].label")));
}

TEST(ConvertUploadTest, NamesEveryWrongFieldOfABatch) {
  v1::UploadBatch batch = OneExample();
  batch.set_first_index(-1);
  *batch.add_examples() = batch.examples(0);
  *batch.add_examples() = batch.examples(0);
  batch.mutable_examples(1)->set_name(std::string(600, 'x'));
  batch.mutable_examples(2)->set_split(static_cast<v1::ExampleSplit>(9));
  EXPECT_THAT(
      DetailsOf(ToUploadedExamples(batch, {}).status()).violations,
      ElementsAre(Key("batch.first_index"), Key("batch.examples[1].name"),
                  Key("batch.examples[2].split")));
}

}  // namespace
}  // namespace resnetd
