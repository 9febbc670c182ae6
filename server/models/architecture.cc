#include "server/models/architecture.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/suggest.h"

namespace resnetd {
namespace {

constexpr absl::string_view kCifarPrefix = "cifar_resnet";
constexpr absl::string_view kV2Suffix = "_v2";
constexpr int kImageNetPlanes = 64;
constexpr int kCifarPlanes = 16;
constexpr int kCifarStages = 3;
// A bottleneck's output has four times the planes of its stage.
constexpr int kBottleneckExpansion = 4;
// Sizes of the CIFAR-style family that papers report; the others work too.
constexpr std::array<int, 8> kUsualCifarDepths = {8,  14, 20,  32,
                                                  44, 56, 110, 164};

struct ImageNetRow {
  absl::string_view name;
  BlockKind block;
  std::array<int, 4> stage_blocks;
  int groups;
  int width_per_group;
};

constexpr std::array<ImageNetRow, 10> kImageNetRows = {{
    {"resnet18", BlockKind::kBasic, {2, 2, 2, 2}, 1, 64},
    {"resnet34", BlockKind::kBasic, {3, 4, 6, 3}, 1, 64},
    {"resnet50", BlockKind::kBottleneck, {3, 4, 6, 3}, 1, 64},
    {"resnet101", BlockKind::kBottleneck, {3, 4, 23, 3}, 1, 64},
    {"resnet152", BlockKind::kBottleneck, {3, 8, 36, 3}, 1, 64},
    {"wide_resnet50_2", BlockKind::kBottleneck, {3, 4, 6, 3}, 1, 128},
    {"wide_resnet101_2", BlockKind::kBottleneck, {3, 4, 23, 3}, 1, 128},
    {"resnext50_32x4d", BlockKind::kBottleneck, {3, 4, 6, 3}, 32, 4},
    {"resnext101_32x8d", BlockKind::kBottleneck, {3, 4, 23, 3}, 32, 8},
    {"resnext101_64x4d", BlockKind::kBottleneck, {3, 4, 23, 3}, 64, 4},
}};

// Blocks per stage of cifar_resnet<6n+2>, or nothing when `digits` is no such
// number, written the usual way.
std::optional<int> CifarBlocks(absl::string_view digits) {
  int depth = 0;
  if (!absl::SimpleAtoi(digits, &depth) || absl::StrCat(depth) != digits) {
    return std::nullopt;
  }
  const int n = (depth - 2) / 6;
  if (n < 1 || n > kLargestCifarN || 6 * n + 2 != depth) {
    return std::nullopt;
  }
  return n;
}

absl::Status UnknownArchitecture(absl::string_view name) {
  // Longer names are no misspelling, and the distance is quadratic.
  const absl::string_view head = name.substr(0, 64);
  std::string known;
  for (const ImageNetRow& row : kImageNetRows) {
    absl::StrAppend(&known, row.name, ", ");
  }
  return Error(
      absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
      absl::StrCat("architecture ", Quoted(name), " is unknown",
                   DidYouMean(head, KnownArchitectures()), "; known are ",
                   known, "cifar_resnet<6n+2> (n from 1 to ", kLargestCifarN,
                   "), each also with _v2 behind"));
}

struct ConvShape {
  int in_channels = 0;
  int out_channels = 0;
  int kernel = 1;
  int stride = 1;
  int groups = 1;
};

// Writes the layers of one network, in order of depth.
class NetworkWriter {
 public:
  explicit NetworkWriter(const Architecture& architecture)
      : architecture_(architecture), channels_(architecture.base_planes) {}

  Network Write() {
    Network network;
    network.version = architecture_.version;
    network.stem = Stem();
    network.max_pool = architecture_.stem == StemKind::kImageNet;
    int planes = architecture_.base_planes;
    for (std::size_t s = 0; s < architecture_.stage_blocks.size(); ++s) {
      for (int i = 0; i < architecture_.stage_blocks[s]; ++i) {
        const int stride = s > 0 && i == 0 ? 2 : 1;
        const int stage = static_cast<int>(s) + 1;
        network.blocks.push_back(
            Block(absl::StrCat("layer", stage, ".", i), stage, planes, stride));
      }
      planes *= 2;
    }
    if (architecture_.version == BlockVersion::kV2) {
      network.final_norm = BatchNormLayer{"bn_last", channels_};
    }
    network.head = {"fc", channels_, architecture_.num_classes};
    return network;
  }

