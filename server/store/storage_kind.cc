#include "server/store/storage_kind.h"

#include <array>

namespace resnetd {
namespace {

struct Kind {
  std::uint32_t magic;
  absl::string_view name;
};

// Numbers of linux/magic.h, and of the sources of those that are not in it.
constexpr std::array<Kind, 21> kUnsuitable = {{
    {0x6969, "NFS"},          {0x517B, "SMB"},        {0xFE534D42, "SMB2"},
    {0xFF534D42, "CIFS"},     {0x65735546, "FUSE"},   {0x01021997, "9p"},
    {0x00C36400, "Ceph"},     {0x5346414F, "AFS"},    {0x6B414653, "kAFS"},
    {0x73757245, "Coda"},     {0x564C, "NCP"},        {0x01161970, "GFS2"},
    {0x7461636F, "OCFS2"},    {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},
    {0x19830326, "BeeGFS"},   {0x786F4256, "vboxsf"}, {0xBACBACBC, "vmhgfs"},
    {0x20030528, "OrangeFS"}, {0xAAD7AAEA, "PanFS"},  {0x9FA0, "proc"},
}};

}  // namespace

std::optional<absl::string_view> UnsuitableStorage(std::uint32_t magic) {
  for (const Kind& kind : kUnsuitable) {
    if (kind.magic == magic) {
      return kind.name;
    }
  }
  return std::nullopt;
}

}  // namespace resnetd
