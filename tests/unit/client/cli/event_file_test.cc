#include "client/cli/event_file.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace resnetd::cli {
namespace {

// Bit by bit, after the definition.
std::uint32_t SlowCrc32c(const std::string& bytes) {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int i = 0; i < 8; ++i) {
      const bool carry = (crc & 1U) != 0;
      crc >>= 1U;
      crc ^= carry ? 0x82F63B78U : 0U;
    }
  }
  return ~crc;
}

TEST(EventFileTest, TheChecksumIsCastagnolis) {
  EXPECT_EQ(Crc32c(""), 0U);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283U);
  // RFC 3720, B.4.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    bytes.push_back(static_cast<char>(i * 7));
    EXPECT_EQ(Crc32c(bytes), SlowCrc32c(bytes));
  }
}

std::uint64_t Fixed(const std::string& file, std::size_t at, int bytes) {
  std::uint64_t number = 0;
  for (int i = 0; i < bytes; ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(
                  file.at(at + static_cast<std::size_t>(i)))}
              << (8 * i);
  }
  return number;
}

std::uint32_t Masked(std::uint32_t crc) {
  return ((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U;
}

std::vector<std::string> Records(const std::string& file) {
  std::vector<std::string> records;
  std::size_t at = 0;
  while (at < file.size()) {
    const auto length = static_cast<std::size_t>(Fixed(file, at, 8));
    EXPECT_EQ(Fixed(file, at + 8, 4), Masked(SlowCrc32c(file.substr(at, 8))));
    records.push_back(file.substr(at + 12, length));
    EXPECT_EQ(Fixed(file, at + 12 + length, 4),
              Masked(SlowCrc32c(records.back())));
    at += 12 + length + 4;
  }
  EXPECT_EQ(at, file.size());
  return records;
}

// The fields of a message by number; those of numbers as their bytes.
std::multimap<int, std::string> Fields(const std::string& message) {
  std::multimap<int, std::string> fields;
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t number = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(message.at(at++));
      number |= std::uint64_t{byte & 127U} << shift;
      if (byte < 128) {
        return number;
      }
    }
  };
  while (at < message.size()) {
    const std::uint64_t tag = varint();
    std::string value;
    switch (tag & 7U) {
      case 0:
        value = absl::StrCat(varint());
        break;
      case 1:
        value = message.substr(at, 8);
        at += 8;
        break;
      case 2: {
        const auto size = static_cast<std::size_t>(varint());
        value = message.substr(at, size);
        at += size;
        break;
      }
      default:
        value = message.substr(at, 4);
        at += 4;
    }
    fields.emplace(static_cast<int>(tag >> 3U), value);
  }
  return fields;
}

TEST(EventFileTest, EverySampleIsARecordWithItsScalars) {
  client::GradientReport report;
  report.blocks = {"layer1.00"};
  for (const std::int64_t step : {1, 300}) {
    client::GradientSample& sample = report.samples.emplace_back();
    sample.step = step;
    sample.all = {.gradient = 0.5, .weights = 4, .update = 1};
    sample.blocks.resize(1);
    sample.blocks[0].paths = client::PathNorms{.shortcut = 2, .main = 0.25};
  }
  const std::vector<std::string> records = Records(GradientEventFile(report));
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(Fields(records[0]).find(3)->second, "brain.Event:2");
  const auto event = Fields(records[2]);
  EXPECT_EQ(event.find(2)->second, "300");
  std::map<std::string, float> scalars;
  for (const auto& [number, value] : Fields(event.find(5)->second)) {
    EXPECT_EQ(number, 1);
    const auto scalar = Fields(value);
    scalars[scalar.find(1)->second] = std::bit_cast<float>(
        static_cast<std::uint32_t>(Fixed(scalar.find(2)->second, 0, 4)));
  }
  EXPECT_EQ(scalars.at("all/weight_grad_l2"), 0.5F);
  EXPECT_EQ(scalars.at("all/update_ratio"), 0.25F);
  EXPECT_EQ(scalars.at("layer1.00/grad_shortcut_l2"), 2.0F);
  EXPECT_EQ(scalars.at("layer1.00/grad_main_l2"), 0.25F);
  EXPECT_EQ(scalars.count("layer1.00/snr_ratio"), 0U);
}

}  // namespace
}  // namespace resnetd::cli
