#include "server/app/declarations.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/app/demo_model.h"
#include "server/app/operator_file.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/models/architecture.h"
#include "server/models/manifest.h"
#include "server/models/read_file.h"

namespace resnetd {
namespace {

constexpr char kWeightsFile[] = "model.safetensors";
constexpr char kPthFile[] = "model.pth";
constexpr char kManifestFile[] = "manifest.json";
constexpr char kLabelsFile[] = "labels.txt";
constexpr std::uint64_t kMaxManifestBytes = 256U << 10U;

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid, text);
}

std::string In(const std::string& folder, const char* name) {
  return std::filesystem::path(folder) / name;
}

absl::StatusOr<ModelName> NameOf(absl::string_view text,
                                 absl::string_view what_to_do) {
  absl::StatusOr<ModelName> name = ModelName::Parse(text);
  if (!name.ok()) {
    return Annotate(Invalid(name.status().message()),
                    absl::StrCat(what_to_do, ": "));
  }
  return name;
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

// What cannot be looked at is not there.
bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

absl::StatusOr<std::string> ChooseWeights(const std::string& folder) {
  if (!Exists(In(folder, kPthFile))) {
    return In(folder, kWeightsFile);
  }
  if (Exists(In(folder, kWeightsFile))) {
    return Invalid(absl::StrCat("holds ", kWeightsFile, " and ", kPthFile,
                                "; leave one of them"));
  }
  return In(folder, kPthFile);
}

absl::StatusOr<DeclaredModel> ReadFolder(const std::string& folder) {
  RETURN_IF_ERROR(CheckFolder(folder));
  const std::string title = FolderName(folder);
  const std::string stem = title.substr(0, title.find('@'));
  ASSIGN_OR_RETURN(std::optional<Manifest> manifest, ReadManifest(folder));
  std::optional<ModelName> name;
  if (manifest && manifest->name) {
    name = manifest->name;
  } else {
    ASSIGN_OR_RETURN(
        name, NameOf(stem,
                     "the folder's name is used as model name; rename the "
                     "folder or put a \"name\" into manifest.json"));
  }
  DeclaredModel model(*std::move(name));
  ASSIGN_OR_RETURN(model.file, ChooseWeights(folder));
  if (Exists(In(folder, kLabelsFile))) {
    model.labels_file = In(folder, kLabelsFile);
  }
  if (!manifest) {
    if (FindArchitecture(stem, 1).ok()) {
      model.architecture = stem;
    }
    return model;
  }
  model.sha256 = manifest->weights_sha256.value_or("");
  model.architecture = std::move(manifest->architecture);
  model.num_classes = manifest->num_classes;
  model.preprocess = manifest->preprocess;
  model.description = std::move(manifest->description);
  model.evaluations = std::move(manifest->evaluations);
  model.temperature = manifest->temperature;
  return model;
}

absl::StatusOr<std::vector<DeclaredModel>> ReadModelsFile(
    const std::string& path) {
  const std::string title =
      absl::StrCat("models file ", Quoted(FolderName(path), 256));
  absl::StatusOr<OperatorFile> file = OperatorFile::Open(path);
  if (!file.ok()) {
    return Annotate(file.status(), "--models-file: ");
  }
  if (file->size() > static_cast<std::int64_t>(kMaxModelsFileBytes)) {
    return Invalid(absl::StrCat(title, " has ", file->size(), " bytes, over ",
                                kMaxModelsFileBytes));
  }
  std::string text;
  RETURN_IF_ERROR(file->Read([&text](absl::Span<const std::uint8_t> bytes) {
    text.append(bytes.begin(), bytes.end());
    return absl::OkStatus();
  }));
  return ParseModelsFile(text, std::filesystem::path(path).parent_path(),
                         title);
}

}  // namespace

absl::StatusOr<DeclaredModel> DeclareFolder(const std::string& folder) {
  const std::string origin = absl::StrCat("model folder ", Quoted(folder, 256));
  absl::StatusOr<DeclaredModel> model = ReadFolder(folder);
  if (!model.ok()) {
    return Annotate(model.status(), absl::StrCat(origin, ": "));
  }
  model->origin = origin;
  return model;
}

absl::StatusOr<DeclaredModel> DeclareWeights(const Config& config) {
  std::string text = config.model_name;
  if (text.empty()) {
    text = absl::AsciiStrToLower(
        std::filesystem::path(config.weights).stem().string());
  }
  ASSIGN_OR_RETURN(
      ModelName name,
      NameOf(text, config.model_name.empty()
                       ? "--weights: the file's name is used as model name; "
                         "give another one with --model-name"
                       : "--model-name"));
  DeclaredModel model(std::move(name));
  model.file = config.weights;
  model.labels_file = config.labels;
  model.architecture = config.architecture;
  model.origin = absl::StrCat("--weights ", Quoted(config.weights, 256));
  return model;
}

absl::StatusOr<std::vector<DeclaredModel>> DeclarationsOf(
    const Config& config) {
  std::vector<DeclaredModel> models;
  for (const std::string& folder : config.models) {
    ASSIGN_OR_RETURN(DeclaredModel model, DeclareFolder(folder));
    models.push_back(std::move(model));
  }
  if (!config.weights.empty()) {
    ASSIGN_OR_RETURN(DeclaredModel model, DeclareWeights(config));
    models.push_back(std::move(model));
  }
  if (!config.models_file.empty()) {
    ASSIGN_OR_RETURN(std::vector<DeclaredModel> listed,
                     ReadModelsFile(config.models_file));
    for (DeclaredModel& model : listed) {
      models.push_back(std::move(model));
    }
  } else if (models.empty() && config.data_dir.empty()) {
    ASSIGN_OR_RETURN(const std::string demo, FindDemoModel());
    ASSIGN_OR_RETURN(DeclaredModel model, DeclareFolder(demo));
    models.push_back(std::move(model));
  }
  RETURN_IF_ERROR(CheckDistinct(models));
  return models;
}

}  // namespace resnetd
