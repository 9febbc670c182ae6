#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/models/memory_ledger.h"
#include "server/models/model.h"
#include "server/models/model_events.h"
#include "server/models/model_package.h"
#include "server/models/precision_books.h"
#include "server/models/resident_table.h"
#include "server/models/retire_queue.h"
#include "server/models/stored_version.h"
#include "server/store/store.h"

namespace resnetd {

// Brings versions into memory and out of it: admission, reading, loading, the
// first batches, golden logits; and the thread that frees what nobody uses any
// more. Keeps the ResidentTable true and tells the sink.
//
// Thread-safe, within the model's turn (MutationTurns). Loading computes for a
// while: hold no lock.
class VersionLoader {
 public:
  struct Options {
    // Images in the largest batch that is prepared.
    std::size_t max_batch = 4;
    // All loaded networks together; 0: no limit.
    std::int64_t max_model_bytes = 0;
    // Idle versions of a model that FreeIdle() leaves.
    std::size_t keep_loaded = 2;
  };

  // A network that is ready and that nobody sees. Destroyed: freed.
  struct Loaded {
    // The estimate, and what it took beyond.
    std::unique_ptr<MemoryLedger::Loading> booked;
    std::unique_ptr<MemoryLedger::Loading> extra;
    std::unique_ptr<Model> model;
    MemoryUse memory;
    // What it answers for the golden pictures; of imports alone.
    Golden golden;
  };

  // All references outlive the loader.
  VersionLoader(const Options& options, Store& store, ModelLoader& loader,
                ResidentTable& residents, ModelMetricsSink& sink,
                const Clock& clock);

  // The version, READY: as it is, or loaded now; a failed one is tried again.
  // `requested`: see ResidentTable::Use(). On an error it is FAILED with that
  // error: RESOURCE_EXHAUSTED (MEMORY_ADMISSION; LIMIT_EXCEEDED), DATA_LOSS
  // (STORE_CORRUPT, WEIGHTS_CORRUPT, GOLDEN_MISMATCH), the errors of
  // ModelLoader::Load() and Model::Logits().
  absl::StatusOr<ModelHandle> MakeReady(const VersionRow& row, bool requested);

  // Loads and runs a network that is not committed yet, without comparing its
  // golden logits. The same errors.
  absl::StatusOr<Loaded> Try(const ModelPackage& package);
  // Makes it READY as the version that `facts` name, committed by now.
  ModelHandle Adopt(Loaded loaded, VersionFacts facts, SteadyTime started);

  // Runs every batch size of a loaded version again and compares its golden
  // logits; answers how many batches ran. DATA_LOSS (GOLDEN_MISMATCH), and the
  // errors of the store and of Model::Logits().
  absl::StatusOr<int> RunAgain(const VersionRow& row,
                               const ServedVersion& version);

  // Takes it out of memory once its last batch is done.
  void Unload(const ModelName& model, VersionNumber version);
  // Takes the idle versions of `model` but the last few out of memory.
  void FreeIdle(const ModelName& model);

 private:
  using Room = std::unique_ptr<MemoryLedger::Loading>;

  absl::StatusOr<Room> Admit(const ModelName& model, std::int64_t bytes);
  absl::StatusOr<Room> MakeRoom(const VersionFacts& facts);
  absl::StatusOr<ModelPackage> ReadPackage(const VersionFacts& version);
  // Books what the network took beyond its estimate.
  absl::Status BookRest(const ModelPackage& package, Loaded& loaded);
  absl::StatusOr<ModelHandle> LoadStored(const VersionRow& row);
  // Loaded, and what it has in the ledger.
  struct Guarded {
    ModelHandle version;
    std::shared_ptr<HeldMemory> held;
  };
  Guarded Guard(Loaded loaded, VersionFacts facts, Duration load_time);
  void MakeVisible(const Guarded& guarded);
  void Freed(const std::vector<ModelHandle>& versions);
  void CountFailure(const VersionRow& row, const absl::Status& why);

  const Options options_;
  Store& store_;
  ModelLoader& loader_;
  ResidentTable& residents_;
  ModelMetricsSink& sink_;
  const Clock& clock_;
  // Rooms that loaded versions try precisions in may outlive the loader.
  const std::shared_ptr<MemoryLedger> ledger_;
  PrecisionBooks books_;
  // Last: its thread tells the ledger and the sink what was freed.
  RetireQueue retired_;
};

}  // namespace resnetd
