#include "server/nn/transfer_slots.h"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace resnetd {
namespace {

std::vector<std::unique_ptr<TransferSlot>> Slots(int count) {
  std::vector<std::unique_ptr<TransferSlot>> slots;
  for (int i = 0; i < count; ++i) {
    slots.push_back(std::make_unique<TransferSlot>(
        TransferSlot{.host_rows = at::empty({2, 4, 4, 3}, at::kByte),
                     .device_rows = at::empty({2, 4, 4, 3}, at::kByte),
                     .logits = at::empty({2, 5}, at::kFloat),
                     .features = at::empty({2, 8}, at::kFloat)}));
  }
  return slots;
}

TEST(TransferSlotsTest, LendsEachSlotToOneAtATime) {
  constexpr int kCallers = 5;
  TransferSlots slots(Slots(2));
  std::atomic<int> most = 0;
  std::atomic<int> lent = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&] {
        for (int round = 0; round < 200; ++round) {
          TransferSlots::Lent mine = slots.Borrow();
          const int now = ++lent;
          int before = most;
          while (now > before && !most.compare_exchange_weak(before, now)) {
          }
          // Nobody else writes to it.
          mine.slot().logits.fill_(static_cast<float>(round));
          EXPECT_EQ(mine.slot().logits.min().item<float>(),
                    mine.slot().logits.max().item<float>());
          --lent;
        }
      });
    }
  }
  EXPECT_LE(most, 2);
}

TEST(TransferSlotsTest, GivesADifferentSlotWhileOneIsOut) {
  TransferSlots slots(Slots(2));
  TransferSlots::Lent first = slots.Borrow();
  TransferSlots::Lent second = slots.Borrow();
  EXPECT_NE(&first.slot(), &second.slot());
}

TEST(TransferSlotsTest, WaitsUntilOneIsGivenBack) {
  TransferSlots slots(Slots(1));
  std::unique_ptr<TransferSlots::Lent> first(
      new TransferSlots::Lent(slots.Borrow()));
  const TransferSlot* const slot = &first->slot();
  const TransferSlot* found = nullptr;
  std::thread other([&] { found = &slots.Borrow().slot(); });
  first.reset();
  other.join();
  EXPECT_EQ(found, slot);
}

TEST(TransferSlotsTest, CountsTheMemoryOfAll) {
  EXPECT_EQ(TransferSlots(Slots(1)).bytes(), 2 * 96 + (2 * 5 + 2 * 8) * 4);
  EXPECT_EQ(TransferSlots(Slots(2)).bytes(),
            2 * TransferSlots(Slots(1)).bytes());
}

}  // namespace
}  // namespace resnetd
