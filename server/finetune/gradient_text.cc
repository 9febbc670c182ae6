#include "server/finetune/gradient_text.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/escaping.h"

namespace resnetd {
namespace {

// First in the bytes. What is written otherwise has another number.
constexpr std::uint64_t kForm = 1;
// No network has more.
constexpr std::uint64_t kMostBlocks = 100'000;

constexpr std::uint64_t kHasPaths = 1;
constexpr std::uint64_t kHasParameters = 2;
constexpr std::uint64_t kHasNoise = 4;
constexpr std::uint64_t kHasRatio = 8;
constexpr std::uint64_t kHasScale = 16;
constexpr std::uint64_t kHasMainWeights = 32;
constexpr std::uint64_t kAllParts = 63;

// Numbers of 8 bytes, the lowest first.
class Writer {
 public:
  void Add(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
      bytes_.push_back(
          static_cast<char>(number >> static_cast<unsigned>(shift)));
    }
  }
  void Add(double number) { Add(std::bit_cast<std::uint64_t>(number)); }
  void Add(const PathNorms& paths) {
    for (const double number :
         {paths.shortcut, paths.main, paths.input, paths.sum, paths.cosine}) {
      Add(number);
    }
  }
  void Add(const ParameterNorms& norms) {
    for (const double number :
         {norms.gradient, norms.weights, norms.update, norms.zero_share}) {
      Add(number);
    }
  }
  void Add(const GradientNoise& noise) {
    Add(noise.signal);
    Add(noise.noise);
  }
  template <typename T>
  void Add(const std::optional<T>& part) {
    if (part) {
      Add(*part);
    }
  }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}

  void Read(std::uint64_t& number) {
    constexpr std::size_t kSize = 8;
    number = 0;
    if (bytes_.size() - at_ < kSize) {
      is_whole_ = false;
      at_ = bytes_.size();
      return;
    }
    for (std::size_t i = 0; i < kSize; ++i) {
      number |= std::uint64_t{static_cast<unsigned char>(bytes_[at_ + i])}
                << (8 * i);
    }
    at_ += kSize;
  }
  void Read(double& number) {
    std::uint64_t bits = 0;
    Read(bits);
    number = std::bit_cast<double>(bits);
  }
  void Read(PathNorms& paths) {
    for (double* number : {&paths.shortcut, &paths.main, &paths.input,
                           &paths.sum, &paths.cosine}) {
      Read(*number);
    }
  }
  void Read(ParameterNorms& norms) {
    for (double* number :
         {&norms.gradient, &norms.weights, &norms.update, &norms.zero_share}) {
      Read(*number);
    }
  }
  void Read(GradientNoise& noise) {
    Read(noise.signal);
    Read(noise.noise);
  }
  template <typename T>
  void ReadIf(bool is_there, std::optional<T>& part) {
    if (is_there) {
      Read(part.emplace());
    }
  }

  void Refuse() { is_whole_ = false; }
  bool is_whole() const { return is_whole_; }
  bool is_at_end() const { return at_ == bytes_.size(); }

 private:
  const std::string bytes_;
  std::size_t at_ = 0;
  bool is_whole_ = true;
};

std::uint64_t PartsOf(const BlockSample& block) {
  return (block.paths ? kHasPaths : 0) |
         (block.parameters ? kHasParameters : 0) |
         (block.noise ? kHasNoise : 0) |
         (block.residual_ratio ? kHasRatio : 0) |
         (block.last_scale ? kHasScale : 0) |
         (block.main_weights ? kHasMainWeights : 0);
}

void ReadBlock(Reader& reader, BlockSample& block) {
  std::uint64_t parts = 0;
  reader.Read(parts);
  if (parts > kAllParts) {
    reader.Refuse();
    return;
  }
  reader.ReadIf((parts & kHasPaths) != 0, block.paths);
  reader.ReadIf((parts & kHasParameters) != 0, block.parameters);
  reader.ReadIf((parts & kHasNoise) != 0, block.noise);
  reader.ReadIf((parts & kHasRatio) != 0, block.residual_ratio);
  reader.ReadIf((parts & kHasScale) != 0, block.last_scale);
  reader.ReadIf((parts & kHasMainWeights) != 0, block.main_weights);
}

}  // namespace

std::string FormatSample(const GradientSample& sample) {
  Writer writer;
  writer.Add(kForm);
  writer.Add(static_cast<std::uint64_t>(sample.step));
  writer.Add(static_cast<std::uint64_t>(sample.examples));
  writer.Add(static_cast<std::uint64_t>(sample.blocks.size()));
  writer.Add(sample.all);
  writer.Add(std::uint64_t{sample.noise ? kHasNoise : 0});
  writer.Add(sample.noise);
  for (const BlockSample& block : sample.blocks) {
    writer.Add(PartsOf(block));
    writer.Add(block.paths);
    writer.Add(block.parameters);
    writer.Add(block.noise);
    writer.Add(block.residual_ratio);
    writer.Add(block.last_scale);
    writer.Add(block.main_weights);
  }
  return absl::Base64Escape(writer.bytes());
}

std::optional<GradientSample> ParseSample(absl::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes)) {
    return std::nullopt;
  }
  Reader reader(std::move(bytes));
  std::uint64_t form = 0;
  std::uint64_t step = 0;
  std::uint64_t examples = 0;
  std::uint64_t blocks = 0;
  std::uint64_t noise = 0;
  GradientSample sample;
  reader.Read(form);
  reader.Read(step);
  reader.Read(examples);
  reader.Read(blocks);
  reader.Read(sample.all);
  reader.Read(noise);
  if (form != kForm || blocks > kMostBlocks ||
      (noise != 0 && noise != kHasNoise)) {
    return std::nullopt;
  }
  reader.ReadIf(noise != 0, sample.noise);
  sample.step = static_cast<std::int64_t>(step);
  sample.examples = static_cast<int>(examples);
  for (std::uint64_t i = 0; i < blocks && reader.is_whole(); ++i) {
    ReadBlock(reader, sample.blocks.emplace_back());
  }
  if (!reader.is_whole() || !reader.is_at_end()) {
    return std::nullopt;
  }
  return sample;
}

}  // namespace resnetd
