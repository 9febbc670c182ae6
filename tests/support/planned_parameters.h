#pragma once

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "server/engine/calibration.h"
#include "server/engine/folding.h"
#include "server/engine/parameters.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/engine/quantisation.h"
#include "server/models/model_package.h"
#include "tests/support/filled_package.h"

namespace resnetd {

// A network of 16 x 16 pictures and 10 classes with its parameters in one
// precision; int8 with all ranges 25.5. Not to be moved.
struct PlannedParameters {
  PlannedParameters(const std::string& name, Precision precision)
      : package(FilledPackage(name, 10, 16)),
        program(BuildProgram(package.network, 16)),
        parameters(Make(precision)) {}

  Parameters Make(Precision precision) {
    StepSource source = [this](std::size_t step) {
      return FoldStep(program.steps[step], package.weights);
    };
    if (precision != Precision::kInt8) {
      return {engine, program, source, precision};
    }
    Calibration calibration;
    for (const Step& step : program.steps) {
      if (!StepName(step).empty()) {
        calibration.ranges[StepName(step)] = 25.5;
      }
    }
    return {engine, program, source,
            Int8Numbers{.levels = LevelsOf(program, calibration),
                        .preprocess = package.facts.preprocess}};
  }

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  ModelPackage package;
  Program program;
  Parameters parameters;
};

}  // namespace resnetd
