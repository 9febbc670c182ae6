#include "server/models/resident_table.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/log.h"

namespace resnetd {
namespace {

// Turns and Hold make other moves impossible: one is a bug that must not go on.
void Move(Residency& residency, Residency to) {
  if (!CanFollow(residency, to)) {
    Log(LogLevel::kError, "resident table: impossible move",
        {{"from", std::string(ResidencyName(residency))},
         {"to", std::string(ResidencyName(to))}});
    std::abort();
  }
  residency = to;
}

}  // namespace

ResidentTable::Slot& ResidentTable::SlotOf(const ModelName& model,
                                           VersionNumber version) {
  return models_[model].versions[version];
}

void ResidentTable::Publish(const ModelName& model) {
  RegisteredModel picture;
  {
    const MutexLock lock(mutex_);
    ModelEntry& entry = models_[model];
    picture.revision = ++entry.revision;
    picture.aliases = entry.aliases;
    for (const auto& [version, slot] : entry.versions) {
      picture.versions[version] = {.handle = slot.handle,
                                   .failure = slot.failure};
    }
  }
  registry_.Publish(model, std::move(picture));
}

void ResidentTable::Learn(const ModelName& model,
                          const std::vector<VersionNumber>& versions,
                          const std::vector<AliasRow>& aliases) {
  std::vector<ModelHandle> dropped;
  {
    const MutexLock lock(mutex_);
    ModelEntry& entry = models_[model];
    const std::set<VersionNumber> known(versions.begin(), versions.end());
    for (auto at = entry.versions.begin(); at != entry.versions.end();) {
      if (known.contains(at->first)) {
        ++at;
      } else {
        dropped.push_back(std::move(at->second.handle));
        at = entry.versions.erase(at);
      }
    }
    for (const VersionNumber version : versions) {
      entry.versions.try_emplace(version);
    }
    entry.aliases.clear();
    for (const AliasRow& alias : aliases) {
      entry.aliases[alias.alias] = alias.version;
    }
  }
  Publish(model);
}

void ResidentTable::AddVersion(const ModelName& model, VersionNumber version) {
  {
    const MutexLock lock(mutex_);
    models_[model].versions.try_emplace(version);
  }
  Publish(model);
}

void ResidentTable::RemoveVersion(const ModelName& model,
                                  VersionNumber version) {
  ModelHandle dropped;
  {
    const MutexLock lock(mutex_);
    dropped = std::move(SlotOf(model, version).handle);
    models_[model].versions.erase(version);
  }
  Publish(model);
}

void ResidentTable::PointAlias(const AliasRow& alias) {
  {
    const MutexLock lock(mutex_);
    ModelEntry& entry = models_[alias.model];
    const SteadyTime now = clock_.Now();
    // The one that answered until now was used until now.
    if (const auto before = entry.aliases.find(alias.alias);
        before != entry.aliases.end()) {
      entry.versions[before->second].last_used = now;
    }
    entry.aliases[alias.alias] = alias.version;
    Slot& slot = entry.versions[alias.version];
    slot.last_used = now;
    slot.requested = false;
  }
  Publish(alias.model);
}

void ResidentTable::RemoveAlias(const ModelName& model,
                                absl::string_view alias) {
  {
    const MutexLock lock(mutex_);
    models_[model].aliases.erase(std::string(alias));
  }
  Publish(model);
}

void ResidentTable::Loading(const ModelName& model, VersionNumber version) {
  {
    const MutexLock lock(mutex_);
    Slot& slot = SlotOf(model, version);
    Move(slot.residency, Residency::kLoading);
    slot.failure = absl::OkStatus();
    slot.draining.reset();
  }
  Publish(model);
}

void ResidentTable::Warming(const ModelName& model, VersionNumber version) {
  const MutexLock lock(mutex_);
  Move(SlotOf(model, version).residency, Residency::kWarming);
}

void ResidentTable::Ready(ModelHandle handle, std::int64_t bytes) {
  const ModelName model = handle->facts.name;
  {
    const MutexLock lock(mutex_);
    Slot& slot = SlotOf(model, handle->facts.version);
    Move(slot.residency, Residency::kReady);
    slot.handle = std::move(handle);
    slot.bytes = bytes;
    slot.last_used = clock_.Now();
    slot.requested = false;
  }
  Publish(model);
}

void ResidentTable::Failed(const ModelName& model, VersionNumber version,
                           absl::Status why) {
  {
    const MutexLock lock(mutex_);
    Slot& slot = SlotOf(model, version);
    Move(slot.residency, Residency::kFailed);
    slot.failure = std::move(why);
  }
  Publish(model);
}

ModelHandle ResidentTable::Drain(Slot& slot) {
  Move(slot.residency, Residency::kDraining);
  slot.draining = slot.handle;
  slot.bytes = 0;
  slot.requested = false;
  return std::exchange(slot.handle, nullptr);
}

ModelHandle ResidentTable::Unload(const ModelName& model,
                                  VersionNumber version) {
  ModelHandle dropped;
  {
    const MutexLock lock(mutex_);
    Slot& slot = SlotOf(model, version);
    if (slot.residency == Residency::kReady) {
      dropped = Drain(slot);
    } else if (slot.residency == Residency::kFailed) {
      Move(slot.residency, Residency::kUnloaded);
      slot.failure = absl::OkStatus();
    }
  }
  Publish(model);
  return dropped;
}

ModelHandle ResidentTable::Use(const ModelName& model, VersionNumber version,
                               bool requested) {
  const MutexLock lock(mutex_);
  Slot& slot = SlotOf(model, version);
  if (slot.residency != Residency::kReady) {
    return nullptr;
  }
  slot.last_used = clock_.Now();
  slot.requested = slot.requested || requested;
  return slot.handle;
}

void ResidentTable::AddIdle(const ModelName& model, ModelEntry& entry,
                            std::vector<Idle>& idle) {
  std::set<VersionNumber> named;
  for (const auto& [alias, version] : entry.aliases) {
    named.insert(version);
  }
  for (auto& [version, slot] : entry.versions) {
    if (slot.residency == Residency::kReady && !named.contains(version)) {
      idle.push_back({.model = model, .slot = &slot});
    }
  }
}

std::vector<ModelHandle> ResidentTable::FreeIdle(const ModelName& model,
                                                 std::int64_t needed,
                                                 std::int64_t used,
                                                 std::int64_t limit) {
  std::vector<ModelHandle> freed;
  {
    const MutexLock lock(mutex_);
    std::vector<Idle> idle;
    for (auto& [name, entry] : models_) {
      if (entry.holds == 0 || name == model) {
        AddIdle(name, entry, idle);
      }
    }
    std::vector<Evictable> candidates;
    candidates.reserve(idle.size());
    for (const Idle& one : idle) {
      candidates.push_back({.bytes = one.slot->bytes,
                            .last_used = one.slot->last_used,
                            .requested = one.slot->requested});
    }
    for (const std::size_t chosen :
         ChooseEvictions(needed, used, limit, candidates)) {
      freed.push_back(Drain(*idle[chosen].slot));
    }
  }
  for (const ModelHandle& handle : freed) {
    Publish(handle->facts.name);
  }
  return freed;
}

void ResidentTable::Restate(const ServedVersion& version, std::int64_t bytes) {
  const MutexLock lock(mutex_);
  const auto entry = models_.find(version.facts.name);
  if (entry == models_.end()) {
    return;
  }
  const auto slot = entry->second.versions.find(version.facts.version);
  if (slot != entry->second.versions.end() &&
      slot->second.handle.get() == &version) {
    slot->second.bytes = bytes;
  }
}

std::int64_t ResidentTable::HeldBytes() const {
  const MutexLock lock(mutex_);
  std::int64_t bytes = 0;
  for (const auto& [name, entry] : models_) {
    for (const auto& [version, slot] : entry.versions) {
      bytes += slot.bytes;
    }
  }
  return bytes;
}

std::vector<ModelHandle> ResidentTable::FreeIdleOf(const ModelName& model,
                                                   std::size_t keep) {
  std::vector<ModelHandle> freed;
  {
    const MutexLock lock(mutex_);
    std::vector<Idle> idle;
    AddIdle(model, models_[model], idle);
    std::erase_if(idle, [](const Idle& one) { return one.slot->requested; });
    std::stable_sort(idle.begin(), idle.end(),
                     [](const Idle& a, const Idle& b) {
                       return a.slot->last_used > b.slot->last_used;
                     });
    for (std::size_t i = keep; i < idle.size(); ++i) {
      freed.push_back(Drain(*idle[i].slot));
    }
  }
  if (!freed.empty()) {
    Publish(model);
  }
  return freed;
}

VersionStatus ResidentTable::StatusOf(const ModelName& model,
                                      VersionNumber version) const {
  const MutexLock lock(mutex_);
  const auto entry = models_.find(model);
  if (entry == models_.end()) {
    return {};
  }
  const auto found = entry->second.versions.find(version);
  if (found == entry->second.versions.end()) {
    return {};
  }
  const Slot& slot = found->second;
  const bool drained =
      slot.residency == Residency::kDraining && slot.draining.expired();
  return {.residency = drained ? Residency::kUnloaded : slot.residency,
          .failure = slot.failure,
          .handle = slot.handle,
          .requested = slot.requested};
}

std::vector<std::string> ResidentTable::AliasesOf(const ModelName& model,
                                                  VersionNumber version) const {
  std::vector<std::string> aliases;
  const MutexLock lock(mutex_);
  if (const auto entry = models_.find(model); entry != models_.end()) {
    for (const auto& [alias, named] : entry->second.aliases) {
      if (named == version) {
        aliases.push_back(alias);
      }
    }
  }
  return aliases;
}

ResidentTable::Hold::Hold(ResidentTable& table, const ModelName& model)
    : table_(table), model_(model) {
  const MutexLock lock(table_.mutex_);
  ++table_.models_[model_].holds;
}

ResidentTable::Hold::~Hold() {
  const MutexLock lock(table_.mutex_);
  --table_.models_[model_].holds;
}

}  // namespace resnetd
