#include "server/engine/plan.h"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "server/engine/arena.h"
#include "server/engine/calibrator.h"
#include "server/engine/cpu_model.h"
#include "server/engine/execution.h"
#include "server/engine/folding.h"
#include "server/engine/onednn_api.h"
#include "server/engine/openmp.h"
#include "server/engine/parameters.h"
#include "server/engine/picture_writer.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/engine/quantisation.h"
#include "server/image/pixels.h"
#include "server/models/model_package.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

// Primitives made since the last reset, by whatever thread.
std::atomic<int> primitives_made{0};

}  // namespace
}  // namespace resnetd

extern "C" {
// Stands before the library's own, for everything that is linked into this
// program.
dnnl_status_t dnnl_primitive_create(dnnl_primitive_t* primitive,
                                    const_dnnl_primitive_desc_t desc) {
  using Create = decltype(&dnnl_primitive_create);
  static const auto create =
      reinterpret_cast<Create>(dlsym(RTLD_NEXT, "dnnl_primitive_create"));
  ++resnetd::primitives_made;
  return create(primitive, desc);
}
}

// AddressSanitizer has its own allocator.
#ifndef __SANITIZE_ADDRESS__
namespace resnetd {
namespace {

// The largest single allocation since the last reset, by whatever thread.
std::atomic<std::size_t> largest_allocation{0};

void Note(std::size_t bytes) {
  std::size_t before = largest_allocation.load(std::memory_order_relaxed);
  while (bytes > before && !largest_allocation.compare_exchange_weak(
                               before, bytes, std::memory_order_relaxed)) {
  }
}

}  // namespace
}  // namespace resnetd

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): glibc's names.
// NOLINTBEGIN(readability-identifier-naming): glibc's names.
void* __libc_malloc(std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
// NOLINTEND(readability-identifier-naming): glibc's names.
// NOLINTEND(bugprone-reserved-identifier): glibc's names.

void* malloc(std::size_t bytes) noexcept {
  resnetd::Note(bytes);
  return __libc_malloc(bytes);
}

int posix_memalign(void** result, std::size_t alignment,
                   std::size_t bytes) noexcept {
  resnetd::Note(bytes);
  *result = __libc_memalign(alignment, bytes);
  return *result == nullptr ? 12 : 0;
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  resnetd::Note(bytes);
  return __libc_memalign(alignment, bytes);
}
}
#endif

namespace resnetd {
namespace {

struct Planned {
  // Throws dnnl::error: the library has no such arithmetic here.
  explicit Planned(const std::string& name, int crop, int batch,
                   Precision precision = Precision::kFloat32)
      : package(FilledPackage(name, 10, crop)),
        program(BuildProgram(package.network, crop)),
        parameters(ParametersOf(precision)),
        plan(MakePlan(engine, program, batch, parameters)) {}

