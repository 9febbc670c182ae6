#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

enum class BlockKind { kBasic, kBottleneck };

// Order of the operations in a block.
//   v1: conv-BN-ReLU ... conv-BN, sum, ReLU (He et al. 2015, the stride of a
//       bottleneck on its 3x3: "v1.5", as torchvision).
//   v2: BN-ReLU-conv ..., sum, nothing after it (He et al. 2016). The shortcut
//       of a block that changes the shape is one 1x1 conv, without BN, on the
//       activated input.
enum class BlockVersion { kV1, kV2 };

// kImageNet: 7x7 stride 2, 3x3 max-pool stride 2. kCifar: 3x3 stride 1.
enum class StemKind { kImageNet, kCifar };

// A residual network for classification, in the fewest numbers that define it.
struct Architecture {
  std::string name;
  BlockKind block = BlockKind::kBasic;
  BlockVersion version = BlockVersion::kV1;
  StemKind stem = StemKind::kImageNet;
  // Blocks in layer1, layer2, ...
  std::vector<int> stage_blocks;
  // Channels of layer1 before expansion; doubled by each further stage.
  int base_planes = 64;
  int groups = 1;
  int width_per_group = 64;
  int num_classes = 1000;
};

// Names that FindArchitecture knows, for error texts and --help.
std::vector<std::string> KnownArchitectures();
// All of them but the CIFAR-style ones.
std::vector<std::string> ImageNetArchitectures();

// n of the deepest cifar_resnet<6n+2>.
inline constexpr int kLargestCifarN = 200;

// The architecture called `name`, with a head of `num_classes` >= 1 outputs:
//   resnet18 resnet34 resnet50 resnet101 resnet152 wide_resnet50_2
//   wide_resnet101_2 resnext50_32x4d resnext101_32x8d resnext101_64x4d
//   each also with the suffix _v2 (pre-activation blocks), and
//   cifar_resnet<6n+2> and cifar_resnet<6n+2>_v2 with n from 1 to 200.
// INVALID_ARGUMENT (MODEL_INVALID) with the nearest names when there is none.
absl::StatusOr<Architecture> FindArchitecture(absl::string_view name,
                                              int num_classes);

// The network written out, for whoever builds or runs it. Names are those of
// torchvision's state dicts.

struct ConvLayer {
  std::string name;  // tensor: name + ".weight", shape {out, in/groups, k, k}
  int in_channels = 0;
  int out_channels = 0;
  int kernel = 1;
  int stride = 1;
  int padding = 0;
  int groups = 1;
};

struct BatchNormLayer {
  // Tensors: .weight .bias .running_mean .running_var of {channels}, and the
  // optional int64 scalar .num_batches_tracked. eps is 1e-5.
  std::string name;
  int channels = 0;
};

inline constexpr double kBatchNormEpsilon = 1e-5;

// v1: conv, then norm (always there). v2: norm and ReLU, then conv; `norm` is
// empty only in a v2 shortcut and a v2 stem.
struct ConvUnit {
  ConvLayer conv;
  std::optional<BatchNormLayer> norm;
};

struct ResidualBlock {
  std::string name;                  // e.g. "layer3.5"
  int stage = 1;                     // 1 = layer1
  std::vector<ConvUnit> main_path;   // 2 (basic) or 3 (bottleneck) units
  std::optional<ConvUnit> shortcut;  // absent: identity
};

struct LinearLayer {
  std::string name;  // tensors .weight {out, in}, .bias {out}
  int in_features = 0;
  int out_features = 0;
};

struct Network {
  BlockVersion version = BlockVersion::kV1;
  ConvUnit stem;          // v1: followed by ReLU
  bool max_pool = false;  // 3x3, stride 2, padding 1, after the stem
  std::vector<ResidualBlock> blocks;         // in order of depth
  std::optional<BatchNormLayer> final_norm;  // v2: "bn_last", then ReLU
  LinearLayer head;                          // after global average pooling
};

Network BuildNetwork(const Architecture& architecture);

// One entry of the state dict.
struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  // num_batches_tracked: int64, files of old PyTorch lack it.
  bool optional_counter = false;
};

// Every entry in the order of torchvision's state_dict().
std::vector<TensorSpec> TensorSpecs(const Network& network);

// Trainable parameters: every value but running statistics and counters.
std::int64_t ParameterCount(const Network& network);

}  // namespace resnetd
