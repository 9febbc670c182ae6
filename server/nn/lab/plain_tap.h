#pragma once

#include <ATen/core/Tensor.h>

#include "server/nn/block_tap.h"

namespace resnetd {

// Makes a block the block of a plain network, y = ReLU(F(x)): the shortcut is
// 0, forwards and backwards. For blocks whose spec has no projection. Shows
// `inner` what is left of it. Not thread-safe.
class PlainTap final : public BlockTap {
 public:
  // `inner` outlives this; null: nobody looks on.
  explicit PlainTap(BlockTap* inner) : inner_(inner) {}

  Fork Split(const at::Tensor& input) override;
  void TakeOutputs(const at::Tensor& main, const at::Tensor& shortcut) override;
  void TakeSum(const at::Tensor& sum) override;

 private:
  BlockTap* const inner_;
};

}  // namespace resnetd
