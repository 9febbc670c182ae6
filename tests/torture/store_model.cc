#include "tests/torture/store_model.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "tests/torture/training_lines.h"

namespace resnetd {
namespace {

std::string VersionLine(const std::string& model, std::int64_t version,
                        bool committed, const std::vector<Digest>& blobs,
                        const std::string& content_key) {
  return absl::StrCat("version ", model, "/", version,
                      committed ? " committed " : " retired ",
                      absl::StrJoin(blobs, " "), " ", content_key);
}

std::string AliasLine(const std::string& model, const std::string& alias,
                      std::int64_t version, std::int64_t previous,
                      std::int64_t generation) {
  return absl::StrCat("alias ", model, "/", alias, " -> ", version, " before ",
                      previous, " generation ", generation);
}

std::string EventLine(std::int64_t sequence, EventKind kind,
                      const std::string& model, std::int64_t version,
                      const std::string& alias, std::int64_t previous,
                      std::int64_t generation) {
  return absl::StrCat("event ", sequence, " kind ", static_cast<int>(kind), " ",
                      model, "/", version, " alias '", alias, "' before ",
                      previous, " generation ", generation);
}

std::string AuditLine(std::int64_t sequence, const std::string& method,
                      const std::string& resource) {
  return absl::StrCat("audit ", sequence, " ", method, " ", resource);
}

std::int64_t ValueOf(std::optional<VersionNumber> version) {
  return version ? version->value : 0;
}

std::vector<Digest> DigestsOf(std::uint64_t content) {
  std::vector<Digest> digests;
  for (const auto& blob : BlobsOf(content)) {
    digests.push_back(Sha256Hex(blob));
  }
  return digests;
}

std::string VersionName(const std::string& model, std::size_t version) {
  return absl::StrCat("models/", model, "/versions/", version);
}

// "jobs/3" by the name of the job, which does not depend on the order in which
// several threads made theirs.
std::string NameIn(const std::map<std::int64_t, std::string>& jobs,
                   const std::string& resource) {
  for (const auto& [number, name] : jobs) {
    if (resource == absl::StrCat("jobs/", number)) {
      return "jobs/" + name;
    }
  }
  return resource;
}

std::string AliasName(const Step& step) {
  return absl::StrCat("models/", step.model, "/aliases/", step.alias);
}

}  // namespace

bool StoreModel::Do(const Step& step) {
  const bool is_repetition = requests_.count(step.request_id) > 0;
  if (is_repetition) {
    return true;
  }
  bool accepted = true;
  switch (step.kind) {
    case StepKind::kImport:
      accepted = Import(step);
      break;
    case StepKind::kMove:
      accepted = Move(step, step.version, EventKind::kAliasSet);
      break;
    case StepKind::kRollBack:
      accepted = RollBack(step);
      break;
    case StepKind::kDeleteAlias:
      accepted = DeleteAlias(step);
      break;
    case StepKind::kDeleteVersion:
      accepted = DeleteVersion(step);
      break;
    case StepKind::kNote:
      note_ = absl::StrCat("content ", step.content);
      return true;
    case StepKind::kUpload:
      uploads_.insert(Sha256Hex(UploadOf(step.content)));
      return true;
    case StepKind::kCollect:
      uploads_.clear();
      return true;
    default:
      accepted = training_.Do(
          step, [this](const std::string& method, const std::string& resource) {
            AddAudit(method, resource);
          });
      break;
  }
  if (accepted && !step.request_id.empty()) {
    requests_.insert(step.request_id);
  }
  return accepted;
}

bool StoreModel::Names(const Model& model, std::int64_t version) const {
  return version >= 1 &&
         version <= static_cast<std::int64_t>(model.versions.size()) &&
         model.versions[static_cast<std::size_t>(version - 1)].committed;
}

void StoreModel::AddEvent(EventKind kind, const std::string& model,
                          std::int64_t version, const std::string& alias,
                          std::int64_t previous, std::int64_t generation) {
  events_.push_back(EventLine(static_cast<std::int64_t>(events_.size()) + 1,
                              kind, model, version, alias, previous,
                              generation));
}

void StoreModel::AddAudit(const std::string& method,
                          const std::string& resource) {
  audit_.push_back(AuditLine(static_cast<std::int64_t>(audit_.size()) + 1,
                             method, resource));
}

void StoreModel::Set(Model& model, const std::string& name,
                     const std::string& alias, std::int64_t to,
                     EventKind kind) {
  const auto place = model.aliases.find(alias);
  const std::int64_t before =
      place == model.aliases.end() ? 0 : place->second.version;
  const std::int64_t generation = ++model.generations[alias];
  model.aliases[alias] = {.version = to, .previous = before};
  AddEvent(kind, name, to, alias, before, generation);
}

bool StoreModel::Import(const Step& step) {
  Model& model = models_[step.model];
  for (std::size_t i = 0; i < model.versions.size(); ++i) {
    if (model.versions[i].committed &&
        model.versions[i].content == step.content) {
      return true;
    }
  }
  const bool is_first =
      std::none_of(model.versions.begin(), model.versions.end(),
                   [](const Version& version) { return version.committed; });
  model.versions.push_back({.content = step.content});
  const auto number = static_cast<std::int64_t>(model.versions.size());
  AddEvent(EventKind::kVersionImported, step.model, number, "", 0, 0);
  if (is_first) {
    Set(model, step.model, "stable", number, EventKind::kAliasSet);
  }
  AddAudit("ImportVersion", VersionName(step.model, model.versions.size()));
  return true;
}

bool StoreModel::Move(const Step& step, std::int64_t to, EventKind kind) {
  const auto model = models_.find(step.model);
  if (model == models_.end() || !Names(model->second, to)) {
    return false;
  }
  const auto place = model->second.aliases.find(step.alias);
  const std::int64_t now =
      place == model->second.aliases.end() ? 0 : place->second.version;
  if (step.expected >= 0 && step.expected != now) {
    return false;
  }
  if (now == to) {
    return true;
  }
  Set(model->second, step.model, step.alias, to, kind);
  AddAudit(kind == EventKind::kAliasSet ? "SetAlias" : "RollbackAlias",
           AliasName(step));
  return true;
}

bool StoreModel::RollBack(const Step& step) {
  Model& model = models_[step.model];
  const auto place = model.aliases.find(step.alias);
  return place != model.aliases.end() && place->second.previous != 0 &&
         Move(step, place->second.previous, EventKind::kAliasRolledBack);
}

bool StoreModel::DeleteAlias(const Step& step) {
  Model& model = models_[step.model];
  const auto place = model.aliases.find(step.alias);
  if (place == model.aliases.end()) {
    return false;
  }
  const Alias alias = place->second;
  model.aliases.erase(place);
  AddEvent(EventKind::kAliasDeleted, step.model, alias.version, step.alias,
           alias.previous, model.generations[step.alias]);
  AddAudit("DeleteAlias", AliasName(step));
  return true;
}

bool StoreModel::DeleteVersion(const Step& step) {
  Model& model = models_[step.model];
  if (!Names(model, step.version)) {
    return false;
  }
  for (const auto& [name, alias] : model.aliases) {
    if (alias.version == step.version) {
      return false;
    }
  }
  for (auto& [name, alias] : model.aliases) {
    alias.previous = alias.previous == step.version ? 0 : alias.previous;
  }
  model.versions[static_cast<std::size_t>(step.version - 1)].committed = false;
  AddEvent(EventKind::kVersionDeleted, step.model, step.version, "", 0, 0);
  AddAudit("DeleteVersion",
           VersionName(step.model, static_cast<std::size_t>(step.version)));
  return true;
}

std::string StoreModel::Image() const {
  std::vector<std::string> lines = {absl::StrCat("note ", note_)};
  for (const auto& [name, model] : models_) {
    for (std::size_t i = 0; i < model.versions.size(); ++i) {
      const Version& version = model.versions[i];
      if (version.committed) {
        lines.push_back(VersionLine(name, static_cast<std::int64_t>(i) + 1,
                                    true, DigestsOf(version.content),
                                    absl::StrCat("c", version.content)));
      }
    }
    for (const auto& [alias, row] : model.aliases) {
      lines.push_back(AliasLine(name, alias, row.version, row.previous,
                                model.generations.at(alias)));
    }
  }
  for (const std::string& line : training_.Lines()) {
    lines.push_back(line);
  }
  lines.insert(lines.end(), events_.begin(), events_.end());
  lines.insert(lines.end(), audit_.begin(), audit_.end());
  return absl::StrJoin(lines, "\n") + "\n";
}

std::set<Digest> StoreModel::LiveBlobs() const {
  std::set<Digest> blobs = training_.LiveBlobs();
  for (const auto& [name, model] : models_) {
    for (const Version& version : model.versions) {
      for (const Digest& digest : version.committed ? DigestsOf(version.content)
                                                    : std::vector<Digest>()) {
        blobs.insert(digest);
      }
    }
  }
  return blobs;
}

absl::StatusOr<std::string> ImageOf(Store& store) {
  ASSIGN_OR_RETURN(const std::string note, store.GetNote("note"));
  std::vector<std::string> lines = {absl::StrCat("note ", note)};
  ASSIGN_OR_RETURN(const std::vector<ModelName> models, store.ListModels());
  for (const ModelName& model : models) {
    ASSIGN_OR_RETURN(std::vector<VersionRow> versions,
                     store.ListVersions(model));
    std::reverse(versions.begin(), versions.end());
    for (const VersionRow& row : versions) {
      lines.push_back(VersionLine(model.text(), row.version.value,
                                  row.state == VersionState::kCommitted,
                                  {row.weights, row.manifest, row.labels},
                                  row.content_key));
    }
    ASSIGN_OR_RETURN(const std::vector<AliasRow> aliases,
                     store.ListAliases(model));
    for (const AliasRow& row : aliases) {
      lines.push_back(AliasLine(model.text(), row.alias, row.version.value,
                                ValueOf(row.previous), row.generation));
    }
  }
  ASSIGN_OR_RETURN(const std::vector<AuditRow> audit,
                   store.ListAudit(0, 1'000'000));
  const std::map<std::int64_t, std::string> jobs = JobsIn(audit);
  ASSIGN_OR_RETURN(const std::vector<std::string> training,
                   TrainingLinesOf(store, jobs));
  lines.insert(lines.end(), training.begin(), training.end());
  ASSIGN_OR_RETURN(const std::vector<EventRow> events,
                   store.ListEvents(0, 1'000'000));
  for (const EventRow& row : events) {
    lines.push_back(EventLine(row.sequence, row.kind, row.model.text(),
                              ValueOf(row.version), row.alias,
                              ValueOf(row.previous), row.generation));
  }
  for (const AuditRow& row : audit) {
    lines.push_back(
        AuditLine(row.sequence, row.method, NameIn(jobs, row.resource)));
  }
  return absl::StrJoin(lines, "\n") + "\n";
}

}  // namespace resnetd
