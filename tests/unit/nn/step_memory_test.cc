#include "server/nn/step_memory.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

namespace resnetd {
namespace {

constexpr std::int64_t kLarge = 1 << 20U;

at::Tensor BytesOf(std::int64_t count) { return at::empty({count}, at::kByte); }

TEST(StepMemoryTest, GivesTheNextTensorOfASizeTheSameMemory) {
  StepMemory memory;
  const StepMemory::Scope scope(memory);
  at::Tensor first = BytesOf(kLarge);
  const void* address = first.data_ptr();
  EXPECT_EQ(memory.kept_bytes(), 0);
  first.reset();
  EXPECT_EQ(memory.kept_bytes(), kLarge);
  const at::Tensor other = BytesOf(kLarge + 1);
  EXPECT_NE(other.data_ptr(), address);
  const at::Tensor second = BytesOf(kLarge);
  EXPECT_EQ(second.data_ptr(), address);
  EXPECT_EQ(memory.kept_bytes(), 0);
}

TEST(StepMemoryTest, LeavesSmallTensorsAlone) {
  StepMemory memory;
  const StepMemory::Scope scope(memory);
  BytesOf((128 << 10U) - 1).reset();
  EXPECT_EQ(memory.kept_bytes(), 0);
  BytesOf(128 << 10U).reset();
  EXPECT_EQ(memory.kept_bytes(), 128 << 10U);
}

TEST(StepMemoryTest, ServesNobodyWithoutAScope) {
  StepMemory memory;
  BytesOf(kLarge).reset();
  EXPECT_EQ(memory.kept_bytes(), 0);
  const StepMemory::Scope scope(memory);
  std::thread([] { BytesOf(kLarge).reset(); }).join();
  EXPECT_EQ(memory.kept_bytes(), 0);
}

TEST(StepMemoryTest, GivesBackWhatAStepDidNotUse) {
  StepMemory memory;
  const StepMemory::Scope scope(memory);
  BytesOf(kLarge).reset();
  BytesOf(2 * kLarge).reset();
  memory.TrimUnused();
  EXPECT_EQ(memory.kept_bytes(), 3 * kLarge);
  BytesOf(kLarge).reset();
  memory.TrimUnused();
  EXPECT_EQ(memory.kept_bytes(), kLarge);
  memory.TrimUnused();
  EXPECT_EQ(memory.kept_bytes(), 0);
}

// What operations take for themselves.
TEST(StepMemoryTest, TakesMemoryBackByItsAddress) {
  StepMemory memory;
  c10::Allocator* allocator = c10::GetCPUAllocator();
  void* outside = allocator->raw_allocate(kLarge);
  {
    const StepMemory::Scope scope(memory);
    void* inside = allocator->raw_allocate(kLarge);
    allocator->raw_deallocate(inside);
    EXPECT_EQ(memory.kept_bytes(), kLarge);
    allocator->raw_deallocate(outside);
    EXPECT_EQ(memory.kept_bytes(), kLarge);
  }
}

TEST(StepMemoryTest, IsOutlivedByItsTensors) {
  auto memory = std::make_unique<StepMemory>();
  at::Tensor tensor;
  {
    const StepMemory::Scope scope(*memory);
    tensor = BytesOf(kLarge);
  }
  memory.reset();
  tensor.fill_(7);
  EXPECT_EQ(tensor[kLarge - 1].item<int>(), 7);
  // On another thread, as the last one that holds it.
  std::thread([last = std::move(tensor)]() mutable { last.reset(); }).join();
}

}  // namespace
}  // namespace resnetd
