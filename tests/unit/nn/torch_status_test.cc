#include "server/nn/torch_status.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

template <typename Exception>
absl::Status StatusOf(const Exception& exception) {
  return TorchToStatus("try", [&]() -> absl::Status { throw exception; });
}

TEST(TorchStatusTest, PassesValuesAndErrorsThrough) {
  EXPECT_EQ(*TorchToStatus("try", []() -> absl::StatusOr<int> { return 7; }),
            7);
  EXPECT_EQ(TorchToStatus("try", [] { return absl::NotFoundError("gone"); }),
            absl::NotFoundError("gone"));
}

TEST(TorchStatusTest, TurnsAnErrorOfTheLibraryIntoInternalWithoutItsText) {
  const absl::Status status = TorchToStatus("add", []() -> absl::Status {
    at::add(at::ones({2}), at::ones({3}));
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(DetailsOf(status).reason, "INTERNAL");
  const std::string text(status.message());
  EXPECT_THAT(text, HasSubstr("failed to add"));
  EXPECT_THAT(text, Not(HasSubstr("size of tensor")));
}

TEST(TorchStatusTest, TurnsWantOfMemoryIntoResourceExhausted) {
  // More than any address space has: the allocator itself refuses.
  constexpr std::int64_t kTooMuch = std::int64_t{1} << 60;
  const absl::Status status = TorchToStatus("allocate", []() -> absl::Status {
    at::empty({kTooMuch}, at::kByte);
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("not enough memory to allocate"));

  EXPECT_EQ(StatusOf(std::bad_alloc()).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(
      StatusOf(c10::OutOfMemoryError({__func__, __FILE__, 1}, "full")).code(),
      absl::StatusCode::kResourceExhausted);
  // Of what a GPU takes memory for beside the library's allocator.
  for (const char* text :
       {"CUDA error: out of memory", "CUDNN_STATUS_ALLOC_FAILED",
        "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"}) {
    EXPECT_EQ(StatusOf(c10::Error({__func__, __FILE__, 1}, text)).code(),
              absl::StatusCode::kResourceExhausted)
        << text;
  }
  // Of a kernel that allocates by itself.
  EXPECT_EQ(
      StatusOf(c10::Error({__func__, __FILE__, 1},
                          "posix_memalign failed:Cannot allocate memory (12)"))
          .code(),
      absl::StatusCode::kResourceExhausted);
}

TEST(TorchStatusTest, SaysOutOfMemoryToATraining) {
  const auto reason_for = [](TorchUse use) {
    return DetailsOf(TorchError("try", std::bad_alloc(), use)).reason;
  };
  EXPECT_EQ(reason_for(TorchUse::kServing), "OVERLOADED");
  EXPECT_EQ(reason_for(TorchUse::kTraining), "OUT_OF_MEMORY");
  EXPECT_EQ(TorchToStatus(
                "try", []() -> absl::Status { throw std::bad_alloc(); },
                TorchUse::kTraining),
            TorchError("try", std::bad_alloc(), TorchUse::kTraining));
}

TEST(TorchStatusTest, WritesWarningsOfTheLibraryToTheLog) {
  testing::internal::CaptureStderr();
  EXPECT_TRUE(TorchToStatus("try", [] {
                TORCH_WARN("mind the gap");
                return absl::OkStatus();
              }).ok());
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("LibTorch warns library_text=\"mind the gap\""));
}

TEST(TorchStatusTest, TurnsAnyOtherExceptionIntoInternal) {
  EXPECT_EQ(StatusOf(std::runtime_error("x")).code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(StatusOf(42).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace resnetd
