#include "server/models/replica.h"

#include <algorithm>
#include <memory>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/models/manifest.h"
#include "server/models/stored_version.h"

namespace resnetd {
namespace {

// A manifest with 100,000 labels' names is far below.
constexpr std::int64_t kMaxManifestBytes = std::int64_t{1} << 20U;
constexpr char kActor[] = "registry";

Mutation Following(const char* method) {
  return {.actor = kActor, .method = method};
}

bool Contains(const std::map<ModelName, std::vector<VersionNumber>>& has,
              const ModelName& model, VersionNumber version) {
  const auto at = has.find(model);
  return at != has.end() && std::find(at->second.begin(), at->second.end(),
                                      version) != at->second.end();
}

const ModelView* Find(const std::vector<ModelView>& models,
                      const ModelName& name) {
  const auto at = std::find_if(
      models.begin(), models.end(),
      [&name](const ModelView& view) { return view.name == name; });
  return at == models.end() ? nullptr : &*at;
}

std::optional<VersionNumber> Named(const ModelView* model,
                                   const std::string& alias) {
  if (model != nullptr) {
    for (const AliasRow& row : model->aliases) {
      if (row.alias == alias) {
        return row.version;
      }
    }
  }
  return std::nullopt;
}

// The aliases of one model that differ.
void PlanModel(const RegistryModel& model, const ModelView* here,
               std::vector<ReplicaPlan::Alias>& aliases) {
  for (const auto& [alias, version] : model.aliases) {
    if (Named(here, alias) != version) {
      aliases.push_back({.model = model.name, .alias = alias, .to = version});
    }
  }
  if (here == nullptr) {
    return;
  }
  for (const AliasRow& row : here->aliases) {
    if (model.aliases.count(row.alias) == 0 && row.alias != kStableAlias) {
      aliases.push_back(
          {.model = model.name, .alias = row.alias, .to = std::nullopt});
    }
  }
}

// A blob on its way into a store.
class IntoStore final : public BlobSink {
 public:
  explicit IntoStore(Store& store) : store_(store) {}

  absl::Status Begin(std::int64_t size) override {
    ASSIGN_OR_RETURN(blob_, store_.NewBlob(size));
    return absl::OkStatus();
  }
  absl::Status Write(absl::Span<const std::uint8_t> bytes) override {
    return blob_->Write(bytes);
  }

  absl::Status Commit(const Digest& digest) {
    if (blob_ == nullptr || blob_->Digested() != digest) {
      return Error(absl::StatusCode::kDataLoss, Reason::kDigestMismatch,
                   "a blob of the registry has not come whole")
          .Metadata("expected", digest);
    }
    return blob_->Commit().status();
  }

