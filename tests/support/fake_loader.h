#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/mutex.h"
#include "server/image/pixels.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {

// A ModelLoader without an engine. Its networks answer, for every picture whose
// first pixel is (r, g, b), logits[c] = fc.bias[c] + r / 256 + offset, so that
// networks of other weights answer otherwise. Thread-safe; outlives its
// networks.
class FakeLoader final : public ModelLoader {
 public:
  // Runs in each Load(); an error it returns is the call's answer.
  using Hook = std::function<absl::Status(const ModelPackage& package)>;
  void SetHook(Hook hook) {
    const MutexLock lock(mutex_);
    hook_ = std::move(hook);
  }
  // Added to every logit from now on.
  void SetOffset(float offset) { offset_.store(offset); }
  // What networks that are loaded from now on say they hold.
  void SetResidentBytes(std::int64_t bytes) { resident_bytes_.store(bytes); }

  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override {
    Hook hook;
    {
      const MutexLock lock(mutex_);
      hook = hook_;
    }
    loads_.fetch_add(1);
    if (hook) {
      if (absl::Status status = hook(package); !status.ok()) {
        return status;
      }
    }
    live_.fetch_add(1);
    return std::make_unique<Network>(*this,
                                     package.weights.at("fc.bias").values,
                                     max_batch, resident_bytes_.load());
  }
  std::string description() const override { return "fake"; }

  int loads() const { return loads_.load(); }
  // Networks that are not destroyed yet.
  int live() const { return live_.load(); }
  // How often networks were told to choose a precision again.
  int choices_again() const { return choices_again_.load(); }
  // Of the network that was allowed last to choose a precision, as long as it
  // lives.
  PrecisionHost* host() const { return host_.load(); }
  // Threads that destroyed networks, one entry each.
  std::vector<std::thread::id> freed_on() const {
    const MutexLock lock(mutex_);
    return freed_on_;
  }

 private:
  class Network final : public Model {
   public:
    Network(FakeLoader& loader, std::vector<float> bias, std::size_t max_batch,
            std::int64_t resident_bytes)
        : loader_(loader),
          bias_(std::move(bias)),
          max_batch_(max_batch),
          resident_bytes_(resident_bytes) {}
    ~Network() override { loader_.Freed(); }

    absl::StatusOr<std::vector<float>> Logits(
        absl::Span<const Pixels* const> batch) const override {
      if (batch.empty() || batch.size() > max_batch_) {
        return absl::InternalError("fake: a batch it was not prepared for");
      }
      std::vector<float> logits;
      for (const Pixels* pixels : batch) {
        const float shift = static_cast<float>(pixels->rgb[0]) / 256.0F +
                            loader_.offset_.load();
        for (const float bias : bias_) {
          logits.push_back(bias + shift);
        }
      }
      return logits;
    }
    std::string precision() const override { return "fp32"; }
    void MayChoosePrecision(const VersionFacts& /*facts*/,
                            std::unique_ptr<PrecisionHost> host) override {
      host_ = std::move(host);
      loader_.host_ = host_.get();
    }
    void ChoosePrecisionAgain() override { ++loader_.choices_again_; }
    std::string backend() const override { return "fake"; }
    std::int64_t resident_bytes() const override { return resident_bytes_; }

   private:
    FakeLoader& loader_;
    const std::vector<float> bias_;
    const std::size_t max_batch_;
    const std::int64_t resident_bytes_;
    std::unique_ptr<PrecisionHost> host_;
  };

  void Freed() {
    const MutexLock lock(mutex_);
    freed_on_.push_back(std::this_thread::get_id());
    live_.fetch_sub(1);
  }

  // One writer, the test.
  std::atomic<float> offset_{0};
  std::atomic<std::int64_t> resident_bytes_{1000};
  // Counters only.
  std::atomic<int> loads_{0};
  std::atomic<int> live_{0};
  std::atomic<int> choices_again_{0};
  std::atomic<PrecisionHost*> host_{nullptr};
  mutable Mutex mutex_;
  Hook hook_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread::id> freed_on_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
