#include "server/app/apply_declarations.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/app/declaration_plan.h"
#include "server/app/operator_file.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/models/labels.h"
#include "server/models/read_file.h"

namespace resnetd {
namespace {

Mutation Startup(absl::string_view method) {
  Mutation mutation;
  mutation.actor = "startup";
  mutation.method = std::string(method);
  return mutation;
}

// Lines of `text`; the last one may lack its end.
int CountLines(absl::string_view text) {
  const auto ends = std::count(text.begin(), text.end(), '\n');
  const bool is_open = !text.empty() && text.back() != '\n';
  return static_cast<int>(ends) + (is_open ? 1 : 0);
}

// Empty: the labels are numbered.
absl::StatusOr<std::vector<std::string>> ReadLabels(
    const DeclaredModel& model) {
  if (model.labels_file.empty()) {
    // What the manifest says of the classes is checked against the network in
    // this way too.
    return model.num_classes > 0 ? NumberedLabels(model.num_classes)
                                 : std::vector<std::string>();
  }
  const std::filesystem::path path(model.labels_file);
  const std::string folder = path.parent_path();
  ASSIGN_OR_RETURN(const auto bytes,
                   ReadFileIfThere(folder.empty() ? "." : folder,
                                   path.filename(), kMaxLabelsFileBytes));
  const std::string name = Quoted(path.filename().string(), 256);
  if (!bytes) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
                 absl::StrCat(name, " does not exist"));
  }
  const int classes =
      model.num_classes > 0 ? model.num_classes : CountLines(AsText(*bytes));
  absl::StatusOr<std::vector<std::string>> labels =
      ParseLabels(AsText(*bytes), classes);
  if (!labels.ok()) {
    return Annotate(labels.status(), absl::StrCat(name, ": "));
  }
  return labels;
}

absl::Status WrongDigest(const OperatorFile& file, const DeclaredModel& model,
                         const std::string& found) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt,
               absl::StrCat(Quoted(file.name(), 256), ": its SHA-256 is ",
                            found, ", declared is ", model.sha256,
                            "; copy the file again, or correct the declaration "
                            "if the weights were changed on purpose"))
      .Metadata("expected", model.sha256)
      .Metadata("actual", found);
}

std::string DigestOf(const std::vector<std::string>& labels) {
  if (labels.empty()) {
    return "";
  }
  // No label has a line end.
  const std::string text = absl::StrJoin(labels, "\n");
  return Sha256Hex(AsBytes(text));
}

// Brings about one declaration.
class Application {
 public:
  // `index` of the model among those of `files`.
  Application(const DeclaredModel& model, std::size_t index,
              DeclaredFiles& files, Store& store, ModelManager& manager)
      : model_(model),
        index_(index),
        files_(files),
        store_(store),
        manager_(manager) {}

  absl::Status Run() {
    RETURN_IF_ERROR(CheckAlias(model_.alias));
    RETURN_IF_ERROR(ReadFiles());
    ASSIGN_OR_RETURN(const DeclarationState state, Look());
    const DeclarationPlan plan = PlanDeclaration(state);
    if (plan == DeclarationPlan{}) {
      return absl::OkStatus();
    }
    VersionNumber version = state.before.value_or(DeclaredBefore{}).version;
    if (plan.bring_version) {
      ASSIGN_OR_RETURN(version, Bring());
    }
    if (plan.point_alias) {
      RETURN_IF_ERROR(Point(version));
    }
    return store_.SetNote(
        NoteKeyOf(model_),
        FormatNote({.fingerprint = state.fingerprint, .version = version}));
  }

 private:
  absl::Status ReadFiles() {
    digest_ = model_.sha256;
    if (model_.file.empty()) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(DeclaredFile read, files_.Take(index_));
    file_.emplace(std::move(read.file));
    digest_ = std::move(read.digest);
    if (!model_.sha256.empty() && model_.sha256 != digest_) {
      return WrongDigest(*file_, model_, digest_);
    }
    ASSIGN_OR_RETURN(labels_, ReadLabels(model_));
    return absl::OkStatus();
  }

  absl::StatusOr<DeclarationState> Look() {
    ASSIGN_OR_RETURN(const std::string note, store_.GetNote(NoteKeyOf(model_)));
    DeclarationState state{
        .fingerprint = FingerprintOf(model_, digest_, DigestOf(labels_)),
        .before = ParseNote(note)};
    if (state.before) {
      const auto version =
          store_.GetVersion(model_.name, state.before->version);
      state.version_there =
          version.ok() && version->state == VersionState::kCommitted;
    }
    state.alias_there = store_.GetAlias(model_.name, model_.alias).ok();
    return state;
  }

  absl::StatusOr<VersionNumber> Bring() { return file_ ? Import() : Find(); }

  absl::StatusOr<VersionNumber> Import() {
    ImportHeader header{.model = model_.name,
                        .sha256 = digest_,
                        .size_bytes = file_->size(),
                        .labels = labels_,
                        .preprocess = model_.preprocess,
                        .architecture = model_.architecture,
                        .description = model_.description,
                        .evaluations = model_.evaluations,
                        .temperature = model_.temperature,
                        .parent = std::nullopt};
    ASSIGN_OR_RETURN(const std::unique_ptr<ImportSession> session,
                     manager_.Import(header, Startup("ImportVersion")));
    RETURN_IF_ERROR(
        file_->Read([&session](absl::Span<const std::uint8_t> bytes) {
          return session->Write(bytes);
        }));
    ASSIGN_OR_RETURN(const Imported imported, session->Finish());
    return imported.version.row.version;
  }

  // The newest version of the digest.
  absl::StatusOr<VersionNumber> Find() {
    ASSIGN_OR_RETURN(const std::vector<VersionRow> versions,
                     store_.ListVersions(model_.name));
    for (const VersionRow& row : versions) {
      if (row.weights == digest_ || row.source == digest_) {
        return row.version;
      }
    }
    return Error(absl::StatusCode::kNotFound, Reason::kVersionNotFound,
                 absl::StrCat("the store has no version with the SHA-256 ",
                              digest_, "; import it, or declare its file"));
  }

  absl::Status Point(VersionNumber version) {
    const absl::StatusOr<AliasRow> row =
        manager_.SetAlias({.model = model_.name,
                           .alias = model_.alias,
                           .to = version,
                           .expected_version = std::nullopt,
                           .etag = ""},
                          /*validate_only=*/false, Startup("SetAlias"));
    RETURN_IF_ERROR(row.status());
    Log(LogLevel::kInfo, "declaration applied",
        {{"model", model_.name.text()},
         {"alias", model_.alias},
         {"version", absl::StrCat(version.value)}});
    return absl::OkStatus();
  }

  const DeclaredModel& model_;
  const std::size_t index_;
  DeclaredFiles& files_;
  Store& store_;
  ModelManager& manager_;
  std::optional<OperatorFile> file_;
  std::string digest_;
  std::vector<std::string> labels_;
};

}  // namespace

absl::Status ApplyDeclarations(absl::Span<const DeclaredModel> models,
                               DeclaredFiles& files, Store& store,
                               ModelManager& manager) {
  for (std::size_t i = 0; i < models.size(); ++i) {
    const absl::Status status =
        Application(models[i], i, files, store, manager).Run();
    if (!status.ok()) {
      return Annotate(status, absl::StrCat(models[i].origin, ": "));
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd
