#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/models/device_loads.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {

// What batches of a size take on a device, once one took `taken` seconds while
// `known` was what they took so far. A quick one shows what the device can do;
// one slow one, which something else may have held up, does not condemn it: it
// counts a fifth, and doubles the time at most. Pure.
double LearntSeconds(double known, double taken);

// A version with a copy of its network on each of several devices. A batch runs
// on the one that is through with it first, by what is in flight there and by
// what batches of its size took; every kTrialEvery-th is a trial of the next
// device in turn, as if that were as fast as the fastest, so that one that was
// slow for a while comes back. A batch for which a device has no memory gets
// one more chance, on another. Thread-safe.
class DeviceSetModel final : public Model {
 public:
  static constexpr std::size_t kTrialEvery = 64;

  // The network on one device.
  struct Copy {
    std::unique_ptr<Model> model;
    // Of batches of 1, 2, ... max_batch pictures.
    std::vector<double> seconds;
  };

  // At least one copy, all of one version; as many as `loads` has devices, in
  // the same order.
  DeviceSetModel(std::vector<Copy> copies, std::shared_ptr<DeviceLoads> loads,
                 const Clock& clock);

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override;
  absl::StatusOr<ModelOutput> Compute(absl::Span<const ModelInput> batch,
                                      bool want_features) const override;
  // Of every copy.
  absl::Status CheckGolden(const Golden& golden, int side,
                           std::size_t max_batch) const override;
  std::string precision() const override;
  std::string backend() const override;
  // Of all copies together.
  std::int64_t resident_bytes() const override;

 private:
  using Work = absl::FunctionRef<absl::Status(const Model& copy)>;

  // What batches of `pictures` take on each device.
  std::vector<double> SecondsOf(std::size_t pictures) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Runs `work` on one copy, and once more on another where there was no
  // memory.
  absl::Status Run(std::size_t pictures, Work work) const;
  // Runs it where it ends first by `own`, and learns from what it took.
  absl::Status RunOnce(std::size_t pictures, absl::Span<const double> own,
                       Work work, std::size_t& device) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  std::vector<std::unique_ptr<Model>> copies_;
  const std::shared_ptr<DeviceLoads> loads_;
  const Clock& clock_;
  mutable Mutex mutex_;
  // By device, by pictures - 1.
  mutable std::vector<std::vector<double>> seconds_ ABSL_GUARDED_BY(mutex_);
  mutable std::size_t batches_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Loads each version onto several devices at once, with Load() of each: a run
// of every batch size makes it ready and shows what it takes there.
// Thread-safe.
class DeviceSetLoader final : public ModelLoader {
 public:
  // `devices`: a loader for each, at least one. `clock` outlives the models.
  DeviceSetLoader(std::vector<std::unique_ptr<ModelLoader>> devices,
                  const Clock& clock);

  // Beside those of the devices' loaders: DATA_LOSS (GOLDEN_MISMATCH): a device
  // answers the golden pictures otherwise than the first one.
  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override;
  absl::StatusOr<std::unique_ptr<Model>> LoadStored(
      const ModelPackage& package, const Golden& golden, std::size_t max_batch,
      const std::function<void()>& loaded) override;
  // "2 devices: A; B".
  std::string description() const override;
  int copies() const override { return static_cast<int>(devices_.size()); }

 private:
  using LoadOne = std::function<absl::StatusOr<std::unique_ptr<Model>>(
      ModelLoader& device)>;
  // The first error, in the order of the devices, if there is one.
  absl::StatusOr<std::vector<DeviceSetModel::Copy>> LoadAll(
      const ModelPackage& package, std::size_t max_batch, const LoadOne& load);

  const std::vector<std::unique_ptr<ModelLoader>> devices_;
  const Clock& clock_;
  const std::shared_ptr<DeviceLoads> loads_;
};

}  // namespace resnetd
