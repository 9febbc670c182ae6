#include "server/models/version_loader.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/models/architecture.h"
#include "server/models/golden.h"
#include "server/models/memory_estimate.h"
#include "server/models/model_registry.h"
#include "server/models/stored_version.h"
#include "server/models/warm_up.h"

namespace resnetd {
namespace {

// How long a load waits for the batches of versions that were freed to make
// room. Longer than any batch; a request whose images still wait after that
// keeps its version, and the load is refused.
constexpr Duration kDrainWait = std::chrono::seconds(10);

bool IsIntegrityFailure(const absl::Status& status) {
  const std::string reason = DetailsOf(status).reason;
  return reason == ReasonName(Reason::kStoreCorrupt) ||
         reason == ReasonName(Reason::kWeightsCorrupt) ||
         reason == ReasonName(Reason::kGoldenMismatch);
}

}  // namespace

VersionLoader::VersionLoader(const Options& options, Store& store,
                             ModelLoader& loader, ResidentTable& residents,
                             ModelMetricsSink& sink, const Clock& clock)
    : options_(options),
      store_(store),
      loader_(loader),
      residents_(residents),
      sink_(sink),
      clock_(clock),
      ledger_(std::make_shared<MemoryLedger>(options.max_model_bytes)),
      books_(ledger_, residents, sink, [this](const VersionFacts& version) {
        return ReadPackage(version);
      }) {}

absl::StatusOr<VersionLoader::Room> VersionLoader::Admit(const ModelName& model,
                                                         std::int64_t bytes) {
  absl::StatusOr<Room> admitted = ledger_->Admit(bytes);
  if (admitted.ok()) {
    return admitted;
  }
  // Versions that were unloaded a moment ago are in the books until their last
  // batch is done: they are room already.
  const MemoryUse use = ledger_->use();
  const std::int64_t going = std::max<std::int64_t>(
      use.weights + use.activations - residents_.HeldBytes(), 0);
  const std::int64_t used = use.total() - going;
  std::vector<ModelHandle> idle =
      residents_.FreeIdle(model, bytes, used, ledger_->limit());
  if (idle.empty() && used + bytes > ledger_->limit()) {
    return admitted;
  }
  Freed(idle);
  // The last references, unless a batch has one: they are what is freed.
  idle.clear();
  ledger_->WaitForRoom(bytes, kDrainWait);
  return ledger_->Admit(bytes);
}

absl::StatusOr<VersionLoader::Room> VersionLoader::MakeRoom(
    const VersionFacts& facts) {
  const MemoryUse estimate =
      EstimateMemory(BuildNetwork(facts.architecture), facts.preprocess.crop,
                     options_.max_batch);
  return Admit(facts.name, loader_.copies() * estimate.total());
}

absl::StatusOr<ModelPackage> VersionLoader::ReadPackage(
    const VersionFacts& version) {
  ASSIGN_OR_RETURN(const VersionRow row,
                   store_.GetVersion(version.name, version.version));
  ASSIGN_OR_RETURN(StoredVersion stored, ReadStoredVersion(store_, row));
  return std::move(stored.package);
}

absl::Status VersionLoader::BookRest(const ModelPackage& package,
                                     Loaded& loaded) {
  loaded.memory = DivideMemory(package.network, loaded.model->resident_bytes());
  const std::int64_t more = loaded.memory.total() - loaded.booked->bytes();
  if (more > 0) {
    ASSIGN_OR_RETURN(loaded.extra, Admit(package.facts.name, more));
  }
  return absl::OkStatus();
}

absl::StatusOr<VersionLoader::Loaded> VersionLoader::Try(
    const ModelPackage& package) {
  const int side = package.facts.preprocess.crop;
  Loaded loaded;
  ASSIGN_OR_RETURN(loaded.booked, MakeRoom(package.facts));
  ASSIGN_OR_RETURN(loaded.model, loader_.Load(package, options_.max_batch));
  RETURN_IF_ERROR(
      RunEveryBatchSize(*loaded.model, side, options_.max_batch).status());
  ASSIGN_OR_RETURN(loaded.golden.logits,
                   GoldenLogits(*loaded.model, side, options_.max_batch));
  loaded.golden.precision = loaded.model->precision();
  RETURN_IF_ERROR(BookRest(package, loaded));
  return loaded;
}

VersionLoader::Guarded VersionLoader::Guard(Loaded loaded, VersionFacts facts,
                                            Duration load_time) {
  auto held = std::make_shared<HeldMemory>(loaded.memory);
  loaded.booked->Settle(loaded.memory);
  loaded.extra.reset();
  // The model, and with it its choice of a precision, has gone when it is
  // freed.
  ModelHandle version = retired_.Guard({.facts = std::move(facts),
                                        .model = std::move(loaded.model),
                                        .load_time = load_time},
                                       [this, held] {
                                         ledger_->Release(held->use());
                                         sink_.MemoryChanged(ledger_->use());
                                       });
  return {.version = std::move(version), .held = std::move(held)};
}

void VersionLoader::MakeVisible(const Guarded& guarded) {
  const ModelHandle& version = guarded.version;
  const std::int64_t bytes = guarded.held->use().total();
  residents_.Ready(version, bytes);
  Log(LogLevel::kInfo, "model version loaded",
      {{"version", ResourceName(version->facts.name, version->facts.version)},
       {"architecture", version->facts.architecture.name},
       {"classes", absl::StrCat(version->facts.labels.size())},
       {"backend", version->model->backend()},
       {"bytes", absl::StrCat(bytes)},
       {"seconds", absl::StrCat(ToSeconds(version->load_time))}});
  sink_.VersionLoaded(*version);
  sink_.MemoryChanged(ledger_->use());
  version->model->MayChoosePrecision(version->facts,
                                     books_.HostOf(*version, guarded.held));
}

ModelHandle VersionLoader::Adopt(Loaded loaded, VersionFacts facts,
                                 SteadyTime started) {
  residents_.Loading(facts.name, facts.version);
  residents_.Warming(facts.name, facts.version);
  const Guarded guarded =
      Guard(std::move(loaded), std::move(facts), clock_.Now() - started);
  MakeVisible(guarded);
  return guarded.version;
}

absl::StatusOr<ModelHandle> VersionLoader::LoadStored(const VersionRow& row) {
  const SteadyTime started = clock_.Now();
  // Small; asked for room before the weights are read.
  ASSIGN_OR_RETURN(const VersionFacts facts, ReadStoredFacts(store_, row));
  Loaded loaded;
  ASSIGN_OR_RETURN(loaded.booked, MakeRoom(facts));
  ASSIGN_OR_RETURN(StoredVersion stored, ReadStoredVersion(store_, row));
  ASSIGN_OR_RETURN(
      loaded.model,
      loader_.LoadStored(stored.package, stored.golden, options_.max_batch,
                         [&] { residents_.Warming(row.model, row.version); }));
  RETURN_IF_ERROR(BookRest(stored.package, loaded));
  const Guarded guarded =
      Guard(std::move(loaded), std::move(stored.package.facts),
            clock_.Now() - started);
  MakeVisible(guarded);
  return guarded.version;
}

void VersionLoader::CountFailure(const VersionRow& row,
                                 const absl::Status& why) {
  Log(LogLevel::kError, "model version could not be loaded",
      {{"version", ResourceName(row.model, row.version)},
       {"error", std::string(why.message())}});
  sink_.LoadFailed(row.model, why);
  if (IsIntegrityFailure(why)) {
    sink_.IntegrityFailed(row.model, row.version);
  }
  sink_.MemoryChanged(ledger_->use());
}

absl::StatusOr<ModelHandle> VersionLoader::MakeReady(const VersionRow& row,
                                                     bool requested) {
  if (ModelHandle ready = residents_.Use(row.model, row.version, requested)) {
    return ready;
  }
  residents_.Loading(row.model, row.version);
  absl::StatusOr<ModelHandle> loaded = LoadStored(row);
  if (!loaded.ok()) {
    residents_.Failed(row.model, row.version, loaded.status());
    CountFailure(row, loaded.status());
    return loaded;
  }
  if (requested) {
    (void)residents_.Use(row.model, row.version, true);
  }
  return loaded;
}

absl::StatusOr<int> VersionLoader::RunAgain(const VersionRow& row,
                                            const ServedVersion& version) {
  const VersionFacts& facts = version.facts;
  const int side = facts.preprocess.crop;
  ASSIGN_OR_RETURN(const Golden expected, ReadStoredGolden(store_, row, facts));
  ASSIGN_OR_RETURN(const int batches,
                   RunEveryBatchSize(*version.model, side, options_.max_batch));
  if (absl::Status same =
          version.model->CheckGolden(expected, side, options_.max_batch);
      !same.ok()) {
    if (IsIntegrityFailure(same)) {
      sink_.IntegrityFailed(row.model, row.version);
    }
    return same;
  }
  return batches;
}

void VersionLoader::Freed(const std::vector<ModelHandle>& versions) {
  for (const ModelHandle& version : versions) {
    const VersionFacts& facts = version->facts;
    Log(LogLevel::kInfo, "model version unloaded",
        {{"version", ResourceName(facts.name, facts.version)}});
    sink_.VersionUnloaded(facts.name, facts.version);
  }
}

void VersionLoader::Unload(const ModelName& model, VersionNumber version) {
  std::vector<ModelHandle> unloaded;
  if (ModelHandle handle = residents_.Unload(model, version)) {
    unloaded.push_back(std::move(handle));
  }
  Freed(unloaded);
}

void VersionLoader::FreeIdle(const ModelName& model) {
  Freed(residents_.FreeIdleOf(model, options_.keep_loaded));
}

}  // namespace resnetd
