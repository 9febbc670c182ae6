#pragma once

#include <memory>
#include <vector>

#include "server/models/model.h"
#include "server/models/model_package.h"
#include "server/models/precision_report.h"

namespace resnetd {

// A Model that has precisions to choose from. Thread-safe.
class ChoosingModel : public Model {
 public:
  // Which version it is, and who is asked for memory and told. Before
  // MayChoosePrecision(), once; `host` is destroyed with the model.
  virtual void Attach(const VersionFacts& facts,
                      std::unique_ptr<PrecisionHost> host) = 0;
};

}  // namespace resnetd
