// Our arm of gpu_bench.py: a network on a device, given its batches as the
// server gives them.
//
//   gpu_bench files ARCHITECTURE WEIGHTS PICTURES COUNT
//   gpu_bench run DEVICE fp32|bf16|fp16 ARCHITECTURE BATCH[,BATCH...]
//
// `files` writes what others need to compute the same: the deterministic
// weights of ARCHITECTURE as .safetensors, and COUNT pictures as 8-bit rows,
// one behind the other. It prints {"side": ...}, their height and width.
//
// `run` loads the network for batches of these sizes, which rise, prints one
// line of JSON (what the device is, what the load took, the logits of the first
// two pictures in a batch of each size), and then one for each line
// `time BATCH SECONDS IN_FLIGHT` of its input: how many batches so many callers
// at once were answered, and how long each took. DEVICE: as resnetd has it.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/thread.h"
#include "server/models/backend_plugin.h"
#include "server/models/model.h"
#include "server/models/weight_fill.h"
#include "server/nn/device_model_loader.h"
#include "server/nn/torch_device.h"
#include "tests/support/filled_package.h"
#include "tests/support/safetensors_writer.h"
#ifdef RESNETD_CUDA
#include "server/nn/cuda_stream.h"
#endif

namespace resnetd {
namespace {

// Pictures whose logits are shown: the golden logits have no more.
constexpr std::size_t kShown = 2;

[[noreturn]] void Die(const std::string& text) {
  std::cerr << "gpu_bench: " << text << '\n';
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing is left to save.
  std::exit(1);
}

template <typename Value>
Value OrDie(absl::StatusOr<Value> value) {
  if (!value.ok()) {
    Die(std::string(value.status().message()));
  }
  return *std::move(value);
}

void Say(const nlohmann::json& line) { std::cout << line.dump() << std::endl; }

// Free memory of the GPU; nothing of the host in its place, where others
// allocate as well.
std::optional<std::int64_t> FreeBytes(const std::string& device) {
#ifdef RESNETD_CUDA
  const auto found = FindDevice(device);
  if (found.ok() && found->is_cuda()) {
    return MakeCudaStream(*found, StreamPriority::kLoading)
        ->memory()
        .free_bytes;
  }
#endif
  static_cast<void>(device);
  return std::nullopt;
}

std::vector<Pixels> PicturesOf(const ModelPackage& package, std::size_t count) {
  const int side = package.facts.preprocess.crop;
  std::vector<Pixels> pictures;
  for (std::size_t i = 0; i < count; ++i) {
    pictures.push_back(FillPicture(side, side, static_cast<int>(i)));
  }
  return pictures;
}

void WriteFiles(const std::string& architecture, const std::string& weights,
                const std::string& pictures, std::size_t count) {
  const ModelPackage package = FilledPackage(architecture);
  const std::string packed =
      PackTensors(TensorsOf(package.network, package.weights));
  std::ofstream of_weights(weights, std::ios::binary);
  of_weights.write(packed.data(), static_cast<std::streamsize>(packed.size()));
  std::ofstream of_pictures(pictures, std::ios::binary);
  for (const Pixels& picture : PicturesOf(package, count)) {
    of_pictures.write(reinterpret_cast<const char*>(picture.rgb.data()),
                      static_cast<std::streamsize>(picture.rgb.size()));
  }
  if (!of_weights.flush() || !of_pictures.flush()) {
    Die(absl::StrCat("cannot write ", weights, " and ", pictures));
  }
  Say({{"side", package.facts.preprocess.crop}});
}

double Milliseconds(Duration duration) { return 1e3 * ToSeconds(duration); }

double QuantileOf(const std::vector<double>& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(last * share)];
}

struct Arguments {
  std::string device;
  std::string precision;
  std::string architecture;
  // Ascending; not empty.
  std::vector<std::size_t> batches;
};

class Arm {
 public:
  explicit Arm(const Arguments& arguments)
      : package_(FilledPackage(arguments.architecture)),
        pictures_(PicturesOf(package_, arguments.batches.back())) {
    const std::optional<std::int64_t> before = FreeBytes(arguments.device);
    const SteadyTime started = RealClock().Now();
    loader_ = OrDie(DeviceModelLoader::Create({.threads = 1,
                                               .device = arguments.device,
                                               .precision = arguments.precision,
                                               .batch_sizes = arguments.batches,
                                               .on_broken = {}}));
    model_ = OrDie(loader_->Load(package_, arguments.batches.back()));
    ready_ = {{"device", loader_->description()},
              {"load_seconds", ToSeconds(RealClock().Now() - started)},
              {"model_bytes", model_->resident_bytes()}};
    for (const std::size_t batch : arguments.batches) {
      ready_["logits"][absl::StrCat(batch)] = Logits(batch);
    }
    if (before) {
      ready_["device_bytes"] =
          *before - FreeBytes(arguments.device).value_or(0);
    }
  }

