#include "server/store/sealed_digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace resnetd {
namespace {

ExampleRow Example(char image, int label, ExampleSplit split) {
  return {.image = std::string(64, image), .label = label, .split = split};
}

// The expected values are those of
//   printf 'resnetd dataset 1\n2\n3:cat\n4:dög\na...a 0 3\nb...b 1 0\n' |
//     sha256sum
TEST(SealedDigestTest, IsTheHashOfTheDocumentedBytes) {
  EXPECT_EQ(
      SealedDigest({"cat", "dög"}, {Example('b', 1, ExampleSplit::kAuto),
                                    Example('a', 0, ExampleSplit::kTest)}),
      "a43e04e6195f08be1ea4a12632a2e1fe11955f90212fd50b2f00dcc54ebf3436");
  EXPECT_EQ(SealedDigest({}, {}),
            "7424a42dff9683fa9289e84ff18a0a1f97e64fe0b62e40e2dd83b33114f6aa5c");
}

TEST(SealedDigestTest, IsTheSameInEveryOrder) {
  std::vector<ExampleRow> examples = {Example('a', 0, ExampleSplit::kAuto),
                                      Example('b', 1, ExampleSplit::kTrain),
                                      Example('c', 0, ExampleSplit::kTest)};
  const Digest digest = SealedDigest({"x", "y"}, examples);
  const auto before = [](const ExampleRow& a, const ExampleRow& b) {
    return a.image < b.image;
  };
  while (std::next_permutation(examples.begin(), examples.end(), before)) {
    EXPECT_EQ(SealedDigest({"x", "y"}, examples), digest);
  }
}

TEST(SealedDigestTest, EveryPartCounts) {
  const std::vector<std::string> labels = {"x", "y"};
  const ExampleRow example = Example('a', 0, ExampleSplit::kAuto);
  const Digest digest = SealedDigest(labels, {example});
  EXPECT_NE(SealedDigest({"y", "x"}, {example}), digest);
  EXPECT_NE(SealedDigest({"x", "y", ""}, {example}), digest);
  EXPECT_NE(SealedDigest({"x\n1:y"}, {example}), digest);
  EXPECT_NE(SealedDigest(labels, {}), digest);
  EXPECT_NE(SealedDigest(labels, {Example('b', 0, ExampleSplit::kAuto)}),
            digest);
  EXPECT_NE(SealedDigest(labels, {Example('a', 1, ExampleSplit::kAuto)}),
            digest);
  EXPECT_NE(SealedDigest(labels, {Example('a', 0, ExampleSplit::kTrain)}),
            digest);
}

TEST(SealedDigestTest, WhatSaysNothingOfTheDataDoesNotCount) {
  ExampleRow example = Example('a', 0, ExampleSplit::kAuto);
  const Digest digest = SealedDigest({"x"}, {example});
  example.sequence = 7;
  example.pack = std::string(64, 'f');
  example.offset = 9;
  EXPECT_EQ(SealedDigest({"x"}, {example}), digest);
}

TEST(SealedDigestTest, OneByOneIsTheSame) {
  const std::vector<std::string> labels = {"x", "y"};
  const std::vector<ExampleRow> examples = {
      Example('a', 1, ExampleSplit::kAuto),
      Example('b', 0, ExampleSplit::kValidation)};
  DatasetDigest digest;
  for (const ExampleRow& example : examples) {
    digest.Add(example);
  }
  EXPECT_EQ(digest.Finish(labels), SealedDigest(labels, examples));
}

}  // namespace
}  // namespace resnetd