 private:
  bool is_v1() const { return architecture_.version == BlockVersion::kV1; }

  ConvUnit Stem() const {
    ConvUnit unit;
    const bool large = architecture_.stem == StemKind::kImageNet;
    unit.conv = {.name = "conv1",
                 .in_channels = 3,
                 .out_channels = channels_,
                 .kernel = large ? 7 : 3,
                 .stride = large ? 2 : 1,
                 .padding = large ? 3 : 1};
    if (is_v1()) {
      unit.norm = BatchNormLayer{"bn1", channels_};
    }
    return unit;
  }

  // The `number`-th unit of a block, padded to keep the size at stride 1.
  ConvUnit Unit(const std::string& block, int number, ConvShape shape) const {
    const int normed = is_v1() ? shape.out_channels : shape.in_channels;
    return {ConvLayer{.name = absl::StrCat(block, ".conv", number),
                      .in_channels = shape.in_channels,
                      .out_channels = shape.out_channels,
                      .kernel = shape.kernel,
                      .stride = shape.stride,
                      .padding = shape.kernel / 2,
                      .groups = shape.groups},
            BatchNormLayer{absl::StrCat(block, ".bn", number), normed}};
  }

  std::vector<ConvUnit> MainPath(const std::string& name, int planes,
                                 int out_channels, int stride) const {
    if (architecture_.block == BlockKind::kBasic) {
      return {Unit(name, 1,
                   {.in_channels = channels_,
                    .out_channels = planes,
                    .kernel = 3,
                    .stride = stride}),
              Unit(name, 2,
                   {.in_channels = planes,
                    .out_channels = out_channels,
                    .kernel = 3})};
    }
    const int width = planes * architecture_.width_per_group / kImageNetPlanes *
                      architecture_.groups;
    return {
        Unit(name, 1, {.in_channels = channels_, .out_channels = width}),
        Unit(name, 2,
             {.in_channels = width,
              .out_channels = width,
              .kernel = 3,
              .stride = stride,
              .groups = architecture_.groups}),
        Unit(name, 3, {.in_channels = width, .out_channels = out_channels})};
  }

  ResidualBlock Block(const std::string& name, int stage, int planes,
                      int stride) {
    const int out_channels = architecture_.block == BlockKind::kBottleneck
                                 ? planes * kBottleneckExpansion
                                 : planes;
    ResidualBlock block;
    block.name = name;
    block.stage = stage;
    block.main_path = MainPath(name, planes, out_channels, stride);
    if (stride != 1 || channels_ != out_channels) {
      ConvUnit shortcut;
      shortcut.conv = {.name = absl::StrCat(name, ".downsample.0"),
                       .in_channels = channels_,
                       .out_channels = out_channels,
                       .stride = stride};
      if (is_v1()) {
        shortcut.norm =
            BatchNormLayer{absl::StrCat(name, ".downsample.1"), out_channels};
      }
      block.shortcut = std::move(shortcut);
    }
    channels_ = out_channels;
    return block;
  }

  const Architecture& architecture_;
  // Of the tensor that the next layer reads.
  int channels_;
};

// Appends state-dict entries in the order in which modules are registered.
class SpecWriter {
 public:
  explicit SpecWriter(BlockVersion version) : version_(version) {}

  void Add(const ConvLayer& conv) {
    Add(absl::StrCat(conv.name, ".weight"),
        {conv.out_channels, conv.in_channels / conv.groups, conv.kernel,
         conv.kernel});
  }

  void Add(const BatchNormLayer& norm) {
    for (const absl::string_view part :
         {"weight", "bias", "running_mean", "running_var"}) {
      Add(absl::StrCat(norm.name, ".", part), {norm.channels});
    }
    specs_.push_back({.name = absl::StrCat(norm.name, ".num_batches_tracked"),
                      .shape = {},
                      .optional_counter = true});
  }

