#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/store/store.h"
#include "tests/torture/store_model.h"

namespace resnetd {

// How long blobs are kept that nothing names.
inline constexpr Duration kGrace = std::chrono::hours(1);

// Two states of which a store may have either: an unanswered step has happened
// whole or not at all. A plain value.
struct Expected {
  StoreModel before;
  // The state after the step in flight, if there was one that had to succeed.
  std::optional<StoreModel> after;
};

// What must hold for a store that was just opened, whatever happened before:
// it is in one of the expected states, to which `model` is set; every version
// has the bytes that were imported; no acknowledged blob is gone; Verify()
// finds nothing. Empty: all of it holds.
std::string Complaints(Store& store, const Expected& expected,
                       StoreModel* model);
// Every version has the bytes that were imported, every example its picture,
// every checkpoint its blobs, and Verify() finds nothing.
std::string BlobComplaints(Store& store);

// Paths of all files of a store, relative to its folder.
using FileList = std::function<std::vector<std::string>()>;

// Nothing is in the staging area.
std::string StagingComplaints(const FileList& files);
// Nothing is left but the blobs `wanted`, once the grace time is over.
// `advance` moves the clock of the store by twice the grace time.
std::string LeftOverComplaints(Store& store, const std::set<Digest>& wanted,
                               const FileList& files,
                               const std::function<void()>& advance);

}  // namespace resnetd
