// What it costs to read a model: ./dev bench models. The file is written to the
// temporary folder first, so that its pages are in memory, as they are after a
// download.

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "server/base/sha256.h"
#include "server/models/architecture.h"
#include "server/models/model_package.h"
#include "server/models/pth.h"
#include "server/models/read_file.h"
#include "server/models/recognise.h"
#include "server/models/safetensors.h"
#include "server/models/weight_fill.h"
#include "server/models/weights.h"
#include "tests/support/pth_writer.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

constexpr char kArchitecture[] = "resnet152";
constexpr char kFile[] = "model.safetensors";

// A folder with the weights of a ResNet-152, 241 MB; made once.
const TempDir& Folder() {
  static const TempDir dir;
  static const std::string written = [] {
    const Network network =
        BuildNetwork(FindArchitecture(kArchitecture, 1000).value());
    dir.MakeFolder(kArchitecture);
    return dir.Write(std::string(kArchitecture) + "/" + kFile,
                     PackTensors(TensorsOf(network, FillWeights(network))));
  }();
  return dir;
}

std::vector<std::uint8_t> Bytes() {
  return ReadFileIfThere(Folder().File(kArchitecture), kFile,
                         std::uint64_t{1} << 30U)
      .value()
      .value();
}

void SetBytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(bytes));
}

void BenchReadFile(benchmark::State& state) {
  std::size_t bytes = 0;
  Folder();
  for (auto _ : state) {
    bytes = Bytes().size();
  }
  SetBytes(state, bytes);
}
BENCHMARK(BenchReadFile)->Unit(benchmark::kMillisecond);

void BenchDigest(benchmark::State& state) {
  const std::vector<std::uint8_t> bytes = Bytes();
  for (auto _ : state) {
    benchmark::DoNotOptimize(Sha256Hex(bytes));
  }
  SetBytes(state, bytes.size());
}
BENCHMARK(BenchDigest)->Unit(benchmark::kMillisecond);

void BenchParsePth(benchmark::State& state) {
  const Network network =
      BuildNetwork(FindArchitecture(kArchitecture, 1000).value());
  const std::string packed =
      PackPthTensors(TensorsOf(network, FillWeights(network)));
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<std::uint8_t> bytes = ToBytes(packed);
    state.ResumeTiming();
    benchmark::DoNotOptimize(PthFile::Parse(std::move(bytes)).ok());
  }
  SetBytes(state, packed.size());
}
BENCHMARK(BenchParsePth)->Unit(benchmark::kMillisecond);

// The deepest network of ours has the most names.
void BenchRecognise(benchmark::State& state) {
  const std::vector<TensorSpec> specs = TensorSpecs(
      BuildNetwork(FindArchitecture("cifar_resnet1202", 10).value()));
  std::vector<TensorView> views;
  for (const TensorSpec& spec : specs) {
    views.push_back({.name = spec.name, .shape = spec.shape, .bytes = {}});
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(RecogniseArchitecture(views, "").ok());
  }
}
BENCHMARK(BenchRecognise)->Unit(benchmark::kMillisecond);

void BenchBind(benchmark::State& state) {
  const Network network =
      BuildNetwork(FindArchitecture(kArchitecture, 1000).value());
  const SafetensorsFile file = SafetensorsFile::Parse(Bytes()).value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(Weights::Bind(file.tensors(), network));
  }
  SetBytes(state, file.size_bytes());
}
BENCHMARK(BenchBind)->Unit(benchmark::kMillisecond);

void BenchReadModelFolder(benchmark::State& state) {
  const std::string folder = Folder().File(kArchitecture);
  std::int64_t bytes = 0;
  for (auto _ : state) {
    bytes = ReadModelFolder(folder).value().facts.weights_bytes;
  }
  SetBytes(state, static_cast<std::size_t>(bytes));
}
BENCHMARK(BenchReadModelFolder)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace resnetd

BENCHMARK_MAIN();
