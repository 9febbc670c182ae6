#include "tests/support/fake_model_manager.h"

#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/fake_model.h"

namespace resnetd {

class FakeModelManager::Session final : public ImportSession {
 public:
  Session(FakeModelManager& manager, ImportHeader header)
      : manager_(manager), header_(std::move(header)) {}
  ~Session() override {
    {
      MutexLock lock(manager_.mutex_);
      --manager_.sessions_;
    }
    manager_.changed_.NotifyAll();
  }
  absl::Status Write(absl::Span<const std::uint8_t> bytes) override {
    {
      MutexLock lock(manager_.mutex_);
      if (absl::Status status = manager_.Enter("Write"); !status.ok()) {
        return status;
      }
    }
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return static_cast<std::int64_t>(bytes_.size()) > header_.size_bytes
               ? Mismatch("more bytes than announced")
               : absl::OkStatus();
  }
  absl::StatusOr<Imported> Finish() override {
    std::optional<Imported> imported;
    {
      MutexLock lock(manager_.mutex_);
      if (absl::Status status = manager_.Enter("Finish"); !status.ok()) {
        return status;
      }
      if (static_cast<std::int64_t>(bytes_.size()) != header_.size_bytes) {
        return Mismatch("fewer bytes than announced");
      }
      if (DigestOf(bytes_) != header_.sha256) {
        return Mismatch("another digest than announced");
      }
      imported = manager_.Commit(header_, bytes_);
    }
    manager_.TellListeners();
    return *std::move(imported);
  }

 private:
  static absl::Status Mismatch(absl::string_view text) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kDigestMismatch,
                 text);
  }
  FakeModelManager& manager_;
  const ImportHeader header_;
  std::string bytes_;
};

class FakeModelManager::Reader final : public BlobReader {
 public:
  Reader(FakeModelManager& manager, std::shared_ptr<const std::string> bytes)
      : manager_(manager), bytes_(std::move(bytes)) {}
  ~Reader() override {
    MutexLock lock(manager_.mutex_);
    --manager_.readers_;
  }
  std::int64_t size() const override {
    return static_cast<std::int64_t>(bytes_->size());
  }
  absl::Status ReadAt(std::int64_t offset,
                      absl::Span<std::uint8_t> bytes) const override {
    {
      MutexLock lock(manager_.mutex_);
      if (absl::Status status = manager_.Enter("ReadAt"); !status.ok()) {
        return status;
      }
    }
    std::memcpy(bytes.data(), bytes_->data() + static_cast<std::size_t>(offset),
                bytes.size());
    return absl::OkStatus();
  }

 private:
  FakeModelManager& manager_;
  const std::shared_ptr<const std::string> bytes_;
};

class FakeModelManager::Listening final : public Subscription {
 public:
  Listening(FakeModelManager& manager, int id) : manager_(manager), id_(id) {}
  ~Listening() override {
    MutexLock lock(manager_.mutex_);
    while (manager_.telling_ > 0) {
      manager_.changed_.Wait(manager_.mutex_);
    }
    manager_.listeners_.erase(id_);
  }

 private:
  FakeModelManager& manager_;
  const int id_;
};

absl::StatusOr<std::vector<ModelView>> FakeModelManager::ListModels() {
  MutexLock lock(mutex_);
  if (absl::Status status = Enter("ListModels"); !status.ok()) {
    return status;
  }
  std::vector<ModelView> views;
  for (const auto& [name, model] : models_) {
    views.push_back(ViewOf(name, model));
  }
  return views;
}

absl::StatusOr<ModelView> FakeModelManager::GetModel(const ModelName& name) {
  MutexLock lock(mutex_);
  if (absl::Status status = Enter("GetModel"); !status.ok()) {
    return status;
  }
  const auto at = models_.find(name);
  return at == models_.end() ? absl::StatusOr<ModelView>(NoModel(name))
                             : ViewOf(name, at->second);
}

absl::StatusOr<std::vector<VersionView>> FakeModelManager::ListVersions(
    const ModelName& name) {
  MutexLock lock(mutex_);
  if (absl::Status status = Enter("ListVersions"); !status.ok()) {
    return status;
  }
  const auto at = models_.find(name);
  if (at == models_.end()) {
    return NoModel(name);
  }
  std::vector<VersionView> views;
  for (const auto& [number, version] : at->second.versions) {
    views.insert(views.begin(), WithAliases(at->second, version));
  }
  return views;
}

absl::StatusOr<VersionView> FakeModelManager::GetVersion(const ModelName& name,
                                                         VersionNumber number) {
  MutexLock lock(mutex_);
  return Find("GetVersion", name, number);
}

