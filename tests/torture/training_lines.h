#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace resnetd {

// What is known of datasets and jobs, as lines that are equal for equal stores.

std::string DatasetLine(const std::string& name, bool is_sealed,
                        const Digest& digest, std::int64_t examples,
                        std::int64_t rejected, std::int64_t bytes,
                        std::int64_t index);
std::string ExampleLine(const std::string& name, std::int64_t sequence,
                        const Digest& image, const Digest& pack,
                        std::int64_t offset, std::int64_t bytes, int label,
                        int split);
std::string RejectedLine(const std::string& name, std::int64_t sequence,
                         const std::string& what);
std::string JobLine(const std::string& name, int state, bool is_done,
                    const std::string& spec, const std::string& status,
                    std::int64_t generation);
std::string JobEventLine(const std::string& name, std::int64_t sequence,
                         int kind, const std::string& payload);
std::string CheckpointLine(const std::string& name, std::int64_t step,
                           const std::string& manifest,
                           const std::vector<Digest>& blobs);

// The lines of a store. `jobs`: the numbers of all jobs that were ever
// made, and how JobText() calls them.
absl::StatusOr<std::vector<std::string>> TrainingLinesOf(
    Store& store, const std::map<std::int64_t, std::string>& jobs);

// How the jobs of an audit are called.
std::map<std::int64_t, std::string> JobsIn(const std::vector<AuditRow>& audit);

}  // namespace resnetd
