#include "server/rpc/status_codes.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status_code_enum.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/rpc/error_details.pb.h"
#include "resnetd/v1/error_reason.pb.h"
#include "server/base/error.h"
#include "server/base/utf8.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

TEST(StatusCodesTest, EveryCodeHasItsNamesake) {
  using A = absl::StatusCode;
  using G = grpc::StatusCode;
  const std::pair<A, G> table[] = {
      {A::kOk, G::OK},
      {A::kCancelled, G::CANCELLED},
      {A::kUnknown, G::UNKNOWN},
      {A::kInvalidArgument, G::INVALID_ARGUMENT},
      {A::kDeadlineExceeded, G::DEADLINE_EXCEEDED},
      {A::kNotFound, G::NOT_FOUND},
      {A::kAlreadyExists, G::ALREADY_EXISTS},
      {A::kPermissionDenied, G::PERMISSION_DENIED},
      {A::kResourceExhausted, G::RESOURCE_EXHAUSTED},
      {A::kFailedPrecondition, G::FAILED_PRECONDITION},
      {A::kAborted, G::ABORTED},
      {A::kOutOfRange, G::OUT_OF_RANGE},
      {A::kUnimplemented, G::UNIMPLEMENTED},
      {A::kInternal, G::INTERNAL},
      {A::kUnavailable, G::UNAVAILABLE},
      {A::kDataLoss, G::DATA_LOSS},
      {A::kUnauthenticated, G::UNAUTHENTICATED},
  };
  EXPECT_EQ(std::size(table), 17U);
  for (const auto& [ours, theirs] : table) {
    EXPECT_EQ(ToGrpcCode(ours), theirs);
  }
}

TEST(StatusCodesTest, EveryReasonIsInTheProtosAndTheOtherWayRound) {
  std::set<std::string> declared;
  const auto* descriptor = v1::ErrorReason_descriptor();
  for (int i = 0; i < descriptor->value_count(); ++i) {
    if (descriptor->value(i)->number() != v1::ERROR_REASON_UNSPECIFIED) {
      declared.insert(std::string(
          absl::StripPrefix(descriptor->value(i)->name(), "ERROR_REASON_")));
    }
  }
  std::set<std::string> used;
  constexpr int kLast = static_cast<int>(Reason::kRoleMissing);
  for (int i = 0; i <= kLast; ++i) {
    used.insert(std::string(ReasonName(static_cast<Reason>(i))));
  }
  EXPECT_EQ(declared, used);
  // A value behind the last one falls back to INTERNAL: no reason was added
  // without this test knowing.
  EXPECT_EQ(ReasonName(static_cast<Reason>(kLast + 1)), "INTERNAL");
}

TEST(StatusCodesTest, CutsTextsAtTheBoundaryOfACharacter) {
  EXPECT_EQ(SafeText("short", 10), "short");
  EXPECT_EQ(SafeText("exactly 10", 10), "exactly 10");
  EXPECT_EQ(SafeText("just over 10", 10), "just ov...");
  // Two bytes a character: 4 of them and the dots are 11 bytes.
  EXPECT_EQ(SafeText("ääääääää", 11), "ääää...");
  EXPECT_EQ(SafeText("ääääääää", 10), "äää...");
  EXPECT_EQ(SafeText("ääää", 8), "ääää");
  EXPECT_EQ(SafeText("abcdef", 2), "..");
  EXPECT_EQ(SafeText("", 0), "");
  EXPECT_EQ(SafeText("a", 0), "");
}

TEST(StatusCodesTest, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(SafeText("a\xff\xc3|b", 10), "a??|b");
  for (std::size_t limit = 0; limit < 12; ++limit) {
    const std::string safe = SafeText("\xf0\x9f\x98\x80\xff€ä\x80", limit);
    EXPECT_LE(safe.size(), limit);
    EXPECT_TRUE(IsUtf8(safe)) << limit;
  }
}

