#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/image/pixels.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {

// Facts of a version called `name`, for pictures of 8 x 8 cut from 8, with
// `classes` labels "label-0", "label-1", ... `name` must be valid.
inline VersionFacts FakeFacts(absl::string_view name = "fake", int classes = 10,
                              std::int64_t version = 1) {
  VersionFacts facts{.name = ModelName::Parse(name).value(),
                     .version = VersionNumber{version},
                     .architecture = {},
                     .preprocess = {},
                     .labels = {},
                     .weights_sha256 = std::string(64, 'a'),
                     .weights_bytes = 1000,
                     .parameters = 250,
                     .description = "",
                     .evaluations = {}};
  facts.architecture.name = "cifar_resnet8";
  facts.architecture.stem = StemKind::kCifar;
  facts.architecture.stage_blocks = {1, 1, 1};
  facts.architecture.base_planes = 16;
  facts.architecture.num_classes = classes;
  facts.preprocess.resize = 8;
  facts.preprocess.crop = 8;
  for (int i = 0; i < classes; ++i) {
    facts.labels.push_back(absl::StrCat("label-", i));
  }
  return facts;
}

// A picture of one colour, as large as FakeFacts() wants it; its class with a
// FakeModel is `red` modulo the number of classes.
inline Pixels FakePixels(std::uint8_t red, int side = 8) {
  Pixels pixels{.width = side, .height = side, .rgb = {}};
  const auto count =
      static_cast<std::size_t>(side) * static_cast<std::size_t>(side);
  for (std::size_t i = 0; i < count; ++i) {
    pixels.rgb.insert(pixels.rgb.end(), {red, 0, 0});
  }
  return pixels;
}

// A Model without a network. The logits of a picture depend on the red value r
// of its first pixel alone: with n classes
//   logits[c] = r / 256 + (c == r mod n ? 10 : 0),
// so that tests can tell pictures apart.
//
// Thread-safe; SetHook() before the first call of Logits().
class FakeModel final : public Model {
 public:
  // Runs in each call of Logits() with the batch's size, before the answer; an
  // error it returns is the call's answer. Called from several threads at once.
  using Hook = std::function<absl::Status(std::size_t images)>;

  explicit FakeModel(VersionFacts facts, Hook hook = nullptr)
      : facts_(std::move(facts)), hook_(std::move(hook)) {}

  void SetHook(Hook hook) { hook_ = std::move(hook); }

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override {
    absl::StatusOr<ModelOutput> output = Compute(InputsOf(batch), false);
    if (!output.ok()) {
      return output.status();
    }
    return std::move(output->logits);
  }

  // A tensor counts as a picture whose red is its first value. The features of
  // a picture are its red, 1 and 2.
  absl::StatusOr<ModelOutput> Compute(absl::Span<const ModelInput> batch,
                                      bool want_features) const override {
    calls_.fetch_add(1);
    images_.fetch_add(batch.size());
    if (hook_) {
      if (absl::Status status = hook_(batch.size()); !status.ok()) {
        return status;
      }
    }
    ModelOutput output;
    for (const ModelInput& input : batch) {
      const std::optional<std::uint8_t> red = RedOf(input);
      if (!red) {
        return absl::InvalidArgumentError("fake: wrong picture size");
      }
      const std::vector<float> row =
          LogitsOf(*red, facts_.architecture.num_classes);
      output.logits.insert(output.logits.end(), row.begin(), row.end());
      if (want_features) {
        output.features.insert(output.features.end(),
                               {static_cast<float>(*red), 1, 2});
      }
    }
    return output;
  }

  // What Logits() answers for one picture whose first pixel is `red`.
  static std::vector<float> LogitsOf(std::uint8_t red, int classes) {
    std::vector<float> row(static_cast<std::size_t>(classes),
                           static_cast<float>(red) / 256.0F);
    row[red % row.size()] += 10.0F;
    return row;
  }

  std::string precision() const override { return "fp32"; }
  std::string backend() const override { return "fake"; }
  std::int64_t resident_bytes() const override { return 1000; }

  const VersionFacts& facts() const { return facts_; }
  // Calls of Logits() and pictures in them, failed ones included.
  std::size_t calls() const { return calls_.load(); }
  std::size_t images() const { return images_.load(); }

 private:
  std::optional<std::uint8_t> RedOf(const ModelInput& input) const {
    const int crop = facts_.preprocess.crop;
    if (input.normalised != nullptr) {
      if (input.normalised->size() !=
          static_cast<std::size_t>(3 * crop * crop)) {
        return std::nullopt;
      }
      return static_cast<std::uint8_t>(input.normalised->front());
    }
    if (input.pixels->width != crop || input.pixels->height != crop ||
        input.pixels->rgb.empty()) {
      return std::nullopt;
    }
    return input.pixels->rgb[0];
  }

  VersionFacts facts_;
  Hook hook_;
  // Counters only; several batches may run at once.
  mutable std::atomic<std::size_t> calls_{0};
  mutable std::atomic<std::size_t> images_{0};
};

// A version served by a FakeModel, ready for ModelRegistry::Serve.
inline ModelHandle FakeVersion(VersionFacts facts,
                               FakeModel::Hook hook = nullptr) {
  auto version = std::make_shared<ServedVersion>(ServedVersion{
      .facts = facts,
      .model = std::make_unique<FakeModel>(facts, std::move(hook)),
      .load_time = {}});
  return version;
}

}  // namespace resnetd
