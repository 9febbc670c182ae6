#include "server/finetune/gradient_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "absl/strings/escaping.h"

namespace resnetd {
namespace {

GradientSample RandomSample(std::mt19937_64& random) {
  std::uniform_real_distribution<double> number(-10, 10);
  std::bernoulli_distribution coin;
  GradientSample sample;
  sample.step = static_cast<std::int64_t>(random() % 1'000'000);
  sample.examples = static_cast<int>(random() % 512);
  sample.all = {number(random), number(random), number(random), 0.5};
  if (coin(random)) {
    sample.noise = GradientNoise{number(random), number(random)};
  }
  sample.blocks.resize(random() % 60);
  for (BlockSample& block : sample.blocks) {
    if (coin(random)) {
      block.paths = PathNorms{number(random), number(random), number(random),
                              number(random), number(random)};
    }
    if (coin(random)) {
      block.parameters = ParameterNorms{number(random), 1e-300, -0.0, 1};
    }
    if (coin(random)) {
      block.noise = GradientNoise{number(random),
                                  std::numeric_limits<double>::infinity()};
    }
    if (coin(random)) {
      block.residual_ratio = number(random);
    }
    if (coin(random)) {
      block.last_scale = std::numeric_limits<double>::denorm_min();
    }
    if (coin(random)) {
      block.main_weights = number(random);
    }
  }
  return sample;
}

TEST(GradientTextTest, EverySampleComesBackBitForBit) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    const GradientSample sample = RandomSample(random);
    const std::string text = FormatSample(sample);
    const auto back = ParseSample(text);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, sample);
    EXPECT_EQ(FormatSample(*back), text);
  }
}

TEST(GradientTextTest, WhatIsNotANumberStaysSo) {
  GradientSample sample;
  sample.all.gradient = std::nan("");
  const auto back = ParseSample(FormatSample(sample));
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(std::isnan(back->all.gradient));
}

TEST(GradientTextTest, ALargeNetworkTakesAbout11Kilobytes) {
  GradientSample sample;
  sample.blocks.resize(50);
  for (BlockSample& block : sample.blocks) {
    block = {.paths = PathNorms(),
             .parameters = ParameterNorms(),
             .noise = GradientNoise(),
             .residual_ratio = 1,
             .last_scale = 1,
             .main_weights = 1};
  }
  EXPECT_LT(FormatSample(sample).size(), 12'000U);
}

TEST(GradientTextTest, AnythingElseIsRefused) {
  std::mt19937_64 random(8);
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(FormatSample(RandomSample(random)), &bytes));
  EXPECT_FALSE(ParseSample("").has_value());
  EXPECT_FALSE(ParseSample("not base64!").has_value());
  for (std::size_t size = 0; size < bytes.size(); size += 5) {
    EXPECT_FALSE(ParseSample(absl::Base64Escape(bytes.substr(0, size))))
        << size;
  }
  EXPECT_FALSE(ParseSample(absl::Base64Escape(bytes + "12345678")));
  std::string other_form = bytes;
  other_form[0] = 2;
  EXPECT_FALSE(ParseSample(absl::Base64Escape(other_form)));
  std::string many_blocks = bytes;
  many_blocks[30] = 1;  // 2^48 of them.
  EXPECT_FALSE(ParseSample(absl::Base64Escape(many_blocks)));
}

}  // namespace
}  // namespace resnetd
