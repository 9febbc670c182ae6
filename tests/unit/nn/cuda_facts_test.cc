#include "server/nn/cuda_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

struct Case {
  std::string name;
  CudaFacts facts;
  std::int64_t index;
  // Empty: there is such a GPU.
  std::vector<std::string> said;
};

class CudaFactsTest : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    All, CudaFactsTest,
    testing::Values(
        Case{"one_gpu", {13000, 13000, 1, 0}, 0, {}},
        Case{"the_last_of_four", {13010, 13000, 4, 0}, 3, {}},
        Case{"a_newer_driver", {14000, 13000, 1, 0}, 0, {}},
        // Packages for forward compatibility: what counts is that there is one.
        Case{"an_older_driver_that_runs_it", {12080, 13000, 1, 0}, 0, {}},
        Case{"no_driver",
             {0, 13000, 0, 35},
             0,
             {"there is no NVIDIA driver", "for CUDA 13.0 or newer", "--gpus",
              "--device=cpu"}},
        Case{"an_old_driver",
             {12040, 13000, 0, 35},
             0,
             {"the NVIDIA driver, of CUDA 12.4, is too old for LibTorch, which "
              "is of CUDA 13.0",
              "install a driver for CUDA 13.0", "--device=cpu"}},
        Case{"an_old_driver_that_says_nothing",
             {12080, 13000, 0, 0},
             0,
             {"of CUDA 12.8, is too old"}},
        Case{"a_driver_of_the_same_major_version_without_gpus",
             {13000, 13020, 0, 100},
             0,
             {"the NVIDIA driver, of CUDA 13.0, shows no GPU",
              "CUDA_VISIBLE_DEVICES", "--device=cpu"}},
        Case{"a_driver_of_the_same_major_version_that_says_too_old",
             {13000, 13020, 0, 35},
             0,
             {"of CUDA 13.0, is too old for LibTorch, which is of CUDA 13.2"}},
        Case{"no_gpus_and_no_error",
             {13000, 13000, 0, 0},
             0,
             {"shows no GPU to this process", "nvidia-smi must list one"}},
        Case{"gpus_that_do_not_start",
             {13000, 13000, 0, 802},
             0,
             {"cannot start its GPUs (CUDA error 802)", "--device=cpu"}},
        Case{"behind_the_only_one",
             {13000, 13000, 1, 0},
             1,
             {"there is no CUDA device 1, only 1, which is cuda:0"}},
        Case{"behind_the_last_of_two",
             {13000, 13000, 2, 0},
             2,
             {"there is no CUDA device 2, only 2, from cuda:0 on",
              "CUDA_VISIBLE_DEVICES"}}),
    [](const auto& row) { return row.param.name; });

TEST_P(CudaFactsTest, SaysWhichOfThemItIsAndWhatToDo) {
  const Case& one = GetParam();
  const absl::Status status = CheckCuda(one.facts, one.index);
  if (one.said.empty()) {
    EXPECT_TRUE(status.ok()) << status;
    return;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "BACKEND_UNAVAILABLE");
  for (const std::string& text : one.said) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }
}

}  // namespace
}  // namespace resnetd
