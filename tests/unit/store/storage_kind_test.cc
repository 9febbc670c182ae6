#include "server/store/storage_kind.h"

#include <gtest/gtest.h>
#include <linux/magic.h>

#include <cstdint>
#include <string>
#include <utility>

namespace resnetd {
namespace {

TEST(StorageKindTest, RefusesNetworkAndUserSpaceFileSystems) {
  for (const auto& [magic, name] :
       {std::pair<std::int64_t, std::string>{NFS_SUPER_MAGIC, "NFS"},
        {CIFS_SUPER_MAGIC, "CIFS"},
        {SMB_SUPER_MAGIC, "SMB"},
        {SMB2_SUPER_MAGIC, "SMB2"},
        {FUSE_SUPER_MAGIC, "FUSE"},
        {V9FS_MAGIC, "9p"},
        {CEPH_SUPER_MAGIC, "Ceph"},
        {AFS_SUPER_MAGIC, "AFS"},
        {AFS_FS_MAGIC, "kAFS"},
        {CODA_SUPER_MAGIC, "Coda"},
        {NCP_SUPER_MAGIC, "NCP"},
        {OCFS2_SUPER_MAGIC, "OCFS2"},
        {PROC_SUPER_MAGIC, "proc"}}) {
    EXPECT_EQ(UnsuitableStorage(static_cast<std::uint32_t>(magic)), name);
  }
}

TEST(StorageKindTest, TakesThoseOfOneHost) {
  for (const std::int64_t magic :
       {std::int64_t{EXT4_SUPER_MAGIC}, std::int64_t{XFS_SUPER_MAGIC},
        std::int64_t{BTRFS_SUPER_MAGIC}, std::int64_t{OVERLAYFS_SUPER_MAGIC},
        std::int64_t{TMPFS_MAGIC}, std::int64_t{F2FS_SUPER_MAGIC},
        std::int64_t{0x2FC12FC1} /* ZFS */}) {
    EXPECT_EQ(UnsuitableStorage(static_cast<std::uint32_t>(magic)),
              std::nullopt)
        << magic;
  }
}

}  // namespace
}  // namespace resnetd
