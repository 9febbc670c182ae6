#include <ATen/Context.h>
#include <ATen/Version.h>
#include <gtest/gtest.h>

#include <string>

namespace resnetd {
namespace {

// The oneDNN inside of LibTorch 2.11 writes beyond its memory, on processors
// without AVX-512, in the backward pass of a strided 1x1 convolution in float32
// that reads less than eight channels. No network of FindArchitecture() has
// one, but the small ones of these tests do: there they train without oneDNN.
class FewChannels final : public testing::Environment {
 public:
  void SetUp() override {
    if (at::get_cpu_capability().rfind("AVX512", 0) != 0) {
      at::globalContext().setUserEnabledMkldnn(false);
    }
  }
};

const testing::Environment* const kFewChannels =
    testing::AddGlobalTestEnvironment(new FewChannels);

}  // namespace
}  // namespace resnetd