absl::StatusOr<std::unique_ptr<ImportSession>> FakeModelManager::Import(
    const ImportHeader& header, const Mutation& mutation) {
  MutexLock lock(mutex_);
  last_mutation_ = mutation;
  last_header_ = header;
  if (absl::Status status = Enter("Import"); !status.ok()) {
    return status;
  }
  ++sessions_;
  return std::unique_ptr<ImportSession>(new Session(*this, header));
}

absl::StatusOr<VersionView> FakeModelManager::DeleteVersion(
    const ModelName& name, VersionNumber number, absl::string_view etag,
    bool validate_only, const Mutation& mutation) {
  absl::StatusOr<VersionView> found;
  {
    MutexLock lock(mutex_);
    last_mutation_ = mutation;
    last_etag_ = std::string(etag);
    found = Find("DeleteVersion", name, number);
    if (!found.ok()) {
      return found;
    }
    found->row.state = VersionState::kRetired;
    if (!validate_only) {
      models_.at(name).versions.erase(number);
      AddEvent({.kind = EventKind::kVersionDeleted,
                .model = name,
                .version = number});
    }
  }
  TellListeners();
  return found;
}

absl::StatusOr<WarmUp> FakeModelManager::WarmUpVersion(const ModelName& name,
                                                       VersionNumber number) {
  absl::StatusOr<VersionView> version =
      SetResidency("WarmUpVersion", name, number, Residency::kReady);
  if (!version.ok()) {
    return version.status();
  }
  return WarmUp{.version = *std::move(version),
                .batches = 4,
                .duration = std::chrono::milliseconds(250)};
}

absl::StatusOr<AliasRow> FakeModelManager::RollbackAlias(
    const ModelName& name, absl::string_view alias, absl::string_view etag,
    bool validate_only, const Mutation& mutation) {
  AliasMove move{.model = name,
                 .alias = std::string(alias),
                 .etag = std::string(etag),
                 .kind = EventKind::kAliasRolledBack};
  {
    MutexLock lock(mutex_);
    const AliasRow* row = FindAlias(name, alias);
    if (row == nullptr || !row->previous) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   Reason::kNoPreviousVersion, "fake: never moved");
    }
    move.to = *row->previous;
  }
  return Move("RollbackAlias", move, validate_only, mutation);
}

