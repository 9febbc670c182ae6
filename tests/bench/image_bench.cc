// Decoding and preprocessing, one picture at a time on one thread.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <utility>

#include "server/image/image_decoder.h"
#include "server/image/preprocess.h"
#include "server/image/resize_geometry.h"
#include "tests/unit/image/picture_factory.h"

namespace resnetd {
namespace {

using testing::Encoded;
using testing::MakePhoto;

void Preprocess(benchmark::State& state, const ResampleKernels& kernels) {
  const Pixels photo = MakePhoto(static_cast<int>(state.range(0)),
                                 static_cast<int>(state.range(1)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(ResizeAndCrop(photo, {}, kernels));
  }
}

void BenchPreprocess(benchmark::State& state) {
  Preprocess(state, BestKernels());
}

void BenchPreprocessScalar(benchmark::State& state) {
  Preprocess(state, ScalarKernels());
}

// Thumbnail, web picture, camera picture; and the two extremes.
void Sizes(benchmark::internal::Benchmark* bench) {
  for (const auto& [width, height] : {std::pair{100, 75},
                                      {500, 375},
                                      {1024, 768},
                                      {4000, 3000},
                                      {1, 16'384},
                                      {16'384, 1}}) {
    bench->Args({width, height});
  }
  bench->Unit(benchmark::kMicrosecond);
}

void Decode(benchmark::State& state, const Encoded& encoded) {
  for (auto _ : state) {
    absl::StatusOr<Pixels> pixels = DecodeImage(encoded, {});
    if (!pixels.ok()) {
      state.SkipWithError(pixels.status().ToString().c_str());
      break;
    }
    benchmark::DoNotOptimize(*pixels);
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(encoded.size()));
}

void BenchDecodeJpeg(benchmark::State& state) {
  Decode(state, testing::EncodeJpeg(MakePhoto(640, 427)));
}

void BenchDecodeProgressiveJpeg(benchmark::State& state) {
  Decode(state,
         testing::EncodeJpeg(MakePhoto(640, 427), {.progressive = true}));
}

void BenchDecodePng(benchmark::State& state) {
  Decode(state, testing::EncodePng(MakePhoto(640, 427)));
}

void BenchDecodeWebp(benchmark::State& state) {
  Decode(state, testing::EncodeWebp(MakePhoto(640, 427)));
}

// A picture whose header states a size over the limit.
void BenchRefuseBomb(benchmark::State& state) {
  const Encoded encoded = testing::EncodeJpeg(MakePhoto(640, 427));
  for (auto _ : state) {
    benchmark::DoNotOptimize(DecodeImage(encoded, {.max_pixels = 1000}));
  }
}

BENCHMARK(BenchPreprocess)->Apply(Sizes);
BENCHMARK(BenchPreprocessScalar)->Apply(Sizes);
BENCHMARK(BenchDecodeJpeg)->Unit(benchmark::kMicrosecond);
BENCHMARK(BenchDecodeProgressiveJpeg)->Unit(benchmark::kMicrosecond);
BENCHMARK(BenchDecodePng)->Unit(benchmark::kMicrosecond);
BENCHMARK(BenchDecodeWebp)->Unit(benchmark::kMicrosecond);
BENCHMARK(BenchRefuseBomb)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace resnetd

BENCHMARK_MAIN();
