#include "server/engine/onednn_status.h"

#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CallOneDnnTest, ReturnsWhatTheFunctionReturns) {
  const absl::StatusOr<int> value = CallOneDnn("counting", [] { return 3; });
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(*value, 3);
  EXPECT_TRUE(CallOneDnn("resting", [] {}).ok());
}

TEST(CallOneDnnTest, AFailureIsInternalAndKeepsTheLibrarysTextBack) {
  const absl::Status status = CallOneDnn("running a batch", [] {
    throw dnnl::error(dnnl_runtime_error, "secret of the library");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(DetailsOf(status).reason, "INTERNAL");
  const std::string text(status.message());
  EXPECT_THAT(text, HasSubstr("failed while running a batch"));
  EXPECT_THAT(text, Not(HasSubstr("secret")));
}

TEST(CallOneDnnTest, NoMemoryIsAResourceThatIsExhausted) {
  const absl::Status library = CallOneDnn("loading a model", [] {
    throw dnnl::error(dnnl_out_of_memory, "no memory");
  });
  EXPECT_EQ(library.code(), absl::StatusCode::kResourceExhausted);
  const absl::StatusOr<int> own =
      CallOneDnn("loading a model", []() -> int { throw std::bad_alloc(); });
  EXPECT_EQ(own.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(own.status().message()),
              HasSubstr("no memory for loading a model"));
}

TEST(CallOneDnnTest, ArithmeticThatTheCpuLacksIsAnUnavailableBackend) {
  const absl::Status status = CallOneDnn("loading a model", [] {
    throw dnnl::error(dnnl_unimplemented, "secret of the library");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "BACKEND_UNAVAILABLE");
  const std::string text(status.message());
  EXPECT_THAT(text, HasSubstr("no such arithmetic (loading a model); use"));
  EXPECT_THAT(text, Not(HasSubstr("secret")));
}

TEST(CallOneDnnTest, AnyOtherExceptionIsInternal) {
  const absl::Status status = CallOneDnn(
      "starting", [] { throw std::length_error("a vector is too long"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace resnetd
