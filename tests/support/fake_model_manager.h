#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/base/sha256.h"
#include "server/models/model_manager.h"
#include "tests/support/fake_model.h"

namespace resnetd {

// A ModelManager in memory, without networks: what is imported is READY at
// once. Fails and waits as a test says. Thread-safe.
class FakeModelManager final : public ModelManager {
 public:
  // Text of a weights file, its digest.
  static Digest DigestOf(const std::string& bytes) {
    return Sha256Hex(absl::MakeConstSpan(
        reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
  }

  // The next calls of `method` ("SetAlias", "Import", "Write", "Finish",
  // "ReadAt", ...) fail so; OK: no longer.
  void Fail(const std::string& method, absl::Status error) {
    MutexLock lock(mutex_);
    errors_[method] = std::move(error);
  }
  // From here on calls of `method` wait for Release(method).
  void Hold(const std::string& method) {
    MutexLock lock(mutex_);
    held_.insert(method);
  }
  void Release(const std::string& method) {
    {
      MutexLock lock(mutex_);
      held_.erase(method);
    }
    changed_.NotifyAll();
  }
  void ReleaseAll() {
    {
      MutexLock lock(mutex_);
      held_.clear();
    }
    changed_.NotifyAll();
  }
  // Waits until `method` was called `count` times, held ones included.
  void AwaitCalls(const std::string& method, std::size_t count) {
    MutexLock lock(mutex_);
    while (calls_[method] < count) {
      changed_.Wait(mutex_);
    }
  }
  std::size_t calls(const std::string& method) {
    MutexLock lock(mutex_);
    return calls_[method];
  }
  // Waits until no upload is open.
  void AwaitNoSessions() {
    MutexLock lock(mutex_);
    while (sessions_ > 0) {
      changed_.Wait(mutex_);
    }
  }
  std::size_t sessions() {
    MutexLock lock(mutex_);
    return sessions_;
  }
  // Blobs that somebody reads.
  std::size_t readers() {
    MutexLock lock(mutex_);
    return readers_;
  }
  // Of the last mutation.
  Mutation last_mutation() {
    MutexLock lock(mutex_);
    return last_mutation_;
  }
  ImportHeader last_header() {
    MutexLock lock(mutex_);
    return *last_header_;
  }
  AliasMove last_move() {
    MutexLock lock(mutex_);
    return *last_move_;
  }

  // Stores a version of which `weights` is the file; the first of a model
  // becomes "stable".
  VersionNumber Add(const std::string& model, const std::string& weights) {
    VersionNumber number;
    {
      MutexLock lock(mutex_);
      number = AddLocked(FakeFacts(model), weights).row.version;
    }
    TellListeners();
    return number;
  }
  // The bytes that are read under `digest` from here on.
  void SetBlob(const Digest& digest, std::string bytes) {
    MutexLock lock(mutex_);
    blobs_[digest] = std::make_shared<const std::string>(std::move(bytes));
  }
  // Forgets a model with all it has.
  void RemoveModel(const std::string& model) {
    MutexLock lock(mutex_);
    models_.erase(ModelName::Parse(model).value());
  }
  // Adds events that change nothing.
  void AddEvents(const std::string& model, int count) {
    {
      MutexLock lock(mutex_);
      for (int i = 0; i < count; ++i) {
        AddEvent({.kind = EventKind::kAliasSet,
                  .model = ModelName::Parse(model).value(),
                  .version = VersionNumber{1},
                  .alias = "canary"});
      }
    }
    TellListeners();
  }
  // Forgets the events before `sequence`.
  void ForgetEventsBefore(std::int64_t sequence) {
    MutexLock lock(mutex_);
    oldest_event_ = sequence;
  }
  // Changes a version in place.
  void Edit(const std::string& model, std::int64_t number,
            const std::function<void(VersionView&)>& edit) {
    MutexLock lock(mutex_);
    edit(models_.at(ModelName::Parse(model).value())
             .versions.at(VersionNumber{number}));
  }

  absl::Status Start() override { return absl::OkStatus(); }

  absl::StatusOr<std::vector<ModelView>> ListModels() override;
  absl::StatusOr<ModelView> GetModel(const ModelName& name) override;
  absl::StatusOr<std::vector<VersionView>> ListVersions(
      const ModelName& name) override;
  absl::StatusOr<VersionView> GetVersion(const ModelName& name,
                                         VersionNumber number) override;

  absl::StatusOr<std::unique_ptr<ImportSession>> Import(
      const ImportHeader& header, const Mutation& mutation) override;
  absl::StatusOr<VersionView> Adopt(const NewVersion& /*version*/,
                                    const Mutation& /*mutation*/) override {
    return absl::UnimplementedError("adopts nothing");
  }
  absl::StatusOr<VersionView> DeleteVersion(const ModelName& name,
                                            VersionNumber number,
                                            absl::string_view etag,
                                            bool validate_only,
                                            const Mutation& mutation) override;
  std::string last_etag() {
    MutexLock lock(mutex_);
    return last_etag_;
  }

  absl::StatusOr<VersionView> Load(const ModelName& name,
                                   VersionNumber number) override {
    return SetResidency("Load", name, number, Residency::kReady);
  }
  absl::StatusOr<VersionView> Unload(const ModelName& name,
                                     VersionNumber number) override {
    return SetResidency("Unload", name, number, Residency::kUnloaded);
  }
  absl::StatusOr<WarmUp> WarmUpVersion(const ModelName& name,
                                       VersionNumber number) override;
  // It has no networks.
  absl::StatusOr<std::unique_ptr<VersionLoan>> Borrow(
      const ModelName& /*name*/, VersionNumber /*number*/) override {
    return absl::UnimplementedError("Borrow");
  }
  absl::StatusOr<Imported> Recalibrate(const ModelName& /*name*/,
                                       VersionNumber /*number*/,
                                       double /*temperature*/,
                                       const Mutation& /*mutation*/) override {
    return absl::UnimplementedError("Recalibrate");
  }

  absl::StatusOr<AliasRow> SetAlias(const AliasMove& move, bool validate_only,
                                    const Mutation& mutation) override {
    return Move("SetAlias", move, validate_only, mutation);
  }
  absl::StatusOr<AliasRow> Promote(const AliasMove& move,
                                   const PromotionTerms& terms,
                                   bool validate_only,
                                   const Mutation& mutation) override {
    {
      MutexLock lock(mutex_);
      terms_ = terms;
    }
    return Move("Promote", move, validate_only, mutation);
  }
  bool allowed_label_change() {
    MutexLock lock(mutex_);
    return terms_.allow_label_change;
  }
  // Of the last Promote().
  PromotionTerms terms() {
    MutexLock lock(mutex_);
    return terms_;
  }
  absl::StatusOr<AliasRow> RollbackAlias(const ModelName& name,
                                         absl::string_view alias,
                                         absl::string_view etag,
                                         bool validate_only,
                                         const Mutation& mutation) override;
  absl::Status DeleteAlias(const ModelName& name, absl::string_view alias,
                           absl::string_view etag,
                           const Mutation& mutation) override;

  absl::StatusOr<std::vector<EventRow>> Events(std::int64_t after,
                                               std::size_t limit) override;
  absl::StatusOr<std::int64_t> LastEvent() override;

  std::unique_ptr<Subscription> Subscribe(
      std::function<void()> listener) override;

  absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(
      const Digest& digest) override;

 private:
  struct StoredModel {
    std::map<VersionNumber, VersionView> versions;
    std::map<std::string, AliasRow> aliases;
    std::int64_t last_version = 0;
  };

  class Session;
  class Reader;
  class Listening;

  // Counts a call, waits while it is held, fails as told.
  absl::Status Enter(const std::string& method)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  static absl::Status NoModel(const ModelName& name);

  absl::StatusOr<VersionView> Find(const std::string& method,
                                   const ModelName& name, VersionNumber number)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::StatusOr<VersionView> SetResidency(const std::string& method,
                                           const ModelName& name,
                                           VersionNumber number,
                                           Residency residency) {
    MutexLock lock(mutex_);
    absl::StatusOr<VersionView> found = Find(method, name, number);
    if (found.ok()) {
      found->residency = residency;
      models_.at(name).versions.at(number).residency = residency;
    }
    return found;
  }

  absl::StatusOr<AliasRow> Move(const std::string& method,
                                const AliasMove& move, bool validate_only,
                                const Mutation& mutation) {
    AliasRow row{.model = move.model, .alias = move.alias, .version = move.to};
    {
      MutexLock lock(mutex_);
      last_mutation_ = mutation;
      last_move_ = move;
      last_etag_ = move.etag;
      const absl::StatusOr<VersionView> found =
          Find(method, move.model, move.to);
      if (!found.ok()) {
        return found.status();
      }
      if (const AliasRow* before = FindAlias(move.model, move.alias)) {
        row.previous = before->version;
        row.generation = before->generation + 1;
      }
      row.updated = WallTime(std::chrono::seconds(1'767'225'600));
      if (!validate_only) {
        models_.at(move.model).aliases.insert_or_assign(move.alias, row);
        AddEvent({.kind = move.kind,
                  .model = move.model,
                  .version = move.to,
                  .alias = move.alias,
                  .previous = row.previous,
                  .generation = row.generation,
                  .weights = found->row.weights});
      }
    }
    TellListeners();
    return row;
  }

  const AliasRow* FindAlias(const ModelName& name, absl::string_view alias)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  static VersionView WithAliases(const StoredModel& model, VersionView view);

  ModelView ViewOf(const ModelName& name, const StoredModel& model)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Imported Commit(const ImportHeader& header, const std::string& bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  static VersionView NewView(VersionFacts facts, VersionNumber number,
                             const std::string& bytes);

  VersionView AddLocked(VersionFacts facts, const std::string& bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void AddEvent(EventRow event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    event.sequence = static_cast<std::int64_t>(events_.size()) + 1;
    event.time = WallTime(std::chrono::seconds(1'767'225'600));
    events_.push_back(std::move(event));
  }

  void TellListeners() {
    std::map<int, std::function<void()>> listeners;
    {
      MutexLock lock(mutex_);
      ++telling_;
      listeners = listeners_;
    }
    for (const auto& [id, listener] : listeners) {
      listener();
    }
    {
      MutexLock lock(mutex_);
      --telling_;
    }
    changed_.NotifyAll();
  }

  Mutex mutex_;
  CondVar changed_;
  std::map<ModelName, StoredModel> models_ ABSL_GUARDED_BY(mutex_);
  std::map<Digest, std::shared_ptr<const std::string>> blobs_
      ABSL_GUARDED_BY(mutex_);
  std::vector<EventRow> events_ ABSL_GUARDED_BY(mutex_);
  std::int64_t oldest_event_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::string, absl::Status> errors_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> held_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> calls_ ABSL_GUARDED_BY(mutex_);
  std::size_t sessions_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t readers_ ABSL_GUARDED_BY(mutex_) = 0;
  Mutation last_mutation_ ABSL_GUARDED_BY(mutex_);
  std::optional<ImportHeader> last_header_ ABSL_GUARDED_BY(mutex_);
  std::optional<AliasMove> last_move_ ABSL_GUARDED_BY(mutex_);
  std::string last_etag_ ABSL_GUARDED_BY(mutex_);
  PromotionTerms terms_ ABSL_GUARDED_BY(mutex_);
  std::map<int, std::function<void()>> listeners_ ABSL_GUARDED_BY(mutex_);
  int last_listener_ ABSL_GUARDED_BY(mutex_) = 0;
  int telling_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace resnetd
