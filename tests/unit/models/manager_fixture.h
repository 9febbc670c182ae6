#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/base/sha256.h"
#include "server/models/architecture.h"
#include "server/models/model_events.h"
#include "server/models/model_manager.h"
#include "server/models/model_registry.h"
#include "server/models/weight_fill.h"
#include "server/models/weights.h"
#include "server/store/store.h"
#include "tests/support/fake_loader.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace resnetd {

// The value, or the end of the test program with the error: for steps that a
// test only stands on.
template <typename Value>
Value Must(absl::StatusOr<Value> value) {
  if (!value.ok()) {
    std::cerr << value.status() << std::endl;
    std::abort();
  }
  return *std::move(value);
}

inline ModelName Named(absl::string_view name) {
  return Must(ModelName::Parse(name));
}

// The reason of an error; empty for OK.
inline std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

// The tensors of a cifar_resnet8 whose class `variant` modulo 10 has the
// largest bias, 100 + variant.
inline std::vector<WrittenTensor> TinyTensors(int variant) {
  const Network network = BuildNetwork(TinyArchitecture());
  const Weights filled = FillWeights(network);
  absl::flat_hash_map<std::string, Tensor> tensors;
  for (const TensorSpec& spec : TensorSpecs(network)) {
    if (!spec.optional_counter) {
      tensors.emplace(spec.name, filled.at(spec.name));
    }
  }
  tensors.at("fc.bias").values[static_cast<std::size_t>(variant % 10)] =
      100.0F + static_cast<float>(variant);
  return TensorsOf(network, Weights::FromTensors(std::move(tensors)));
}

// They as a .safetensors file.
inline std::string TinyWeightsFile(int variant) {
  return PackTensors(TinyTensors(variant));
}

inline absl::Span<const std::uint8_t> BytesOf(absl::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline ImportHeader HeaderOf(absl::string_view model, absl::string_view file) {
  ImportHeader header{.model = Named(model)};
  header.sha256 = Sha256Hex(BytesOf(file));
  header.size_bytes = static_cast<std::int64_t>(file.size());
  header.preprocess = PreprocessSpec{.resize = 32, .crop = 32};
  return header;
}

// Counts what it is told. Thread-safe.
class CountingSink final : public ModelMetricsSink {
 public:
  struct Counts {
    int loaded = 0;
    int unloaded = 0;
    int load_failed = 0;
    int pointed = 0;
    int restored = 0;
    int restored_without = 0;
    int alias_deleted = 0;
    int integrity = 0;
    std::int64_t last_generation = 0;
    MemoryUse memory;
  };
  Counts counts() const {
    const MutexLock lock(mutex_);
    return counts_;
  }

  void VersionLoaded(const ServedVersion& /*version*/) override {
    const MutexLock lock(mutex_);
    ++counts_.loaded;
  }
  void VersionUnloaded(const ModelName& /*model*/,
                       VersionNumber /*version*/) override {
    const MutexLock lock(mutex_);
    ++counts_.unloaded;
  }
  void LoadFailed(const ModelName& /*model*/,
                  const absl::Status& /*why*/) override {
    const MutexLock lock(mutex_);
    ++counts_.load_failed;
  }
  void AliasPointed(const AliasMoved& moved) override {
    const MutexLock lock(mutex_);
    ++(moved.restored ? counts_.restored : counts_.pointed);
    counts_.restored_without +=
        moved.restored && moved.version == nullptr ? 1 : 0;
    counts_.last_generation = moved.alias.generation;
  }
  void AliasDeleted(const ModelName& /*model*/,
                    absl::string_view /*alias*/) override {
    const MutexLock lock(mutex_);
    ++counts_.alias_deleted;
  }
  void IntegrityFailed(const ModelName& /*model*/,
                       VersionNumber /*version*/) override {
    const MutexLock lock(mutex_);
    ++counts_.integrity;
  }
  void MemoryChanged(const MemoryUse& use) override {
    const MutexLock lock(mutex_);
    counts_.memory = use;
  }

 private:
  mutable Mutex mutex_;
  Counts counts_ ABSL_GUARDED_BY(mutex_);
};

// A manager with a store of its own, which outlives Restart().
class ManagerFixture {
 public:
  explicit ManagerFixture(ModelManagerOptions options = {})
      : options_(options) {
    Open();
  }

  // As after the end of the process: the store is opened again.
  void Restart() {
    Close();
    Open();
  }
  void Close() {
    manager_.reset();
    registry_.reset();
    store_.reset();
  }
  void Open() {
    store_ = Must(Store::Open({.folder = folder_.File("data")}, RealClock()));
    registry_ = std::make_unique<ModelRegistry>();
    manager_ = ModelManager::Create(options_, *store_, loader_, *registry_,
                                    RealClock(), &sink_);
    if (const absl::Status started = manager_->Start(); !started.ok()) {
      std::cerr << started << std::endl;
      std::abort();
    }
  }

  absl::StatusOr<Imported> TryImport(const ImportHeader& header,
                                     absl::string_view file,
                                     const Mutation& mutation = {}) {
    auto session = manager_->Import(header, mutation);
    if (!session.ok()) {
      return session.status();
    }
    // In pieces, as they come over the wire.
    constexpr std::size_t kPiece = 65'536;
    for (std::size_t at = 0; at < file.size(); at += kPiece) {
      const absl::Status written =
          (*session)->Write(BytesOf(file.substr(at, kPiece)));
      if (!written.ok()) {
        return written;
      }
    }
    return (*session)->Finish();
  }
  // The version of TinyWeightsFile(variant).
  Imported Import(absl::string_view model, int variant) {
    const std::string file = TinyWeightsFile(variant);
    return Must(TryImport(HeaderOf(model, file), file));
  }
  absl::StatusOr<AliasRow> Point(absl::string_view model,
                                 absl::string_view alias,
                                 std::int64_t version) {
    return manager_->SetAlias(
        {.model = Named(model), .alias = std::string(alias), .to = {version}},
        false, {});
  }
  // Begins an upload, sends `file` and gives up.
  void GiveUp(absl::string_view model, absl::string_view file) {
    const auto session = Must(manager_->Import(HeaderOf(model, file), {}));
    if (!session->Write(BytesOf(file)).ok()) {
      std::abort();
    }
  }
  // Files of uploads that did not end.
  int StagedFiles() const {
    int files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(
             folder_.File("data/staging"))) {
      files += entry.is_regular_file() ? 1 : 0;
    }
    return files;
  }
  // Changes one byte of a blob on the disk.
  void Damage(const Digest& blob, std::int64_t at) const {
    const std::string path = folder_.File(
        absl::StrCat("data/blobs/sha256/", blob.substr(0, 2), "/", blob));
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(at);
    file.put(byte);
    file.close();
    if (!file) {
      std::abort();
    }
  }
  // The number of the version that answers `reference`.
  std::int64_t Answering(absl::string_view reference) {
    return Must(registry_->Acquire(Must(ParseModelReference(reference))))
        ->facts.version.value;
  }
  std::string WhyNot(absl::string_view reference) {
    return ReasonOf(
        registry_->Acquire(Must(ParseModelReference(reference))).status());
  }

  ModelManager& manager() { return *manager_; }
  ModelRegistry& registry() { return *registry_; }
  Store& store() { return *store_; }
  FakeLoader& loader() { return loader_; }
  const CountingSink& sink() const { return sink_; }
  const TempDir& folder() const { return folder_; }

 private:
  const ModelManagerOptions options_;
  TempDir folder_;
  CountingSink sink_;
  FakeLoader loader_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<ModelManager> manager_;
};

}  // namespace resnetd
