#include "server/finetune/gradient_report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/finetune/gradient_text.h"

namespace resnetd {
namespace {

std::string JobName(const Job& job) {
  return absl::StrCat("jobs/", job.number.value);
}

absl::Status NoSamples(const Job& job) {
  const std::string text = absl::StrCat(
      "job ", job.number.value, " has no samples of its gradients: ",
      job.spec.observation.probe_every > 0
          ? "it has not trained yet, or before there were any"
          : "its spec has observation.probe_every 0");
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kJobState, text)
      .Metadata("state", JobStateName(job.status.state))
      .Resource("job", JobName(job));
}

absl::Status Expired(const Job& job, std::int64_t first, std::int64_t oldest) {
  return Error(absl::StatusCode::kOutOfRange, Reason::kEventsExpired,
               absl::StrCat("job ", job.number.value, " keeps its newest ",
                            kMaxJobSamples, " samples, from step ", oldest,
                            " on: those from ", "step ", first, " on are gone"))
      .Metadata("oldest", absl::StrCat(oldest))
      .Metadata("samples", absl::StrCat(kMaxJobSamples))
      .Resource("job", JobName(job));
}

// "layer3.05" as "layer3.5".
std::string WithoutZeros(const std::string& label) {
  const std::size_t dot = label.rfind('.');
  if (dot == std::string::npos) {
    return label;
  }
  std::size_t digit = dot + 1;
  while (digit + 1 < label.size() && label[digit] == '0') {
    ++digit;
  }
  return absl::StrCat(label.substr(0, dot + 1), label.substr(digit));
}

// Places in the network of the blocks that are asked for, in order.
absl::StatusOr<std::vector<std::size_t>> ChooseBlocks(
    const std::vector<std::string>& names,
    const std::vector<std::string>& wanted) {
  std::vector<std::size_t> chosen;
  if (wanted.empty()) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      chosen.push_back(i);
    }
    return chosen;
  }
  Error error(
      absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
      absl::StrCat("the job has the blocks ", absl::StrJoin(names, ", ")));
  bool is_wrong = false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const std::string& name) {
          return name == wanted[i] || WithoutZeros(name) == wanted[i];
        });
    if (found == names.end()) {
      is_wrong = true;
      error.AddViolation(
          absl::StrCat("blocks[", i, "]"),
          absl::StrCat(Quoted(wanted[i]), " is no block of the job's network"));
    } else {
      chosen.push_back(static_cast<std::size_t>(found - names.begin()));
    }
  }
  if (is_wrong) {
    return error;
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

// `most` of `count` places, evenly, the first and the last among them.
std::vector<std::size_t> Evenly(std::size_t count, std::size_t most) {
  most = std::max<std::size_t>(most, 1);
  std::vector<std::size_t> places;
  if (count <= most) {
    for (std::size_t i = 0; i < count; ++i) {
      places.push_back(i);
    }
    return places;
  }
  if (most == 1) {
    return {count - 1};
  }
  for (std::size_t i = 0; i < most; ++i) {
    places.push_back(i * (count - 1) / (most - 1));
  }
  return places;
}

// Sums that become means.
class NoiseMean {
 public:
  void Add(const std::optional<GradientNoise>& noise) {
    if (noise) {
      sum_.signal += noise->signal;
      sum_.noise += noise->noise;
      ++count_;
    }
  }
  std::optional<GradientNoise> mean() const {
    if (count_ == 0) {
      return std::nullopt;
    }
    return GradientNoise{.signal = sum_.signal / count_,
                         .noise = sum_.noise / count_};
  }

 private:
  GradientNoise sum_;
  int count_ = 0;
};

std::size_t MostSamples(const GradientQuery& query, std::size_t blocks) {
  const auto asked = static_cast<std::size_t>(
      query.max_samples > 0 ? std::min(query.max_samples, kMaxReportSamples)
                            : kDefaultReportSamples);
  return std::min(asked, kMaxReportBlocks / std::max<std::size_t>(blocks, 1));
}

}  // namespace

absl::StatusOr<GradientReport> MakeGradientReport(const Job& job,
                                                  const JobSamples& samples,
                                                  const GradientQuery& query) {
  if (samples.oldest_step == 0) {
    return NoSamples(job);
  }
  if (query.first_step > 0 && query.first_step < samples.oldest_step &&
      samples.has_expired) {
    return Expired(job, query.first_step, samples.oldest_step);
  }
  ASSIGN_OR_RETURN(const std::vector<std::size_t> chosen,
                   ChooseBlocks(job.status.block_names, query.blocks));
  GradientReport report{
      .blocks = {},
      .samples = {},
      .samples_in_range = static_cast<std::int64_t>(samples.rows.size()),
      .oldest_step = samples.oldest_step,
      .has_expired = samples.has_expired,
      .noise = std::nullopt,
      .block_noise = {},
      .alarms = job.status.alarms};
  for (const std::size_t place : chosen) {
    report.blocks.push_back(job.status.block_names[place]);
  }
  NoiseMean noise;
  std::vector<NoiseMean> block_noise(chosen.size());
  const std::vector<std::size_t> kept =
      Evenly(samples.rows.size(), MostSamples(query, chosen.size()));
  auto next = kept.begin();
  for (std::size_t i = 0; i < samples.rows.size(); ++i) {
    std::optional<GradientSample> sample = ParseSample(samples.rows[i].payload);
    if (!sample) {
      return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                   absl::StrCat("a sample of job ", job.number.value,
                                " is damaged in the store"));
    }
    noise.Add(sample->noise);
    sample->blocks.resize(job.status.block_names.size());
    std::vector<BlockSample> blocks;
    for (std::size_t k = 0; k < chosen.size(); ++k) {
      block_noise[k].Add(sample->blocks[chosen[k]].noise);
      blocks.push_back(sample->blocks[chosen[k]]);
    }
    if (next != kept.end() && *next == i) {
      ++next;
      sample->blocks = std::move(blocks);
      report.samples.push_back(*std::move(sample));
    }
  }
  report.noise = noise.mean();
  for (const NoiseMean& mean : block_noise) {
    report.block_noise.push_back(mean.mean());
  }
  return report;
}

}  // namespace resnetd