  void Add(const ConvUnit& unit) {
    if (version_ == BlockVersion::kV2 && unit.norm) {
      Add(*unit.norm);
    }
    Add(unit.conv);
    if (version_ == BlockVersion::kV1 && unit.norm) {
      Add(*unit.norm);
    }
  }

  void Add(const LinearLayer& layer) {
    Add(absl::StrCat(layer.name, ".weight"),
        {layer.out_features, layer.in_features});
    Add(absl::StrCat(layer.name, ".bias"), {layer.out_features});
  }

  std::vector<TensorSpec> Take() { return std::move(specs_); }

 private:
  void Add(std::string name, std::vector<std::int64_t> shape) {
    specs_.push_back({.name = std::move(name), .shape = std::move(shape)});
  }

  const BlockVersion version_;
  std::vector<TensorSpec> specs_;
};

}  // namespace

std::vector<std::string> ImageNetArchitectures() {
  std::vector<std::string> names;
  for (const absl::string_view suffix : {absl::string_view(), kV2Suffix}) {
    for (const ImageNetRow& row : kImageNetRows) {
      names.push_back(absl::StrCat(row.name, suffix));
    }
  }
  return names;
}

std::vector<std::string> KnownArchitectures() {
  std::vector<std::string> names;
  for (const absl::string_view suffix : {absl::string_view(), kV2Suffix}) {
    for (const ImageNetRow& row : kImageNetRows) {
      names.push_back(absl::StrCat(row.name, suffix));
    }
    for (const int depth : kUsualCifarDepths) {
      names.push_back(absl::StrCat(kCifarPrefix, depth, suffix));
    }
  }
  return names;
}

absl::StatusOr<Architecture> FindArchitecture(absl::string_view name,
                                              int num_classes) {
  if (num_classes < 1) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
                 absl::StrCat("num_classes is ", num_classes,
                              ", at least 1 is needed"))
        .Violation("num_classes", "must be at least 1");
  }
  Architecture found;
  found.name = std::string(name);
  found.num_classes = num_classes;
  absl::string_view base = name;
  if (absl::ConsumeSuffix(&base, kV2Suffix)) {
    found.version = BlockVersion::kV2;
  }
  for (const ImageNetRow& row : kImageNetRows) {
    if (row.name == base) {
      found.block = row.block;
      found.stage_blocks.assign(row.stage_blocks.begin(),
                                row.stage_blocks.end());
      found.groups = row.groups;
      found.width_per_group = row.width_per_group;
      return found;
    }
  }
  if (absl::ConsumePrefix(&base, kCifarPrefix)) {
    if (const std::optional<int> n = CifarBlocks(base)) {
      found.stem = StemKind::kCifar;
      found.base_planes = kCifarPlanes;
      found.stage_blocks.assign(kCifarStages, *n);
      return found;
    }
  }
  return UnknownArchitecture(name);
}

Network BuildNetwork(const Architecture& architecture) {
  return NetworkWriter(architecture).Write();
}

std::vector<TensorSpec> TensorSpecs(const Network& network) {
  SpecWriter writer(network.version);
  writer.Add(network.stem);
  for (const ResidualBlock& block : network.blocks) {
    for (const ConvUnit& unit : block.main_path) {
      writer.Add(unit);
    }
    if (block.shortcut) {
      writer.Add(*block.shortcut);
    }
  }
  if (network.final_norm) {
    writer.Add(*network.final_norm);
  }
  writer.Add(network.head);
  return writer.Take();
}

std::int64_t ParameterCount(const Network& network) {
  std::int64_t count = 0;
  for (const TensorSpec& spec : TensorSpecs(network)) {
    if (spec.optional_counter || absl::EndsWith(spec.name, ".running_mean") ||
        absl::EndsWith(spec.name, ".running_var")) {
      continue;
    }
    count += std::accumulate(spec.shape.begin(), spec.shape.end(),
                             std::int64_t{1}, std::multiplies<>());
  }
  return count;
}

}  // namespace resnetd
