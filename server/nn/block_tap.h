#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace resnetd {

// Where both paths of a block begin: what each of them reads.
struct Fork {
  at::Tensor main;
  at::Tensor shortcut;
};

// What looks into a residual block while it is computed. The block calls all of
// it in this order, once in each pass, from one thread. May throw c10::Error.
class BlockTap {
 public:
  virtual ~BlockTap() = default;

  // `input` is what both paths read: the input of the block, but in a v2 block
  // with a projection ReLU(BN(input)), where its paths part. They read what
  // this gives back, which has the same values.
  virtual Fork Split(const at::Tensor& input) = 0;

  // What the paths make of it, before stochastic depth. The sum is computed in
  // the place of `main`.
  virtual void TakeOutputs(const at::Tensor& main,
                           const at::Tensor& shortcut) = 0;

  // The sum of both paths, before the ReLU of a v1 block, which is computed in
  // its place.
  virtual void TakeSum(const at::Tensor& sum) = 0;
};

// Sees the gradients of one block in one pass.
//
// Both paths get the same gradient at their sum, so that they can only be told
// apart where they part: there each reads an alias of its own of the input, and
// a hook on each alias sees what its path gives back. Autograd adds both up as
// it does without aliases: no gradient changes by a bit. Not thread-safe; the
// hooks run in the threads of backward().
class WatchingTap : public BlockTap {
 public:
  enum class Place : std::uint8_t {
    kShortcut,  // what comes back through the shortcut
    kMain,      // and through the main path
    kInput,     // both together
    kSum,       // at the sum of both paths
  };

  // Without `watches_sum` the gradient there is not taken.
  explicit WatchingTap(bool watches_sum) : watches_sum_(watches_sum) {}

  Fork Split(const at::Tensor& input) override;
  void TakeSum(const at::Tensor& sum) override;

  // Whether there was a gradient to be seen: nothing before the block is
  // trained, or autograd does not record, without.
  bool is_on() const { return is_on_; }

 protected:
  // On the thread that computes backward(), once for each place: at the sum
  // first, at the input last. This lives and stays where it is until then.
  virtual void TakeGradient(Place place, const at::Tensor& gradient) = 0;

 private:
  void Watch(const at::Tensor& tensor, Place place);

  const bool watches_sum_;
  bool is_on_ = false;
};

}  // namespace resnetd
