#pragma once

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "server/base/ids.h"
#include "server/image/preprocess.h"
#include "server/models/architecture.h"
#include "server/models/model_package.h"
#include "server/models/weight_fill.h"

namespace resnetd {

// Whether the golden logits and the benches show it small pictures.
inline bool IsCifar(const std::string& architecture) {
  return absl::StartsWith(architecture, "cifar_");
}

// A version of the known architecture `name` with the weights of FillWeights().
inline ModelPackage FilledPackage(const std::string& name, int num_classes,
                                  int crop) {
  Architecture architecture = FindArchitecture(name, num_classes).value();
  Network network = BuildNetwork(architecture);
  Weights weights = FillWeights(network);
  PreprocessSpec preprocess;
  preprocess.resize = crop;
  preprocess.crop = crop;
  return {.facts = {.name = ModelName::Parse("filled").value(),
                    .version = VersionNumber{1},
                    .architecture = std::move(architecture),
                    .preprocess = preprocess,
                    .labels = {},
                    .weights_sha256 = "",
                    .description = "",
                    .evaluations = {}},
          .network = std::move(network),
          .weights = std::move(weights)};
}

// The same as the golden logits have it: 1000 classes and 224 x 224, or 10
// classes and 32 x 32.
inline ModelPackage FilledPackage(const std::string& name) {
  return IsCifar(name) ? FilledPackage(name, 10, 32)
                       : FilledPackage(name, 1000, 224);
}

}  // namespace resnetd
