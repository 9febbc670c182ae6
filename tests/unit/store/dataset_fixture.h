#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/sha256.h"
#include "server/store/dataset_catalog.h"
#include "server/store/job_catalog.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {

inline DatasetName Dataset(absl::string_view name) {
  return Must(DatasetName::Parse(name));
}

// Picture `number`: equal numbers are equal bytes.
inline std::string PictureOf(std::int64_t number) {
  return absl::StrCat("picture ", number);
}

// The example of picture `number` at `offset` of `pack`, every field with a
// value of its own.
inline ExampleRow ExampleOf(const Digest& pack, std::int64_t offset,
                            std::int64_t number) {
  const double value = 1.0 / static_cast<double>(number + 3);
  return {.sequence = 0,
          .image = Sha256Hex(BytesOf(PictureOf(number))),
          .pack = pack,
          .offset = offset,
          .bytes = static_cast<std::int64_t>(PictureOf(number).size()),
          .label = static_cast<int>(number % 2),
          .split = static_cast<ExampleSplit>(number % 4),
          .width = static_cast<int>(number + 10),
          .height = static_cast<int>(number + 20),
          .is_grey = number % 3 == 0,
          .mean = {value, value / 3, -0.0},
          .mean_square = {value * value, 1e-300, 1.0}};
}

// Pictures `first` to `first + count - 1` in one pack, which is stored, as the
// next batch of `upload`.
inline ExampleBatch BatchOf(Store& store, const DatasetName& dataset,
                            absl::string_view upload, std::int64_t index,
                            std::int64_t first, std::int64_t count) {
  ExampleBatch batch{.dataset = dataset,
                     .upload = std::string(upload),
                     .next_index = index + count,
                     .expected_index = index};
  std::string bytes;
  for (std::int64_t i = first; i < first + count; ++i) {
    absl::StrAppend(&bytes, PictureOf(i));
  }
  const Digest pack = count > 0 ? PutBlob(store, bytes) : "";
  std::int64_t offset = 0;
  for (std::int64_t i = first; i < first + count; ++i) {
    batch.examples.push_back(ExampleOf(pack, offset, i));
    offset += batch.examples.back().bytes;
  }
  return batch;
}

inline DatasetRow CreateAnimals(Store& store,
                                absl::string_view name = "animals",
                                absl::string_view request_id = "") {
  return Must(store.datasets().CreateDataset(
      Dataset(name), {"cat", "dog"},
      {.method = "CreateDataset", .request_id = std::string(request_id)}));
}

// Limits of open jobs that no test reaches.
inline constexpr JobLimits kManyJobs{.open = 1000, .open_per_creator = 1000};

// A job over `dataset` that was created.
inline JobRow CreateJobOver(Store& store, absl::string_view dataset,
                            std::vector<JobEventRow> events = {}) {
  return Must(store.jobs().CreateJob({.state = 1,
                                      .spec = R"({"epochs":3})",
                                      .status = "{}",
                                      .dataset = Dataset(dataset)},
                                     events, kManyJobs,
                                     {.method = "CreateJob"}))
      .job;
}

inline JobRow EndJob(Store& store, JobNumber job) {
  return Must(store.jobs().ChangeJob({.job = job, .state = 9, .is_done = true},
                                     std::nullopt));
}

}  // namespace resnetd