TEST(StatusCodesTest, CarriesEveryDetail) {
  const absl::Status error =
      Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull, "full")
          .Metadata("limit", "7")
          .Violation("images", "too many")
          .Resource("model", "models/a")
          .RetryAfter(std::chrono::milliseconds(1500));
  const grpc::Status status = ToGrpcStatus(error, "id-1");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "full");
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
  EXPECT_THAT(MetadataOf(status), ElementsAre(Pair("limit", "7")));
  EXPECT_THAT(ViolationsOf(status), ElementsAre(Pair("images", "too many")));
  EXPECT_EQ(DetailOf<google::rpc::ResourceInfo>(status)->resource_name(),
            "models/a");
  EXPECT_EQ(DetailOf<google::rpc::RequestInfo>(status)->request_id(), "id-1");
  const auto retry = DetailOf<google::rpc::RetryInfo>(status);
  EXPECT_EQ(retry->retry_delay().seconds(), 1);
  EXPECT_EQ(retry->retry_delay().nanos(), 500'000'000);
}

TEST(StatusCodesTest, LeavesOutWhatAnErrorDoesNotHave) {
  const absl::Status error =
      Error(absl::StatusCode::kUnavailable, Reason::kDraining, "shutting down");
  const google::rpc::Status status = ToRpcStatus(error, "id");
  EXPECT_EQ(status.details_size(), 2);
  EXPECT_FALSE(DetailOf<google::rpc::RetryInfo>(status).has_value());
  EXPECT_FALSE(DetailOf<google::rpc::BadRequest>(status).has_value());
}

TEST(StatusCodesTest, AForeignErrorTellsNothingButItsId) {
  const absl::Status error =
      absl::DataLossError("/etc/shadow: SQLITE_CORRUPT at 0xdeadbeef");
  EXPECT_TRUE(IsUnexpected(error));
  const google::rpc::Status status = ToRpcStatus(error, "id-2");
  EXPECT_EQ(status.code(), static_cast<int>(grpc::StatusCode::INTERNAL));
  EXPECT_EQ(ReasonOf(status), "INTERNAL");
  EXPECT_THAT(status.message(), HasSubstr("id-2"));
  EXPECT_THAT(status.SerializeAsString(), Not(HasSubstr("SQLITE")));
  EXPECT_THAT(status.SerializeAsString(), Not(HasSubstr("shadow")));
}

TEST(StatusCodesTest, AnAnnotatedForeignErrorStaysForeign) {
  const absl::Status error =
      Annotate(absl::UnknownError("libfoo"), "images[0]: ", "images[0]");
  EXPECT_TRUE(IsUnexpected(error));
  EXPECT_THAT(ToRpcStatus(error, "id").SerializeAsString(),
              Not(HasSubstr("libfoo")));
}

TEST(StatusCodesTest, FitsTheTrailersWhateverAnErrorHolds) {
  // Clients refuse trailers over 8 KiB: text (escaped to 3 bytes a byte) and
  // base64 of the details must leave room for the other keys.
  constexpr std::size_t kRoom = 8192 - 512;
  Error error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
              std::string(100'000, '\x01'));
  for (std::size_t i = 0; i < 300; ++i) {
    error.AddViolation(absl::StrCat("images[", i, "].raw.height"),
                       std::string(i % 400, 'v'));
  }
  const absl::Status rich =
      std::move(error)
          .Metadata("huge", std::string(5000, 'm'))
          .Metadata("more", std::string(5000, 'n'))
          .Resource(std::string(500, 't'), std::string(5000, 'r'))
          .RetryAfter(std::chrono::seconds(1));
  const grpc::Status status = ToGrpcStatus(rich, std::string(5000, 'i'));
  EXPECT_EQ(status.error_message().size(), kMaxErrorTextBytes);
  EXPECT_THAT(status.error_message(), EndsWith("..."));
  EXPECT_LE(3 * status.error_message().size() +
                (status.error_details().size() + 2) / 3 * 4,
            kRoom);
}

TEST(StatusCodesTest, CountsTheViolationsThatDoNotFit) {
  Error error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid, "x");
  for (int i = 0; i < 300; ++i) {
    error.AddViolation(absl::StrCat("images[", i, "]"), "not good");
  }
  const absl::Status status = std::move(error);
  const auto bad = DetailOf<google::rpc::BadRequest>(ToRpcStatus(status, "id"));
  ASSERT_TRUE(bad.has_value());
  const int shown = bad->field_violations_size() - 1;
  EXPECT_GE(shown, 40);
  EXPECT_EQ(bad->field_violations(0).field(), "images[0]");
  EXPECT_EQ(bad->field_violations(shown).field(), "");
  EXPECT_EQ(bad->field_violations(shown).description(),
            absl::StrCat("and ", 300 - shown, " more"));
}

}  // namespace
}  // namespace resnetd
