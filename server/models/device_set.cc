#include "server/models/device_set.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/base/thread.h"
#include "server/models/fallbacks.h"
#include "server/models/golden.h"
#include "server/models/warm_up.h"

namespace resnetd {
namespace {

// The weight of a batch that took longer than the others: some ten batches
// after a device has become slower it is known.
constexpr double kNewest = 0.2;
// No batch takes less; twice nothing would stay nothing.
constexpr double kLeastSeconds = 1e-5;

absl::StatusOr<DeviceSetModel::Copy> MakeCopy(
    absl::StatusOr<std::unique_ptr<Model>> loaded, int side,
    std::size_t max_batch, const Clock& clock) {
  DeviceSetModel::Copy copy;
  ASSIGN_OR_RETURN(copy.model, std::move(loaded));
  ASSIGN_OR_RETURN(copy.seconds,
                   TimeEveryBatchSize(*copy.model, side, max_batch, clock));
  return copy;
}

absl::Status OnDevice(const absl::Status& status, std::size_t device,
                      std::size_t devices) {
  return Annotate(status,
                  absl::StrCat("device ", device + 1, " of ", devices, ": "));
}

}  // namespace

double LearntSeconds(double known, double taken) {
  return std::min({taken, known + kNewest * (taken - known),
                   2 * std::max(known, kLeastSeconds)});
}

DeviceSetModel::DeviceSetModel(std::vector<Copy> copies,
                               std::shared_ptr<DeviceLoads> loads,
                               const Clock& clock)
    : loads_(std::move(loads)), clock_(clock) {
  for (Copy& copy : copies) {
    copies_.push_back(std::move(copy.model));
    seconds_.push_back(std::move(copy.seconds));
  }
}

std::vector<double> DeviceSetModel::SecondsOf(std::size_t pictures) const {
  std::vector<double> own;
  own.reserve(copies_.size());
  const MutexLock lock(mutex_);
  for (const std::vector<double>& of_device : seconds_) {
    // A batch of another size is an error, which any device will tell.
    own.push_back(
        of_device[std::clamp<std::size_t>(pictures, 1, of_device.size()) - 1]);
  }
  if (++batches_ % kTrialEvery == 0) {
    own[batches_ / kTrialEvery % own.size()] =
        *std::min_element(own.begin(), own.end());
  }
  return own;
}

absl::Status DeviceSetModel::RunOnce(std::size_t pictures,
                                     absl::Span<const double> own, Work work,
                                     std::size_t& device) const {
  const DeviceLoads::Booking booking = loads_->Enter(own);
  device = booking.device;
  const SteadyTime start = clock_.Now();
  absl::Status done = work(*copies_[device]);
  const double taken = ToSeconds(clock_.Now() - start);
  loads_->Leave(booking);
  const MutexLock lock(mutex_);
  std::vector<double>& of_device = seconds_[device];
  // Beside other work it is their time, too.
  if (done.ok() && booking.is_alone && pictures <= of_device.size()) {
    double& known = of_device[pictures - 1];
    known = LearntSeconds(known, taken);
  }
  return done;
}

absl::Status DeviceSetModel::Run(std::size_t pictures, Work work) const {
  std::vector<double> own = SecondsOf(pictures);
  std::size_t device = 0;
  absl::Status done = RunOnce(pictures, own, work, device);
  if (!absl::IsResourceExhausted(done) || copies_.size() == 1) {
    return done;
  }
  CountFallback(Fallback::kOtherDevice);
  Log(LogLevel::kWarning,
      "the memory of a device is too small for a batch, another one runs it",
      {{"device", absl::StrCat(device + 1)},
       {"pictures", absl::StrCat(pictures)}});
  own[device] = std::numeric_limits<double>::infinity();
  return RunOnce(pictures, own, work, device);
}

absl::StatusOr<std::vector<float>> DeviceSetModel::Logits(
    absl::Span<const Pixels* const> batch) const {
  std::vector<float> logits;
  RETURN_IF_ERROR(Run(batch.size(), [&](const Model& copy) -> absl::Status {
    ASSIGN_OR_RETURN(logits, copy.Logits(batch));
    return absl::OkStatus();
  }));
  return logits;
}

absl::StatusOr<ModelOutput> DeviceSetModel::Compute(
    absl::Span<const ModelInput> batch, bool want_features) const {
  ModelOutput output;
  RETURN_IF_ERROR(Run(batch.size(), [&](const Model& copy) -> absl::Status {
    ASSIGN_OR_RETURN(output, copy.Compute(batch, want_features));
    return absl::OkStatus();
  }));
  return output;
}

absl::Status DeviceSetModel::CheckGolden(const Golden& golden, int side,
                                         std::size_t max_batch) const {
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    if (absl::Status same = copies_[i]->CheckGolden(golden, side, max_batch);
        !same.ok()) {
      return OnDevice(same, i, copies_.size());
    }
  }
  return absl::OkStatus();
}

