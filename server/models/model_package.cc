#include "server/models/model_package.h"

#include <cstdint>
#include <new>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/models/labels.h"
#include "server/models/read_file.h"
#include "server/models/safetensors.h"

namespace resnetd {
namespace {

constexpr char kWeightsFile[] = "model.safetensors";
constexpr char kManifestFile[] = "manifest.json";
constexpr char kLabelsFile[] = "labels.txt";

// Eight times the largest torchvision ResNet in float32.
constexpr std::uint64_t kMaxWeightsBytes = std::uint64_t{4} << 30U;
constexpr std::uint64_t kMaxManifestBytes = 256U << 10U;
// 100,000 labels of 256 bytes and their line ends.
constexpr std::uint64_t kMaxLabelsBytes = 100'000 * 258 + 3;

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid, text);
}

absl::string_view AsText(const std::vector<std::uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What a folder without a manifest is: its name says the architecture, its
// weights the number of classes.
struct FolderTitle {
  std::string text;          // "resnet50@v2"
  std::string architecture;  // "resnet50"
};

FolderTitle TitleOf(const std::string& folder) {
  std::string text = FolderName(folder);
  std::string architecture = text.substr(0, text.find('@'));
  return {std::move(text), std::move(architecture)};
}

absl::StatusOr<std::optional<Manifest>> ReadManifest(
    const std::string& folder) {
  ASSIGN_OR_RETURN(const auto bytes,
                   ReadFileIfThere(folder, kManifestFile, kMaxManifestBytes));
  if (!bytes) {
    return std::nullopt;
  }
  absl::StatusOr<Manifest> manifest = ParseManifest(AsText(*bytes));
  if (!manifest.ok()) {
    return Annotate(manifest.status(), absl::StrCat(kManifestFile, ": "));
  }
  return *std::move(manifest);
}

absl::Status CheckDigest(const std::optional<std::string>& wanted,
                         absl::string_view found) {
  if (!wanted || *wanted == found) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt,
               absl::StrCat(kWeightsFile, ": its SHA-256 is ", found, ", ",
                            kManifestFile, " says ", *wanted,
                            "; copy the file again, or correct the manifest if "
                            "the weights were changed on purpose"))
      .Metadata("expected", *wanted)
      .Metadata("actual", found);
}

// The outputs of the head, for a folder without a manifest.
absl::StatusOr<int> CountClasses(const SafetensorsFile& file) {
  constexpr absl::string_view kHead = "fc.weight";
  constexpr std::int64_t kMaxClasses = 100'000;
  for (const TensorView& tensor : file.tensors()) {
    // Prefixes of training wrappers end with a dot.
    const absl::string_view name = tensor.name;
    const bool is_head =
        name == kHead || absl::EndsWith(name, absl::StrCat(".", kHead));
    if (is_head && tensor.shape.size() == 2 && tensor.shape[0] >= 1 &&
        tensor.shape[0] <= kMaxClasses) {
      return static_cast<int>(tensor.shape[0]);
    }
  }
  return Invalid(absl::StrCat(
      kWeightsFile, ": has no tensor ", kHead, " of 1 to ", kMaxClasses,
      " rows, so that the classes cannot be counted; write a ", kManifestFile));
}

// Weights that do not fit mostly belong to another network of ours: names it.
std::string FittingArchitecture(const SafetensorsFile& file) {
  const absl::StatusOr<int> classes = CountClasses(file);
  if (!classes.ok()) {
    return "";
  }
  for (const std::string& name : KnownArchitectures()) {
    const auto architecture = FindArchitecture(name, *classes);
    if (architecture.ok() && Weights::Fit(file, BuildNetwork(*architecture))) {
      return absl::StrCat(" (they are those of ", name, " with ", *classes,
                          " classes)");
    }
  }
  return "";
}

absl::StatusOr<Weights> BindWeights(const SafetensorsFile& file,
                                    const Network& network,
                                    absl::string_view architecture) {
  absl::StatusOr<Weights> weights = Weights::Bind(file, network);
  if (weights.ok()) {
    return weights;
  }
  const bool is_mismatch =
      weights.status().code() == absl::StatusCode::kInvalidArgument;
  return Annotate(
      weights.status(),
      absl::StrCat(kWeightsFile, " as ", architecture,
                   is_mismatch ? FittingArchitecture(file) : "", ": "));
}

// The manifest that a folder without one stands for.
absl::StatusOr<Manifest> ImpliedManifest(const FolderTitle& title,
                                         const SafetensorsFile& file) {
  Manifest manifest;
  manifest.architecture = title.architecture;
  ASSIGN_OR_RETURN(manifest.num_classes, CountClasses(file));
  return manifest;
}

