#include "server/nn/block_tap.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

namespace resnetd {

Fork WatchingTap::Split(const at::Tensor& input) {
  is_on_ = c10::GradMode::is_enabled() && input.requires_grad();
  if (!is_on_) {
    return {input, input};
  }
  Fork fork{input.view_as(input), input.view_as(input)};
  Watch(input, Place::kInput);
  Watch(fork.main, Place::kMain);
  Watch(fork.shortcut, Place::kShortcut);
  return fork;
}

void WatchingTap::TakeSum(const at::Tensor& sum) {
  // A hook stays with the value that it was set on, also when the ReLU takes
  // its place.
  if (is_on_ && watches_sum_) {
    Watch(sum, Place::kSum);
  }
}

void WatchingTap::Watch(const at::Tensor& tensor, Place place) {
  tensor.register_hook([this, place](const at::Tensor& gradient) {
    if (gradient.defined()) {
      TakeGradient(place, gradient);
    }
  });
}

}  // namespace resnetd
