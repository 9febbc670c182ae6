#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {

// A network with everything made that a batch of any size needs, so that none
// has to run first.
struct ReadyModel {
  std::unique_ptr<Model> model;
  // What it answers for the golden pictures (golden.h).
  std::vector<float> golden;
};

// A second face of a ModelLoader, for versions that were imported before and
// should answer soon: VersionLoader looks for it, and runs a batch of every
// size of the networks of loaders without it. Thread-safe.
class ReadyLoader {
 public:
  virtual ~ReadyLoader() = default;

  // As ModelLoader::Load(), and in the precision that an earlier start chose
  // for the version, if that choice can be had and still holds. `golden`: what
  // the version answered for the golden pictures when it was imported. The
  // caller compares with it; a precision that was chosen and does not hold to
  // it is not used. The errors of ModelLoader::Load() and Model::Logits().
  virtual absl::StatusOr<ReadyModel> LoadReady(const ModelPackage& package,
                                               absl::Span<const float> golden,
                                               std::size_t max_batch) = 0;
};

}  // namespace resnetd
