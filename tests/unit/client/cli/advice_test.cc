#include "client/cli/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "client/convert.h"
#include "client/error_info.h"
#include "google/rpc/error_details.pb.h"

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;

using Facts = std::vector<std::pair<std::string, std::string>>;

// An error as a server sends it.
absl::Status ServerError(const std::string& reason, const Facts& facts = {},
                         const std::string& resource = "") {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  for (const auto& [key, value] : facts) {
    (*info.mutable_metadata())[key] = value;
  }
  google::rpc::Status status;
  status.set_code(static_cast<int>(absl::StatusCode::kFailedPrecondition));
  status.set_message("what");
  status.add_details()->PackFrom(info);
  google::rpc::ResourceInfo resource_info;
  resource_info.set_resource_name(resource);
  status.add_details()->PackFrom(resource_info);
  return client::FromProto(status);
}

struct AdviceCase {
  const char* reason;
  Facts facts;
  const char* resource;
  const char* advice;
};

class AdviceTest : public testing::TestWithParam<AdviceCase> {};

TEST_P(AdviceTest, NamesTheNextCommand) {
  EXPECT_EQ(AdviceFor(ServerError(GetParam().reason, GetParam().facts,
                                  GetParam().resource)),
            GetParam().advice);
}

INSTANTIATE_TEST_SUITE_P(
    All, AdviceTest,
    testing::Values(
        AdviceCase{"VERSION_NOT_FOUND",
                   {},
                   "models/cats/versions/2",
                   "`resnetctl models versions cats` shows what there is"},
        AdviceCase{"VERSION_NOT_FOUND",
                   {},
                   "",
                   "`resnetctl models list` shows what there is"},
        AdviceCase{"ALIAS_MOVED",
                   {{"current", "0"}},
                   "models/cats/aliases/stable",
                   "`resnetctl models show cats` tells what it names now"},
        AdviceCase{"ALIAS_MOVED",
                   {{"current", "4"}},
                   "",
                   "it names version 4 now; if that is fine, say --expect 4"},
        AdviceCase{"VERSION_IN_USE",
                   {{"aliases", "stable, canary"}},
                   "models/cats/versions/2",
                   "`resnetctl models promote cats@N` moves stable to another "
                   "version, `resnetctl models alias delete cats@canary` "
                   "removes canary"},
        AdviceCase{"VERSION_IN_USE",
                   {},
                   "models/cats/aliases/stable",
                   "`resnetctl models show cats` tells which aliases name it"},
        AdviceCase{"MEMORY_ADMISSION",
                   {{"needed", "1048576"}, {"free", "0"}, {"limit", "2097152"}},
                   "models/cats/versions/2",
                   "it needs 1.0 MiB, 0 B of 2.0 MiB are free; `resnetctl "
                   "models unload cats@N` frees a version"},
        AdviceCase{"STORAGE_FULL",
                   {{"needed", "much"}},
                   "",
                   "`resnetctl models delete NAME@N` removes a version"},
        AdviceCase{"EVENTS_EXPIRED",
                   {{"oldest", "8"}},
                   "",
                   "--after 7 begins with the oldest that is kept; `resnetctl "
                   "models list` shows how things are now"},
        AdviceCase{"EVENTS_EXPIRED",
                   {{"oldest", "31"}, {"samples", "4096"}},
                   "",
                   "--from 31 begins with the oldest that is kept"},
        AdviceCase{"EVENTS_EXPIRED",
                   {},
                   "",
                   "`resnetctl models list` shows how things are now"},
        AdviceCase{"NEVER_HEARD_OF", {}, "", ""}));

TEST(AdviceForTest, IsGivenForEveryReasonThatSomethingCanBeDoneAbout) {
  for (const char* reason :
       {"NO_CONNECTION", "NOT_SERVING", "DOWNLOAD_CORRUPT", "OTHER_STORE",
        "REPLICAS_BEHIND", "MODEL_NOT_FOUND", "VERSION_NOT_READY",
        "ETAG_MISMATCH", "LABEL_CHANGE", "NO_PREVIOUS_VERSION",
        "DIGEST_MISMATCH", "STORE_CORRUPT", "REQUEST_ID_CONFLICT"}) {
    EXPECT_NE(AdviceFor(ServerError(reason)), "") << reason;
  }
}

TEST(AdviceForTest, TrustsNoNameOfTheServer) {
  EXPECT_THAT(AdviceFor(ServerError("VERSION_NOT_READY", {},
                                    "models/$(reboot)/versions/1")),
              HasSubstr("load NAME@N"));
}

}  // namespace
}  // namespace resnetd::cli
