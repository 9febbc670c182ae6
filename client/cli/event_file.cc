#include "client/cli/event_file.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <optional>

#include "absl/strings/str_cat.h"

namespace resnetd::cli {
namespace {

constexpr std::array<std::uint32_t, 256> MakeTable() {
  constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reflected
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value & 1U) != 0 ? (value >> 1U) ^ kPolynomial : value >> 1U;
    }
    table.at(i) = value;
  }
  return table;
}

template <typename Number>
void AddFixed(Number number, std::string& out) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    out.push_back(static_cast<char>(number >> (8 * i)));
  }
}

// --- The wire format of protobuf, as tensorflow.Event uses it ---

void AddVarint(std::uint64_t number, std::string& out) {
  constexpr std::uint64_t kMore = 128;
  while (number >= kMore) {
    out.push_back(static_cast<char>(number | kMore));
    number >>= 7U;
  }
  out.push_back(static_cast<char>(number));
}

enum class Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void AddTag(int field, Wire wire, std::string& out) {
  AddVarint((static_cast<std::uint64_t>(field) << 3U) |
                static_cast<std::uint64_t>(wire),
            out);
}

void AddBytes(int field, absl::string_view bytes, std::string& out) {
  AddTag(field, Wire::kBytes, out);
  AddVarint(bytes.size(), out);
  out.append(bytes.data(), bytes.size());
}

// Event.wall_time is field 1, step 2, file_version 3, summary 5.
std::string Event(std::int64_t step, int field, absl::string_view content) {
  std::string event;
  AddTag(1, Wire::kFixed64, event);
  AddFixed(std::bit_cast<std::uint64_t>(static_cast<double>(step)), event);
  AddTag(2, Wire::kVarint, event);
  AddVarint(static_cast<std::uint64_t>(step), event);
  AddBytes(field, content, event);
  return event;
}

// Adds a Summary.Value: tag is field 1, simple_value field 2.
void AddScalar(const std::string& name, const std::optional<double>& number,
               std::string& summary) {
  if (!number || !std::isfinite(*number)) {
    return;
  }
  std::string value;
  AddBytes(1, name, value);
  AddTag(2, Wire::kFixed32, value);
  AddFixed(std::bit_cast<std::uint32_t>(static_cast<float>(*number)), value);
  AddBytes(1, value, summary);
}

void AddParameters(const std::string& block,
                   const client::ParameterNorms& norms, std::string& summary) {
  AddScalar(absl::StrCat(block, "/weight_grad_l2"), norms.gradient, summary);
  if (norms.weights > 0) {
    AddScalar(absl::StrCat(block, "/update_ratio"),
              norms.update / norms.weights, summary);
  }
}

void AddNoise(const std::string& block,
              const std::optional<client::GradientNoise>& noise, int examples,
              std::string& summary) {
  if (noise && noise->noise > 0) {
    AddScalar(absl::StrCat(block, "/snr_ratio"),
              noise->signal * examples / noise->noise, summary);
  }
}

std::string SummaryOf(const client::GradientReport& report,
                      const client::GradientSample& sample) {
  std::string summary;
  AddParameters("all", sample.all, summary);
  AddNoise("all", sample.noise, sample.examples, summary);
  AddScalar("all/grad_depth_ratio", sample.depth_ratio, summary);
  for (std::size_t i = 0; i < report.blocks.size(); ++i) {
    const std::string& name = report.blocks[i];
    const client::BlockSample& block = sample.blocks[i];
    if (block.paths) {
      AddScalar(absl::StrCat(name, "/grad_shortcut_l2"), block.paths->shortcut,
                summary);
      AddScalar(absl::StrCat(name, "/grad_main_l2"), block.paths->main,
                summary);
      AddScalar(absl::StrCat(name, "/grad_input_l2"), block.paths->input,
                summary);
      AddScalar(absl::StrCat(name, "/grad_main_share_ratio"),
                block.paths->main_share, summary);
    }
    if (block.parameters) {
      AddParameters(name, *block.parameters, summary);
    }
    AddNoise(name, block.noise, sample.examples, summary);
    AddScalar(absl::StrCat(name, "/residual_ratio"), block.residual_ratio,
              summary);
  }
  return summary;
}

// --- TFRecord ---

// So that a CRC of bytes that hold a CRC is none of those.
std::uint32_t Masked(std::uint32_t crc) {
  constexpr std::uint32_t kDelta = 0xA282EAD8;
  return ((crc >> 15U) | (crc << 17U)) + kDelta;
}

void AddRecord(const std::string& data, std::string& out) {
  std::string length;
  AddFixed(static_cast<std::uint64_t>(data.size()), length);
  out += length;
  AddFixed(Masked(Crc32c(length)), out);
  out += data;
  AddFixed(Masked(Crc32c(data)), out);
}

}  // namespace

std::uint32_t Crc32c(absl::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = MakeTable();
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc = kTable.at((crc ^ static_cast<unsigned char>(byte)) & 0xFFU) ^
          (crc >> 8U);
  }
  return ~crc;
}

std::string GradientEventFile(const client::GradientReport& report) {
  std::string file;
  AddRecord(Event(0, 3, "brain.Event:2"), file);
  for (const client::GradientSample& sample : report.samples) {
    AddRecord(Event(sample.step, 5, SummaryOf(report, sample)), file);
  }
  return file;
}

}  // namespace resnetd::cli
