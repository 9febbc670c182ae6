#include "server/models/precision_books.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/models/architecture.h"
#include "server/models/memory_estimate.h"

namespace resnetd {
namespace {

absl::Status Stopping() {
  return Error(absl::StatusCode::kUnavailable, Reason::kDraining,
               "the server is stopping");
}

}  // namespace

MemoryUse HeldMemory::use() const {
  const MutexLock lock(mutex_);
  return use_;
}

MemoryUse HeldMemory::Exchange(const MemoryUse& use) {
  const MutexLock lock(mutex_);
  return std::exchange(use_, use);
}

// What the hosts share; closed once the books are gone.
class PrecisionBooks::Core {
 public:
  Core(std::shared_ptr<MemoryLedger> ledger, ResidentTable& residents,
       ModelMetricsSink& sink, Reader reader)
      : ledger_(std::move(ledger)),
        residents_(residents),
        sink_(sink),
        reader_(std::move(reader)) {}

  // `self`: this one, which the room keeps alive.
  absl::StatusOr<std::unique_ptr<PrecisionRoom>> Book(
      const std::shared_ptr<Core>& self, std::int64_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<ModelPackage> Read(const VersionFacts& version)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Chosen(const ServedVersion& version, HeldMemory& held,
              const std::vector<PrecisionFigures>& refused)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Released() ABSL_LOCKS_EXCLUDED(mutex_);
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::shared_ptr<MemoryLedger> ledger_;
  ResidentTable& residents_;
  ModelMetricsSink& sink_;
  const Reader reader_;
  // Held while the references are used: they may end with the books.
  Mutex mutex_;
  CondVar read_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  // Versions that are being read, without the lock.
  int readers_ ABSL_GUARDED_BY(mutex_) = 0;
};

class PrecisionBooks::Room final : public PrecisionRoom {
 public:
  Room(std::shared_ptr<Core> core, std::shared_ptr<MemoryLedger> ledger,
       std::unique_ptr<MemoryLedger::Loading> booked)
      : core_(std::move(core)),
        ledger_(std::move(ledger)),
        booked_(std::move(booked)) {}
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room() override {
    booked_.reset();
    core_->Released();
  }

 private:
  const std::shared_ptr<Core> core_;
  const std::shared_ptr<MemoryLedger> ledger_;
  std::unique_ptr<MemoryLedger::Loading> booked_;
};

class PrecisionBooks::Host final : public PrecisionHost {
 public:
  Host(std::shared_ptr<Core> core, const ServedVersion& version,
       std::shared_ptr<HeldMemory> held)
      : core_(std::move(core)), version_(version), held_(std::move(held)) {}

  absl::StatusOr<std::unique_ptr<PrecisionRoom>> Book(
      std::int64_t bytes) override {
    return core_->Book(core_, bytes);
  }
  absl::StatusOr<ModelPackage> Read() override {
    return core_->Read(version_.facts);
  }
  void Chosen(const std::vector<PrecisionFigures>& refused) override {
    core_->Chosen(version_, *held_, refused);
  }

 private:
  const std::shared_ptr<Core> core_;
  // Owns the model, which owns this.
  const ServedVersion& version_;
  const std::shared_ptr<HeldMemory> held_;
};

absl::StatusOr<std::unique_ptr<PrecisionRoom>> PrecisionBooks::Core::Book(
    const std::shared_ptr<Core>& self, std::int64_t bytes) {
  const MutexLock lock(mutex_);
  if (closed_) {
    return Stopping();
  }
  ASSIGN_OR_RETURN(std::unique_ptr<MemoryLedger::Loading> booked,
                   ledger_->Admit(bytes));
  sink_.MemoryChanged(ledger_->use());
  return std::make_unique<Room>(self, ledger_, std::move(booked));
}

absl::StatusOr<ModelPackage> PrecisionBooks::Core::Read(
    const VersionFacts& version) {
  {
    const MutexLock lock(mutex_);
    if (closed_) {
      return Stopping();
    }
    ++readers_;
  }
  absl::StatusOr<ModelPackage> package = reader_(version);
  const MutexLock lock(mutex_);
  --readers_;
  read_.NotifyAll();
  return package;
}

void PrecisionBooks::Core::Chosen(
    const ServedVersion& version, HeldMemory& held,
    const std::vector<PrecisionFigures>& refused) {
  const MemoryUse now = DivideMemory(BuildNetwork(version.facts.architecture),
                                     version.model->resident_bytes());
  const MutexLock lock(mutex_);
  if (closed_) {
    return;
  }
  ledger_->Restate(held.Exchange(now), now);
  residents_.Restate(version, now.total());
  sink_.PrecisionChosen(version, refused);
  sink_.MemoryChanged(ledger_->use());
}

void PrecisionBooks::Core::Released() {
  const MutexLock lock(mutex_);
  if (!closed_) {
    sink_.MemoryChanged(ledger_->use());
  }
}

void PrecisionBooks::Core::Close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  while (readers_ > 0) {
    read_.Wait(mutex_);
  }
}

PrecisionBooks::PrecisionBooks(std::shared_ptr<MemoryLedger> ledger,
                               ResidentTable& residents, ModelMetricsSink& sink,
                               Reader reader)
    : core_(std::make_shared<Core>(std::move(ledger), residents, sink,
                                   std::move(reader))) {}

PrecisionBooks::~PrecisionBooks() { core_->Close(); }

std::unique_ptr<PrecisionHost> PrecisionBooks::HostOf(
    const ServedVersion& version, std::shared_ptr<HeldMemory> held) {
  return std::make_unique<Host>(core_, version, std::move(held));
}

}  // namespace resnetd