// Fails early: before a large file is read for nothing.
absl::Status CheckTitle(const FolderTitle& title) {
  if (const auto known = FindArchitecture(title.architecture, 1); !known.ok()) {
    return Invalid(absl::StrCat(
        "the folder has no ", kManifestFile, ", and its name ",
        Quoted(title.text), " is no architecture; write a ", kManifestFile,
        " or rename the folder: ", std::string(known.status().message())));
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelName> ChooseName(const Manifest& manifest,
                                     const FolderTitle& title) {
  if (manifest.name) {
    return *manifest.name;
  }
  absl::StatusOr<ModelName> name = ModelName::Parse(title.architecture);
  if (!name.ok()) {
    return Invalid(absl::StrCat("the folder's name is used as model name: ",
                                std::string(name.status().message()),
                                "; rename the folder or put a \"name\" into ",
                                kManifestFile));
  }
  return name;
}

absl::StatusOr<std::vector<std::string>> ReadLabels(const std::string& folder,
                                                    int classes) {
  ASSIGN_OR_RETURN(const auto bytes,
                   ReadFileIfThere(folder, kLabelsFile, kMaxLabelsBytes));
  if (!bytes) {
    return NumberedLabels(classes);
  }
  absl::StatusOr<std::vector<std::string>> labels =
      ParseLabels(AsText(*bytes), classes);
  if (!labels.ok()) {
    return Annotate(labels.status(), absl::StrCat(kLabelsFile, ": "));
  }
  return labels;
}

absl::StatusOr<std::vector<std::uint8_t>> ReadWeightsFile(
    const std::string& folder) {
  ASSIGN_OR_RETURN(auto bytes,
                   ReadFileIfThere(folder, kWeightsFile, kMaxWeightsBytes));
  if (!bytes) {
    return Invalid(absl::StrCat(
        Quoted(kWeightsFile), " is missing in the model folder ",
        Quoted(FolderName(folder)),
        "; write it with safetensors.torch.save_file(model.state_dict(), \"",
        kWeightsFile, "\")"));
  }
  return *std::move(bytes);
}

absl::StatusOr<ModelPackage> ReadFolder(const std::string& folder) {
  RETURN_IF_ERROR(CheckFolder(folder));
  const FolderTitle title = TitleOf(folder);
  ASSIGN_OR_RETURN(std::optional<Manifest> manifest, ReadManifest(folder));
  if (!manifest) {
    RETURN_IF_ERROR(CheckTitle(title));
  }
  ASSIGN_OR_RETURN(std::vector<std::uint8_t> bytes, ReadWeightsFile(folder));
  const auto weights_bytes = static_cast<std::int64_t>(bytes.size());
  std::string digest = Sha256Hex(bytes);
  if (manifest) {
    RETURN_IF_ERROR(CheckDigest(manifest->weights_sha256, digest));
  }
  absl::StatusOr<SafetensorsFile> file =
      SafetensorsFile::Parse(std::move(bytes));
  if (!file.ok()) {
    return Annotate(file.status(), absl::StrCat(kWeightsFile, ": "));
  }
  if (!manifest) {
    ASSIGN_OR_RETURN(manifest, ImpliedManifest(title, *file));
  }
  ASSIGN_OR_RETURN(ModelName name, ChooseName(*manifest, title));
  ASSIGN_OR_RETURN(
      Architecture architecture,
      FindArchitecture(manifest->architecture, manifest->num_classes));
  ASSIGN_OR_RETURN(std::vector<std::string> labels,
                   ReadLabels(folder, manifest->num_classes));
  Network network = BuildNetwork(architecture);
  ASSIGN_OR_RETURN(Weights weights,
                   BindWeights(*file, network, architecture.name));
  const std::int64_t parameters = ParameterCount(network);
  return ModelPackage{
      .facts = {.name = std::move(name),
                .version = manifest->version.value_or(VersionNumber{}),
                .architecture = std::move(architecture),
                .preprocess = manifest->preprocess,
                .labels = std::move(labels),
                .weights_sha256 = std::move(digest),
                .weights_bytes = weights_bytes,
                .parameters = parameters,
                .description = std::move(manifest->description),
                .evaluations = std::move(manifest->evaluations)},
      .network = std::move(network),
      .weights = std::move(weights)};
}

}  // namespace

absl::StatusOr<ModelPackage> ReadModelFolder(const std::string& folder) {
  try {
    return ReadFolder(folder);
  } catch (const std::bad_alloc&) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kLimitExceeded,
                 absl::StrCat("no memory to read the model folder ",
                              Quoted(FolderName(folder)),
                              "; it needs twice the size of its weights"));
  }
}

}  // namespace resnetd