  Parameters ParametersOf(Precision precision) const {
    const StepSource source = [this](std::size_t step) {
      return FoldStep(program.steps[step], package.weights);
    };
    if (precision != Precision::kInt8) {
      return {engine, program, source, precision};
    }
    const auto reference = CpuModel::Load(engine, package, 1, 1);
    const int crop = package.facts.preprocess.crop;
    const Pixels picture = FillPicture(crop, crop, 0);
    return {engine, program, source,
            Int8Numbers{
                .levels = LevelsOf(
                    program, CalibrationsOf(**reference, {&picture})->front()),
                .preprocess = package.facts.preprocess}};
  }

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  ModelPackage package;
  Program program;
  Parameters parameters;
  Plan plan;
};

std::size_t BufferBytes(const Program& program, std::size_t buffer, int batch) {
  const BufferShape& shape = program.buffers[buffer];
  return sizeof(float) * static_cast<std::size_t>(batch * shape.channels *
                                                  shape.height * shape.width);
}

TEST(PlanTest, EveryStepHasAFastKernel) {
  for (const std::string name :
       {"resnet18", "resnet50", "resnext50_32x4d", "resnet50_v2",
        "cifar_resnet20", "cifar_resnet20_v2"}) {
    const Planned planned(name, IsCifar(name) ? 32 : 224, 1);
    EXPECT_EQ(planned.plan.steps.size(), planned.program.steps.size());
    for (const PlannedStep& step : planned.plan.steps) {
      EXPECT_FALSE(absl::StrContains(step.implementation, " ref"))
          << name << ": " << step.implementation;
      EXPECT_FALSE(absl::StrContains(step.implementation, " gemm:ref"))
          << name << ": " << step.implementation;
    }
  }
}

TEST(PlanTest, NarrowVectorsGetKernelsOfOurOwnForConvolutionsOf3x3) {
  const Planned planned("resnet50", 224, 1);
  std::vector<std::string> own;
  for (const PlannedStep& step : planned.plan.steps) {
    if (absl::StrContains(step.implementation, "winograd")) {
      own.push_back(step.implementation);
    }
  }
  // The convolutions of 3x3 with stride 1 in the first three stages.
  const std::vector<std::string> expected = {
      "layer1.0.conv2 own:winograd4", "layer1.1.conv2 own:winograd4",
      "layer1.2.conv2 own:winograd4", "layer2.1.conv2 own:winograd4",
      "layer2.2.conv2 own:winograd4", "layer2.3.conv2 own:winograd4",
      "layer3.1.conv2 own:winograd2", "layer3.2.conv2 own:winograd2",
      "layer3.3.conv2 own:winograd2", "layer3.4.conv2 own:winograd2",
      "layer3.5.conv2 own:winograd2"};
  const bool has_narrow = HasAvx2() && !HasWideVectors();
  EXPECT_EQ(own, has_narrow ? expected : std::vector<std::string>());
}

TEST(PlanTest, ActivationsShareTheArena) {
  const Planned planned("resnet50", 224, 2);
  std::size_t all = 0;
  for (std::size_t i = 0; i < planned.program.buffers.size(); ++i) {
    all += BufferBytes(planned.program, i, 2);
  }
  // The most that is alive at once: where layer2 begins, its input (256
  // channels), the shortcut (512 of a quarter of the pixels) and the result of
  // the first convolution (128).
  const std::size_t pixels = sizeof(float) * 2 * 56 * 56;
  EXPECT_GE(planned.plan.arena_bytes, pixels * (256 + 512 / 4 + 128));
  EXPECT_LE(planned.plan.arena_bytes, pixels * (256 + 512 / 4 + 128) * 21 / 20);
  EXPECT_LT(planned.plan.arena_bytes * 3, all);
}

TEST(PlanTest, EveryOffsetIsInsideTheArena) {
  const Planned planned("cifar_resnet20_v2", 32, 3);
  for (const PlannedStep& step : planned.plan.steps) {
    EXPECT_LE(step.source_offset + step.source.get_size(),
              planned.plan.arena_bytes);
    EXPECT_LE(step.destination_offset + step.destination.get_size(),
              planned.plan.arena_bytes);
    EXPECT_LE(step.scratchpad_offset + step.scratchpad.get_size(),
              planned.plan.arena_bytes);
  }
}

TEST(PlanTest, BatchSizesShareTheirPackedWeights) {
  Planned planned("resnet50", 224, 4);
  const std::int64_t bytes = planned.parameters.bytes();
  static_cast<void>(
      MakePlan(planned.engine, planned.program, 1, planned.parameters));
  // Different layouts for different batch sizes are allowed, but not the rule.
  EXPECT_LE(planned.parameters.bytes(), bytes * 5 / 4);
}

std::vector<float> LogitsOf(const Planned& planned, std::byte* arena) {
  const Execution execution(planned.engine, planned.plan, arena);
  const Pixels picture = FillPicture(32, 32, 0);
  PictureWriter(planned.package.facts.preprocess)
      .Write({.pixels = &picture}, planned.plan.picture, execution.pictures());
  dnnl::stream stream(planned.engine);
  execution.Run(stream);
  stream.wait();
  return {execution.result(), execution.result() + 10};
}

TEST(ExecutionTest, WhatLiesInTheArenaDoesNotMatter) {
  const Planned planned("cifar_resnet20_v2", 32, 1);
  const AlignedMemory arena(planned.plan.arena_bytes);
  std::fill(arena.data(), arena.data() + arena.bytes(), std::byte{0});
  const std::vector<float> clean = LogitsOf(planned, arena.data());
  // Bytes of a NaN: whatever is read before it is written shows.
  std::fill(arena.data(), arena.data() + arena.bytes(), std::byte{0xFF});
  EXPECT_EQ(LogitsOf(planned, arena.data()), clean);
}

class ExecutionInPrecisionTest : public testing::TestWithParam<Precision> {
 protected:
  // Null: the library has no such arithmetic on this machine.
  static std::unique_ptr<const Planned> Plan() {
    try {
      return std::make_unique<const Planned>("resnet18", 224, 2, GetParam());
    } catch (const dnnl::error& error) {
      EXPECT_EQ(error.status, dnnl_unimplemented);
      return nullptr;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(All, ExecutionInPrecisionTest,
                         testing::Values(Precision::kFloat32,
                                         Precision::kBfloat16,
                                         Precision::kInt8),
                         [](const auto& row) {
                           return std::string(PrecisionName(row.param));
                         });

TEST_P(ExecutionInPrecisionTest, ARunAllocatesNoBufferAndMakesNoPrimitive) {
  for (const int threads : {1, 2}) {
    const OpenMpTeam team(threads);
    primitives_made = 0;
    const std::unique_ptr<const Planned> planned = Plan();
    if (planned == nullptr) {
      GTEST_SKIP() << "no such arithmetic on this machine";
    }
    EXPECT_GT(primitives_made.load(), 20) << "the counter does not count";
    const AlignedMemory arena(planned->plan.arena_bytes);
    const Execution execution(planned->engine, planned->plan, arena.data());
    const dnnl::stream stream(planned->engine);
    execution.Run(stream);  // starts the team
    primitives_made = 0;
#ifndef __SANITIZE_ADDRESS__
    largest_allocation = 0;
#endif
    execution.Run(stream);
    EXPECT_EQ(primitives_made.load(), 0);
#ifndef __SANITIZE_ADDRESS__
    // The library keeps small tables of arguments a call, and with AVX2 some
    // 20 kB for the head's product; the smallest activation of this network
    // has 2 x 512 x 7 x 7 values, of a byte at least.
    EXPECT_LT(largest_allocation.load(), 32U * 1024U);
    EXPECT_GT(largest_allocation.load(), 0U) << "the counter does not count";
#endif
  }
}

// The plans of the sizes in between as well, and what binds them to memory.
TEST(CpuModelTest, AfterPrepareAllTheFirstBatchOfEachSizeMakesNothing) {
  constexpr std::size_t kLargest = 5;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const ModelPackage package = FilledPackage("cifar_resnet8", 10, 32);
  const auto model = CpuModel::Load(engine, package, kLargest, 1);
  ASSERT_TRUE(model.ok()) << model.status();
  primitives_made = 0;
  ASSERT_TRUE((*model)->PrepareAll().ok());
  EXPECT_GT(primitives_made.load(), 0) << "the counter does not count";
  const std::int64_t held = (*model)->resident_bytes();
  const Pixels picture = FillPicture(32, 32);
  primitives_made = 0;
  for (std::size_t batch = 1; batch <= kLargest; ++batch) {
    const std::vector<const Pixels*> pictures(batch, &picture);
    EXPECT_TRUE((*model)->Logits(pictures).ok());
  }
  EXPECT_EQ(primitives_made.load(), 0);
  EXPECT_EQ((*model)->resident_bytes(), held);
}

}  // namespace
}  // namespace resnetd
