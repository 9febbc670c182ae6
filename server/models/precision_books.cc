#include "server/models/precision_books.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/models/architecture.h"
#include "server/models/memory_estimate.h"

namespace resnetd {

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
  Core(std::shared_ptr<MemoryLedger> ledger, ModelMetricsSink& sink)
      : ledger_(std::move(ledger)), sink_(sink) {}

  // `self`: this one, which the room keeps alive.
  absl::StatusOr<std::unique_ptr<PrecisionRoom>> Book(
      const std::shared_ptr<Core>& self, std::int64_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Chosen(const ServedVersion& version, HeldMemory& held)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Released() ABSL_LOCKS_EXCLUDED(mutex_);
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::shared_ptr<MemoryLedger> ledger_;
  ModelMetricsSink& sink_;
  // Held while the sink is used: it may end with the books.
  Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
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
  void Chosen() override { core_->Chosen(version_, *held_); }

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
    return Error(absl::StatusCode::kUnavailable, Reason::kDraining,
                 "the server is stopping");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<MemoryLedger::Loading> booked,
                   ledger_->Admit(bytes));
  sink_.MemoryChanged(ledger_->use());
  return std::make_unique<Room>(self, ledger_, std::move(booked));
}

void PrecisionBooks::Core::Chosen(const ServedVersion& version,
                                  HeldMemory& held) {
  const MemoryUse now = DivideMemory(BuildNetwork(version.facts.architecture),
                                     version.model->resident_bytes());
  const MutexLock lock(mutex_);
  if (closed_) {
    return;
  }
  const MemoryUse before = held.Exchange(now);
  // What it holds less, or, negative, more.
  ledger_->Release({.weights = before.weights - now.weights,
                    .activations = before.activations - now.activations});
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
}

PrecisionBooks::PrecisionBooks(std::shared_ptr<MemoryLedger> ledger,
                               ModelMetricsSink& sink)
    : core_(std::make_shared<Core>(std::move(ledger), sink)) {}

PrecisionBooks::~PrecisionBooks() { core_->Close(); }

std::unique_ptr<PrecisionHost> PrecisionBooks::HostOf(
    const ServedVersion& version, std::shared_ptr<HeldMemory> held) {
  return std::make_unique<Host>(core_, version, std::move(held));
}

}  // namespace resnetd
