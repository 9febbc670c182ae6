#pragma once

#include <memory>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/store/store.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_vfs.h"

namespace resnetd {

// What is not synced, to prove that this would be noticed.
struct Carelessness {
  bool database = false;
  bool files = false;
};

// A store on a simulated disk. Not thread-safe.
class SimulatedStore {
 public:
  // `clock` outlives it.
  SimulatedStore(std::unique_ptr<SimulatedDisk> disk, const Clock& clock,
                 Carelessness careless = {});

  // Opens it, again if it is open.
  absl::Status Open();
  void Close() { store_.reset(); }
  Store& store() { return *store_; }
  SimulatedDisk& disk() { return *disk_; }

 private:
  std::unique_ptr<SimulatedDisk> disk_;
  SimulatedVfs vfs_;
  const Clock& clock_;
  Carelessness careless_;
  std::unique_ptr<Store> store_;
};

}  // namespace resnetd
