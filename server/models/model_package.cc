#include "server/models/model_package.h"

#include <cstdint>
#include <new>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/models/labels.h"
#include "server/models/read_file.h"
#include "server/models/recognise.h"
#include "server/models/weights_file.h"

namespace resnetd {
namespace {

constexpr absl::string_view kSafetensorsFile = "model.safetensors";
constexpr absl::string_view kPthFile = "model.pth";
constexpr char kManifestFile[] = "manifest.json";
constexpr char kLabelsFile[] = "labels.txt";

// Eight times the largest torchvision ResNet in float32.
constexpr std::uint64_t kMaxWeightsBytes = std::uint64_t{4} << 30U;
constexpr std::uint64_t kMaxManifestBytes = 256U << 10U;

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid, text);
}

// What the name of a folder says.
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
                         absl::string_view found, absl::string_view file) {
  if (!wanted || *wanted == found) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt,
               absl::StrCat(file, ": its SHA-256 is ", found, ", ",
                            kManifestFile, " says ", *wanted,
                            "; copy the file again, or correct the manifest if "
                            "the weights were changed on purpose"))
      .Metadata("expected", *wanted)
      .Metadata("actual", found);
}

// Weights that do not fit mostly belong to another network of ours: names it.
std::string FittingArchitecture(const WeightsFile& file) {
  const auto fitting = RecogniseArchitecture(file.tensors(), "");
  return fitting.ok()
             ? absl::StrCat(" (they are those of ", fitting->name, " with ",
                            fitting->num_classes, " classes)")
             : "";
}

absl::StatusOr<Weights> BindWeights(const WeightsFile& file,
                                    const Network& network,
                                    absl::string_view title) {
  absl::StatusOr<Weights> weights = Weights::Bind(file.tensors(), network);
  if (weights.ok()) {
    return weights;
  }
  const bool is_mismatch =
      weights.status().code() == absl::StatusCode::kInvalidArgument;
  return Annotate(
      weights.status(),
      absl::StrCat(title, is_mismatch ? FittingArchitecture(file) : "", ": "));
}

// The manifest that a folder without one stands for. Its name says the
// architecture if it is that of one; else the weights do.
absl::StatusOr<Manifest> ImpliedManifest(const FolderTitle& title,
                                         const WeightsFile& file,
                                         absl::string_view file_name) {
  const bool says_it = FindArchitecture(title.architecture, 1).ok();
  const absl::StatusOr<Architecture> found = RecogniseArchitecture(
      file.tensors(),
      says_it ? absl::string_view(title.architecture) : absl::string_view());
  if (!found.ok()) {
    return Annotate(found.status(), absl::StrCat(file_name, ": "));
  }
  Manifest manifest;
  manifest.architecture = found->name;
  manifest.num_classes = found->num_classes;
  return manifest;
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
                   ReadFileIfThere(folder, kLabelsFile, kMaxLabelsFileBytes));
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

struct WeightsBytes {
  absl::string_view name;
  std::vector<std::uint8_t> bytes;
};

// Whichever of the two weights files is there.
absl::StatusOr<WeightsBytes> ReadWeightsFile(const std::string& folder) {
  std::optional<WeightsBytes> found;
  for (const absl::string_view name : {kSafetensorsFile, kPthFile}) {
    ASSIGN_OR_RETURN(auto bytes, ReadFileIfThere(folder, std::string(name),
                                                 kMaxWeightsBytes));
    if (!bytes) {
      continue;
    }
    if (found) {
      return Invalid(absl::StrCat(
          "the model folder ", Quoted(FolderName(folder)), " has both ",
          kSafetensorsFile, " and ", kPthFile, "; remove one of them"));
    }
    found = {name, *std::move(bytes)};
  }
  if (!found) {
    return Invalid(absl::StrCat(
        Quoted(kSafetensorsFile), " is missing in the model folder ",
        Quoted(FolderName(folder)),
        "; write it with safetensors.torch.save_file(model.state_dict(), \"",
        kSafetensorsFile, "\"), or put ", kPthFile,
        " there, written by torch.save(model.state_dict(), \"", kPthFile,
        "\")"));
  }
  return *std::move(found);
}

// The weights of a folder, read and not yet bound.
struct FolderWeights {
  absl::string_view name;
  std::string digest;
  std::int64_t bytes = 0;
  WeightsFile file;
};

absl::StatusOr<FolderWeights> ReadWeights(
    const std::string& folder, const std::optional<Manifest>& manifest) {
  ASSIGN_OR_RETURN(WeightsBytes read, ReadWeightsFile(folder));
  const auto bytes = static_cast<std::int64_t>(read.bytes.size());
  std::string digest = Sha256Hex(read.bytes);
  if (manifest) {
    RETURN_IF_ERROR(CheckDigest(manifest->weights_sha256, digest, read.name));
  }
  absl::StatusOr<WeightsFile> file = WeightsFile::Parse(std::move(read.bytes));
  if (!file.ok()) {
    return Annotate(file.status(), absl::StrCat(read.name, ": "));
  }
  return FolderWeights{read.name, std::move(digest), bytes, *std::move(file)};
}

absl::StatusOr<ModelPackage> ReadFolder(const std::string& folder) {
  RETURN_IF_ERROR(CheckFolder(folder));
  const FolderTitle title = TitleOf(folder);
  ASSIGN_OR_RETURN(std::optional<Manifest> manifest, ReadManifest(folder));
  ASSIGN_OR_RETURN(FolderWeights read, ReadWeights(folder, manifest));
  if (!manifest) {
    ASSIGN_OR_RETURN(manifest, ImpliedManifest(title, read.file, read.name));
  }
  ASSIGN_OR_RETURN(ModelName name, ChooseName(*manifest, title));
  ASSIGN_OR_RETURN(
      Architecture architecture,
      FindArchitecture(manifest->architecture, manifest->num_classes));
  ASSIGN_OR_RETURN(std::vector<std::string> labels,
                   ReadLabels(folder, manifest->num_classes));
  Network network = BuildNetwork(architecture);
  ASSIGN_OR_RETURN(
      Weights weights,
      BindWeights(read.file, network,
                  absl::StrCat(read.name, " as ", architecture.name)));
  const std::int64_t parameters = ParameterCount(network);
  return ModelPackage{
      .facts = {.name = std::move(name),
                .version = manifest->version.value_or(VersionNumber{}),
                .architecture = std::move(architecture),
                .preprocess = manifest->preprocess,
                .labels = std::move(labels),
                .weights_sha256 = std::move(read.digest),
                .weights_bytes = read.bytes,
                .parameters = parameters,
                .description = std::move(manifest->description),
                .evaluations = std::move(manifest->evaluations),
                .temperature = manifest->temperature,
                .gate = std::move(manifest->gate)},
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