  const nlohmann::json& ready() const { return ready_; }
  std::size_t largest() const { return pictures_.size(); }

  // `callers` at once, each with one batch after the other, for `seconds`.
  nlohmann::json Time(std::size_t batch, double seconds, std::size_t callers) {
    std::vector<std::vector<double>> by_caller(callers);
    const std::vector<const Pixels*> shown = Batch(batch);
    const std::clock_t cpu = std::clock();
    const SteadyTime started = RealClock().Now();
    const SteadyTime ends =
        started + std::chrono::duration_cast<Duration>(
                      std::chrono::duration<double>(seconds));
    {
      std::vector<Thread> threads;
      for (std::vector<double>& mine : by_caller) {
        threads.emplace_back("caller", [&] { mine = CallUntil(ends, shown); });
      }
    }
    const double wall = ToSeconds(RealClock().Now() - started);
    std::vector<double> all;
    for (const std::vector<double>& mine : by_caller) {
      all.insert(all.end(), mine.begin(), mine.end());
    }
    std::sort(all.begin(), all.end());
    return {{"batches", all.size()},
            {"wall", wall},
            {"cpu", static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC},
            {"p50_ms", QuantileOf(all, 0.5)},
            {"p99_ms", QuantileOf(all, 0.99)}};
  }

 private:
  std::vector<const Pixels*> Batch(std::size_t count) const {
    std::vector<const Pixels*> batch;
    for (std::size_t i = 0; i < count; ++i) {
      batch.push_back(&pictures_[i]);
    }
    return batch;
  }

  // Of the first pictures, a row for each.
  nlohmann::json Logits(std::size_t batch) const {
    const std::vector<float> all = OrDie(model_->Logits(Batch(batch)));
    const std::size_t classes = all.size() / batch;
    nlohmann::json rows = nlohmann::json::array();
    for (std::size_t row = 0; row < std::min(batch, kShown); ++row) {
      const auto* const first = all.data() + row * classes;
      rows.push_back(std::vector<float>(first, first + classes));
    }
    return rows;
  }

  // Milliseconds of each batch; one at least.
  std::vector<double> CallUntil(SteadyTime ends,
                                const std::vector<const Pixels*>& shown) const {
    std::vector<double> took;
    SteadyTime now = RealClock().Now();
    do {
      const SteadyTime began = now;
      static_cast<void>(OrDie(model_->Logits(shown)));
      now = RealClock().Now();
      took.push_back(Milliseconds(now - began));
    } while (now < ends);
    return took;
  }

  const ModelPackage package_;
  const std::vector<Pixels> pictures_;
  std::unique_ptr<ModelLoader> loader_;
  std::unique_ptr<Model> model_;
  nlohmann::json ready_;
};

void RunArm(const Arguments& arguments) {
  Arm arm(arguments);
  Say(arm.ready());
  std::string word;
  std::size_t batch = 0;
  double seconds = 0;
  std::size_t callers = 0;
  while (std::cin >> word >> batch >> seconds >> callers) {
    if (batch < 1 || batch > arm.largest() || callers < 1) {
      Die(absl::StrCat("no batches of ", batch, " by ", callers, " callers"));
    }
    Say(arm.Time(batch, seconds, callers));
  }
}

std::vector<std::size_t> ParseBatches(const std::string& text) {
  std::vector<std::size_t> batches;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    std::size_t batch = 0;
    if (!absl::SimpleAtoi(word, &batch) || batch < 1 ||
        (!batches.empty() && batch <= batches.back())) {
      Die("batch sizes rise from 1, with commas between");
    }
    batches.push_back(batch);
  }
  return batches;
}

int Main(const std::vector<std::string>& words) {
  std::size_t count = 0;
  if (words.size() == 5 && words[0] == "files" &&
      absl::SimpleAtoi(words[4], &count)) {
    WriteFiles(words[1], words[2], words[3], count);
    return 0;
  }
  if (words.size() == 5 && words[0] == "run") {
    RunArm({.device = words[1],
            .precision = words[2],
            .architecture = words[3],
            .batches = ParseBatches(words[4])});
    return 0;
  }
  std::cerr << "usage: gpu_bench files ARCHITECTURE WEIGHTS PICTURES COUNT\n"
               "       gpu_bench run DEVICE fp32|bf16|fp16 ARCHITECTURE "
               "BATCH[,BATCH...]\n";
  return 2;
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  return resnetd::Main(std::vector<std::string>(argv + 1, argv + argc));
}
