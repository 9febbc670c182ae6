#include "server/rpc/server_service.h"

#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

class ServerServiceTest : public RpcTest {
 protected:
  v1::GetServerInfoResponse Info() {
    grpc::ClientContext context;
    v1::GetServerInfoResponse response;
    const grpc::Status status =
        server_info_->GetServerInfo(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
};

TEST_F(ServerServiceTest, TellsWhatTheServerIs) {
  Listen();
  const v1::GetServerInfoResponse info = Info();
  EXPECT_EQ(info.version(), "1.2.3");
  EXPECT_EQ(info.grpc_version(), grpc::Version());
  EXPECT_EQ(info.cpu_cores(), 2);
  ASSERT_EQ(info.limits_size(), 1);
  EXPECT_EQ(info.limits(0).name(), "max-images-per-request");
  EXPECT_EQ(info.limits(0).value(), 256);
  ASSERT_EQ(info.backends_size(), 1);
  EXPECT_EQ(info.backends(0).name(), "engine");
  EXPECT_TRUE(info.backends(0).usable());
  EXPECT_EQ(info.backends(0).detail(), "fake");
}

TEST_F(ServerServiceTest, AnswersBeforeAndAfterTheServerIsReady) {
  Listen();
  EXPECT_FALSE(Info().ready());
  server_->SetReady(true);
  EXPECT_TRUE(Info().ready());
  server_->SetReady(false);
  EXPECT_FALSE(Info().ready());
}

TEST_F(ServerServiceTest, UptimeGrowsFromTheStartOfTheProcess) {
  using google::protobuf::util::TimeUtil;
  Listen();
  const auto first = Info();
  const auto second = Info();
  EXPECT_GT(TimeUtil::DurationToNanoseconds(first.uptime()), 0);
  EXPECT_GT(TimeUtil::DurationToNanoseconds(second.uptime()),
            TimeUtil::DurationToNanoseconds(first.uptime()));
  EXPECT_EQ(TimeUtil::TimestampToNanoseconds(first.start_time()),
            TimeUtil::TimestampToNanoseconds(second.start_time()));
}

}  // namespace
}  // namespace resnetd
