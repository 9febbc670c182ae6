#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace resnetd {

// A GPU as its driver sees it now, with what other programs use of it. What the
// driver does not tell is absent.
struct GpuFigures {
  int number = 0;
  std::string name;
  std::optional<std::int64_t> total_bytes;
  std::optional<std::int64_t> free_bytes;
  std::optional<std::int64_t> used_bytes;
  // 0 to 1.
  std::optional<double> utilization;
  std::optional<double> celsius;
  std::optional<double> watts;
};

// Where figures of GPUs come from. Thread-safe.
class GpuSource {
 public:
  virtual ~GpuSource() = default;
  // Every GPU that the driver shows, in order of its number; none when it
  // fails.
  virtual std::vector<GpuFigures> Read() = 0;
};

// The metrics resnetd_gpu_*, without families for what no GPU tells.
std::vector<prometheus::MetricFamily> CollectGpuMetrics(GpuSource& source);

}  // namespace resnetd