std::string DeviceSetModel::precision() const {
  return copies_.front()->precision();
}

std::string DeviceSetModel::backend() const {
  return copies_.front()->backend();
}

std::int64_t DeviceSetModel::resident_bytes() const {
  std::int64_t bytes = 0;
  for (const std::unique_ptr<Model>& copy : copies_) {
    bytes += copy->resident_bytes();
  }
  return bytes;
}

DeviceSetLoader::DeviceSetLoader(
    std::vector<std::unique_ptr<ModelLoader>> devices, const Clock& clock)
    : devices_(std::move(devices)),
      clock_(clock),
      loads_(std::make_shared<DeviceLoads>(devices_.size())) {}

absl::StatusOr<std::vector<DeviceSetModel::Copy>> DeviceSetLoader::LoadAll(
    const ModelPackage& package, std::size_t max_batch, const LoadOne& load) {
  std::vector<absl::StatusOr<DeviceSetModel::Copy>> made(devices_.size());
  {
    std::vector<Thread> threads;
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      threads.emplace_back(absl::StrCat("load-", i), [&, i] {
        made[i] = MakeCopy(load(*devices_[i]), package.facts.preprocess.crop,
                           max_batch, clock_);
      });
    }
  }
  std::vector<DeviceSetModel::Copy> copies;
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (!made[i].ok()) {
      return OnDevice(made[i].status(), i, made.size());
    }
    copies.push_back(*std::move(made[i]));
  }
  return copies;
}

absl::StatusOr<std::unique_ptr<Model>> DeviceSetLoader::Load(
    const ModelPackage& package, std::size_t max_batch) {
  ASSIGN_OR_RETURN(std::vector<DeviceSetModel::Copy> copies,
                   LoadAll(package, max_batch, [&](ModelLoader& device) {
                     return device.Load(package, max_batch);
                   }));
  const int side = package.facts.preprocess.crop;
  Golden golden;
  ASSIGN_OR_RETURN(golden.logits,
                   GoldenLogits(*copies.front().model, side, max_batch));
  golden.precision = copies.front().model->precision();
  auto model =
      std::make_unique<DeviceSetModel>(std::move(copies), loads_, clock_);
  RETURN_IF_ERROR(model->CheckGolden(golden, side, max_batch));
  return model;
}

absl::StatusOr<std::unique_ptr<Model>> DeviceSetLoader::LoadStored(
    const ModelPackage& package, const Golden& golden, std::size_t max_batch,
    const std::function<void()>& loaded) {
  std::once_flag first;
  ASSIGN_OR_RETURN(
      std::vector<DeviceSetModel::Copy> copies,
      LoadAll(
          package, max_batch,
          [&](ModelLoader& device) -> absl::StatusOr<std::unique_ptr<Model>> {
            ASSIGN_OR_RETURN(std::unique_ptr<Model> model,
                             device.Load(package, max_batch));
            std::call_once(first, loaded);
            return model;
          }));
  // The run of every size that was timed is the one that made it ready.
  auto model =
      std::make_unique<DeviceSetModel>(std::move(copies), loads_, clock_);
  RETURN_IF_ERROR(
      model->CheckGolden(golden, package.facts.preprocess.crop, max_batch));
  return model;
}

std::string DeviceSetLoader::description() const {
  return absl::StrCat(
      devices_.size(), devices_.size() == 1 ? " device: " : " devices: ",
      absl::StrJoin(
          devices_, "; ",
          [](std::string* out, const std::unique_ptr<ModelLoader>& device) {
            out->append(device->description());
          }));
}

}  // namespace resnetd