absl::Status FakeModelManager::DeleteAlias(const ModelName& name,
                                           absl::string_view alias,
                                           absl::string_view etag,
                                           const Mutation& mutation) {
  {
    MutexLock lock(mutex_);
    last_mutation_ = mutation;
    last_etag_ = std::string(etag);
    if (absl::Status status = Enter("DeleteAlias"); !status.ok()) {
      return status;
    }
    if (FindAlias(name, alias) == nullptr) {
      return Error(absl::StatusCode::kNotFound, Reason::kAliasNotFound,
                   "fake: no such alias");
    }
    models_.at(name).aliases.erase(std::string(alias));
    AddEvent({.kind = EventKind::kAliasDeleted,
              .model = name,
              .alias = std::string(alias)});
  }
  TellListeners();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<EventRow>> FakeModelManager::Events(
    std::int64_t after, std::size_t limit) {
  MutexLock lock(mutex_);
  if (absl::Status status = Enter("Events"); !status.ok()) {
    return status;
  }
  if (after + 1 < oldest_event_) {
    return Error(absl::StatusCode::kOutOfRange, Reason::kEventsExpired,
                 "fake: no longer kept")
        .Metadata("oldest", absl::StrCat(oldest_event_));
  }
  std::vector<EventRow> found;
  for (const EventRow& event : events_) {
    if (event.sequence > after && found.size() < limit) {
      found.push_back(event);
    }
  }
  return found;
}

absl::StatusOr<std::int64_t> FakeModelManager::LastEvent() {
  MutexLock lock(mutex_);
  if (absl::Status status = Enter("LastEvent"); !status.ok()) {
    return status;
  }
  return static_cast<std::int64_t>(events_.size());
}

std::unique_ptr<ModelManager::Subscription> FakeModelManager::Subscribe(
    std::function<void()> listener) {
  MutexLock lock(mutex_);
  const int id = ++last_listener_;
  listeners_[id] = std::move(listener);
  return std::make_unique<Listening>(*this, id);
}

absl::StatusOr<std::unique_ptr<BlobReader>> FakeModelManager::OpenBlob(
    const Digest& digest) {
  MutexLock lock(mutex_);
  if (absl::Status status = Enter("OpenBlob"); !status.ok()) {
    return status;
  }
  const auto at = blobs_.find(digest);
  if (at == blobs_.end()) {
    return Error(absl::StatusCode::kNotFound, Reason::kBlobNotFound,
                 absl::StrCat("there is no blob ", digest))
        .Resource("blob", digest);
  }
  ++readers_;
  return std::unique_ptr<BlobReader>(new Reader(*this, at->second));
}

absl::Status FakeModelManager::Enter(const std::string& method) {
  ++calls_[method];
  changed_.NotifyAll();
  while (held_.count(method) > 0) {
    changed_.Wait(mutex_);
  }
  const auto at = errors_.find(method);
  return at == errors_.end() ? absl::OkStatus() : at->second;
}

absl::Status FakeModelManager::NoModel(const ModelName& name) {
  return Error(absl::StatusCode::kNotFound, Reason::kModelNotFound,
               absl::StrCat("there is no model ", name.text()))
      .Resource("model", ResourceName(name));
}

absl::StatusOr<VersionView> FakeModelManager::Find(const std::string& method,
                                                   const ModelName& name,
                                                   VersionNumber number) {
  if (absl::Status status = Enter(method); !status.ok()) {
    return status;
  }
  const auto model = models_.find(name);
  if (model == models_.end()) {
    return NoModel(name);
  }
  const auto version = model->second.versions.find(number);
  if (version == model->second.versions.end()) {
    return Error(absl::StatusCode::kNotFound, Reason::kVersionNotFound,
                 absl::StrCat("there is no version ", number.value))
        .Resource("version", ResourceName(name, number));
  }
  return WithAliases(model->second, version->second);
}

const AliasRow* FakeModelManager::FindAlias(const ModelName& name,
                                            absl::string_view alias) {
  const auto model = models_.find(name);
  if (model == models_.end()) {
    return nullptr;
  }
  const auto row = model->second.aliases.find(std::string(alias));
  return row == model->second.aliases.end() ? nullptr : &row->second;
}

VersionView FakeModelManager::WithAliases(const StoredModel& model,
                                          VersionView view) {
  for (const auto& [name, alias] : model.aliases) {
    if (alias.version == view.row.version) {
      view.aliases.push_back(name);
    }
  }
  return view;
}

ModelView FakeModelManager::ViewOf(const ModelName& name,
                                   const StoredModel& model) {
  ModelView view{.name = name, .is_default = models_.begin()->first == name};
  for (const auto& [alias, row] : model.aliases) {
    view.aliases.push_back(row);
    if (alias == kStableAlias) {
      view.serving = WithAliases(model, model.versions.at(row.version));
    }
  }
  return view;
}

Imported FakeModelManager::Commit(const ImportHeader& header,
                                  const std::string& bytes) {
  if (const auto model = models_.find(header.model); model != models_.end()) {
    for (const auto& [number, version] : model->second.versions) {
      if (version.row.weights == header.sha256) {
        return {.version = version, .created = false};
      }
    }
  }
  VersionFacts facts = FakeFacts(header.model.text());
  facts.description = header.description;
  if (!header.labels.empty()) {
    facts.labels = header.labels;
  }
  if (header.validate_only) {
    VersionView view = NewView(std::move(facts), VersionNumber{0}, bytes);
    return {.version = std::move(view), .created = true};
  }
  return {.version = AddLocked(std::move(facts), bytes), .created = true};
}

VersionView FakeModelManager::NewView(VersionFacts facts, VersionNumber number,
                                      const std::string& bytes) {
  facts.version = number;
  facts.weights_sha256 = DigestOf(bytes);
  facts.weights_bytes = static_cast<std::int64_t>(bytes.size());
  VersionView view{
      .row = {.model = facts.name,
              .version = number,
              .weights = facts.weights_sha256,
              .weights_bytes = facts.weights_bytes,
              .manifest = std::string(64, '1'),
              .source = facts.weights_sha256,
              .source_format = "safetensors",
              .created = WallTime(std::chrono::seconds(1'767'225'600))},
      .facts = nullptr,
      .residency = Residency::kReady,
      .precision = "fp32",
      .backend = "fake",
      .resident_bytes = 1000,
      .load_time = std::chrono::milliseconds(20)};
  view.facts = std::make_shared<const VersionFacts>(std::move(facts));
  return view;
}

VersionView FakeModelManager::AddLocked(VersionFacts facts,
                                        const std::string& bytes) {
  StoredModel& model = models_[facts.name];
  const VersionNumber number{++model.last_version};
  VersionView view = NewView(std::move(facts), number, bytes);
  blobs_[view.row.weights] = std::make_shared<const std::string>(bytes);
  AddEvent({.kind = EventKind::kVersionImported,
            .model = view.row.model,
            .version = number,
            .weights = view.row.weights});
  if (model.aliases.empty()) {
    model.aliases.emplace(
        kStableAlias,
        AliasRow{.model = view.row.model,
                 .alias = kStableAlias,
                 .version = number,
                 .updated = WallTime(std::chrono::seconds(1'767'225'600))});
  }
  model.versions.emplace(number, view);
  return WithAliases(model, view);
}

}  // namespace resnetd
