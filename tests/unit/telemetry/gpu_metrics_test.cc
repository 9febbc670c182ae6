#include "server/telemetry/gpu_metrics.h"

#include <gtest/gtest.h>

#include <utility>

#include "server/telemetry/text_exposition.h"

namespace resnetd {
namespace {

class Gpus final : public GpuSource {
 public:
  explicit Gpus(std::vector<GpuFigures> gpus) : gpus_(std::move(gpus)) {}
  std::vector<GpuFigures> Read() override { return gpus_; }

 private:
  const std::vector<GpuFigures> gpus_;
};

TEST(CollectGpuMetricsTest, ShowsEveryFigureOfEachGpu) {
  GpuFigures first;
  first.name = "H200";
  first.total_bytes = 100;
  first.free_bytes = 70;
  first.used_bytes = 30;
  first.utilization = 0.25;
  first.celsius = 41;
  first.watts = 120.5;
  GpuFigures second;
  second.number = 1;
  second.name = "T4";
  second.free_bytes = 5;
  Gpus source({first, second});
  const std::string text = FormatMetrics(CollectGpuMetrics(source));
  for (const char* line :
       {"info{gpu=\"0\",name=\"H200\"} 1", "info{gpu=\"1\",name=\"T4\"} 1",
        "memory_bytes{gpu=\"0\",kind=\"total\"} 100",
        "memory_bytes{gpu=\"0\",kind=\"free\"} 70",
        "memory_bytes{gpu=\"0\",kind=\"used\"} 30",
        "memory_bytes{gpu=\"1\",kind=\"free\"} 5",
        "utilization_ratio{gpu=\"0\"} 0.25",
        "temperature_celsius{gpu=\"0\"} 41", "power_watts{gpu=\"0\"} 120.5"}) {
    EXPECT_NE(text.find(std::string("\nresnetd_gpu_") + line + "\n"),
              std::string::npos)
        << line << "\n"
        << text;
  }
  // What a driver does not tell has no series.
  EXPECT_EQ(text.find("power_watts{gpu=\"1\"}"), std::string::npos);
  EXPECT_EQ(text.find("memory_bytes{gpu=\"1\",kind=\"total\"}"),
            std::string::npos);
}

TEST(CollectGpuMetricsTest, ShowsNothingWithoutGpus) {
  Gpus source({});
  EXPECT_EQ(FormatMetrics(CollectGpuMetrics(source)), "");
}

}  // namespace
}  // namespace resnetd
