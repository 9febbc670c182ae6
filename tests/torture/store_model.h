#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/store.h"
#include "tests/torture/store_step.h"
#include "tests/torture/training_model.h"

namespace resnetd {

// What a store must be after some steps: a second, much simpler store, which
// never crashes. A plain value.
class StoreModel {
 public:
  // Does `step` here. Returns whether the store has to accept it.
  bool Do(const Step& step);

  // One line for each version, alias, event and row of the audit, and those of
  // TrainingModel. Equal to
  // ImageOf() of a store that has come the same way.
  std::string Image() const;
  // Weights, manifests and labels of the committed versions, and those of
  // TrainingModel.
  std::set<Digest> LiveBlobs() const;
  // Blobs that no version names but that were acknowledged, and that the
  // collector had no chance to take.
  const std::set<Digest>& uploads() const { return uploads_; }

 private:
  struct Version {
    std::uint64_t content = 0;
    bool committed = true;
  };
  struct Alias {
    std::int64_t version = 0;
    std::int64_t previous = 0;
  };
  struct Model {
    std::vector<Version> versions;
    std::map<std::string, Alias> aliases;
    std::map<std::string, std::int64_t> generations;
  };

  bool Import(const Step& step);
  bool Move(const Step& step, std::int64_t to, EventKind kind);
  bool RollBack(const Step& step);
  bool DeleteAlias(const Step& step);
  bool DeleteVersion(const Step& step);
  bool Names(const Model& model, std::int64_t version) const;
  void Set(Model& model, const std::string& name, const std::string& alias,
           std::int64_t to, EventKind kind);
  void AddEvent(EventKind kind, const std::string& model, std::int64_t version,
                const std::string& alias, std::int64_t previous,
                std::int64_t generation);
  void AddAudit(const std::string& method, const std::string& resource);

  std::map<std::string, Model> models_;
  TrainingModel training_;
  std::string note_;
  std::vector<std::string> events_;
  std::vector<std::string> audit_;
  std::set<std::string> requests_;
  std::set<Digest> uploads_;
};

// The same of a store.
absl::StatusOr<std::string> ImageOf(Store& store);

}  // namespace resnetd