 private:
  Store& store_;
  std::unique_ptr<BlobWriter> blob_;
};

void Report(const std::string& resource, const absl::Status& error) {
  Log(LogLevel::kWarning, "could not follow the registry",
      {{"resource", resource}, {"error", std::string(error.message())}});
}

}  // namespace

ReplicaPlan PlanReplica(
    const RegistryState& registry, const std::vector<ModelView>& here,
    const std::map<ModelName, std::vector<VersionNumber>>& has) {
  ReplicaPlan plan;
  std::set<std::pair<ModelName, VersionNumber>> copies;
  for (const RegistryModel& model : registry.models) {
    PlanModel(model, Find(here, model.name), plan.aliases);
    for (const auto& [alias, version] : model.aliases) {
      if (!Contains(has, model.name, version)) {
        copies.insert({model.name, version});
      }
    }
  }
  plan.copies.assign(copies.begin(), copies.end());
  std::stable_sort(
      plan.aliases.begin(), plan.aliases.end(),
      [](const ReplicaPlan::Alias& a, const ReplicaPlan::Alias& b) {
        return std::tuple(a.alias != kStableAlias, a.model) <
               std::tuple(b.alias != kStableAlias, b.model);
      });
  return plan;
}

absl::Status Replica::Follow(const RegistryState& state) {
  ASSIGN_OR_RETURN(const std::vector<ModelView> here, manager_.ListModels());
  ASSIGN_OR_RETURN(const auto has, Copies());
  const ReplicaPlan plan = PlanReplica(state, here, has);
  absl::Status first;
  std::set<std::pair<ModelName, VersionNumber>> missing;
  for (const auto& [model, version] : plan.copies) {
    if (absl::Status copied = Copy(model, version); !copied.ok()) {
      Report(ResourceName(model, version), copied);
      missing.insert({model, version});
      first.Update(copied);
    }
  }
  for (const ReplicaPlan::Alias& alias : plan.aliases) {
    if (alias.to && missing.count({alias.model, *alias.to}) > 0) {
      continue;
    }
    if (absl::Status set = Set(alias); !set.ok()) {
      Report(AliasResourceName(alias.model, alias.alias), set);
      first.Update(set);
    }
  }
  GiveUpCopies();
  return first;
}

absl::StatusOr<std::map<ModelName, std::vector<VersionNumber>>>
Replica::Copies() {
  std::map<ModelName, std::vector<VersionNumber>> copies;
  ASSIGN_OR_RETURN(const std::vector<ModelName> models, store_.ListModels());
  for (const ModelName& model : models) {
    ASSIGN_OR_RETURN(const std::vector<VersionRow> rows,
                     store_.ListVersions(model));
    for (const VersionRow& row : rows) {
      copies[model].push_back(row.version);
    }
  }
  return copies;
}

absl::Status Replica::Copy(const ModelName& model, VersionNumber version) {
  ASSIGN_OR_RETURN(const RegistryVersion found,
                   registry_.Describe(model, version));
  RETURN_IF_ERROR(CopyBlob(found.manifest));
  ASSIGN_OR_RETURN(const std::vector<std::uint8_t> text,
                   store_.ReadBlob(found.manifest, kMaxManifestBytes));
  ASSIGN_OR_RETURN(
      const Manifest manifest,
      ParseManifest(absl::string_view(
          reinterpret_cast<const char*>(text.data()), text.size())));
  if (!manifest.labels_sha256 || !manifest.golden_sha256 || !manifest.source) {
    return Error(absl::StatusCode::kDataLoss, Reason::kModelInvalid,
                 absl::StrCat("the manifest of ", ResourceName(model, version),
                              " is not that of a stored version"));
  }
  for (const Digest& digest :
       {*manifest.labels_sha256, *manifest.golden_sha256, found.weights}) {
    RETURN_IF_ERROR(CopyBlob(digest));
  }
  return manager_
      .Adopt({.model = model,
              .number = version,
              .weights = found.weights,
              .manifest = found.manifest,
              .labels = *manifest.labels_sha256,
              .golden = *manifest.golden_sha256,
              // The same content under two numbers is two versions here: the
              // registry has retired one.
              .content_key = absl::StrCat(found.manifest, "@", version.value),
              .source = manifest.source->sha256,
              .source_format = manifest.source->format},
             Following("Copy"))
      .status();
}

absl::Status Replica::CopyBlob(const Digest& digest) {
  if (store_.OpenBlob(digest).ok()) {
    return absl::OkStatus();
  }
  IntoStore sink(store_);
  RETURN_IF_ERROR(registry_.Fetch(digest, sink));
  return sink.Commit(digest);
}

absl::Status Replica::Set(const ReplicaPlan::Alias& alias) {
  if (!alias.to) {
    return manager_.DeleteAlias(alias.model, alias.alias, "",
                                Following("Follow"));
  }
  return manager_
      .SetAlias({.model = alias.model, .alias = alias.alias, .to = *alias.to},
                false, Following("Follow"))
      .status();
}

void Replica::GiveUpCopies() {
  const absl::StatusOr<std::vector<ModelView>> models = manager_.ListModels();
  const auto copies = Copies();
  if (!models.ok() || !copies.ok()) {
    return;  // The next change tries again.
  }
  for (const ModelView& model : *models) {
    std::set<VersionNumber> kept;
    for (const AliasRow& alias : model.aliases) {
      kept.insert(alias.version);
      if (alias.previous) {
        kept.insert(*alias.previous);
      }
    }
    const auto at = copies->find(model.name);
    for (const VersionNumber version :
         at == copies->end() ? std::vector<VersionNumber>() : at->second) {
      if (kept.count(version) > 0) {
        continue;
      }
      const absl::Status deleted =
          manager_
              .DeleteVersion(model.name, version, "", false,
                             Following("Follow"))
              .status();
      if (!deleted.ok()) {
        Report(ResourceName(model.name, version), deleted);
      }
    }
  }
}

}  // namespace resnetd
