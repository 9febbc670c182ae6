#include "server/engine/program.h"

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "server/models/architecture.h"
#include "server/models/feature_extractor.h"

namespace resnetd {
namespace {

// Side of the output of a window of `kernel`.
int OutputSide(int side, int kernel, int stride, int padding) {
  return (side + 2 * padding - kernel) / stride + 1;
}

class ProgramWriter {
 public:
  ProgramWriter(const Network& network, int crop) : network_(network) {
    current_ = AddBuffer({network.stem.conv.in_channels, crop, crop});
  }

  Program Write() {
    WriteStages(StageCount(network_));
    Average();
    Linear();
    return Finish();
  }

  Program WriteFeatures(int stages) {
    WriteStages(stages);
    if (stages == StageCount(network_)) {
      Average();
    }
    return Finish();
  }

 private:
  // The stem and what follows, up to the end of stage `stages`.
  void WriteStages(int stages) {
    const bool v1 = network_.version == BlockVersion::kV1;
    current_ = Convolve(current_, network_.stem.conv, network_.stem.norm, v1);
    if (network_.max_pool) {
      MaxPool();
    }
    for (const ResidualBlock& block : network_.blocks) {
      if (block.stage > stages) {
        return;
      }
      if (v1) {
        WriteBlock(block);
      } else {
        WritePreActivationBlock(block);
      }
    }
    if (network_.final_norm) {
      ScaleShiftRelu(*network_.final_norm, current_);
    }
  }

  Program Finish() {
    program_.output = current_;
    return std::move(program_);
  }

  std::size_t AddBuffer(BufferShape shape) {
    program_.buffers.push_back(shape);
    return program_.buffers.size() - 1;
  }

  BufferShape OutputShape(std::size_t input, const ConvLayer& conv) const {
    const BufferShape& shape = program_.buffers[input];
    return {conv.out_channels,
            OutputSide(shape.height, conv.kernel, conv.stride, conv.padding),
            OutputSide(shape.width, conv.kernel, conv.stride, conv.padding)};
  }

  std::size_t Convolve(std::size_t input, const ConvLayer& conv,
                       const std::optional<BatchNormLayer>& norm, bool relu) {
    Step step;
    step.input = input;
    step.output = AddBuffer(OutputShape(input, conv));
    step.relu = relu;
    step.conv = conv;
    step.norm = norm;
    program_.steps.push_back(std::move(step));
    return program_.buffers.size() - 1;
  }

  // onto[...] += conv(input)
  void ConvolveOnto(std::size_t onto, std::size_t input, const ConvLayer& conv,
                    const std::optional<BatchNormLayer>& norm, bool relu) {
    Step step;
    step.input = input;
    step.output = onto;
    step.accumulate = true;
    step.relu = relu;
    step.conv = conv;
    step.norm = norm;
    program_.steps.push_back(std::move(step));
  }

  void ScaleShiftRelu(const BatchNormLayer& norm, std::size_t output) {
    Step step;
    step.kind = StepKind::kScaleShiftRelu;
    step.input = current_;
    step.output = output;
    step.relu = true;
    step.norm = norm;
    program_.steps.push_back(std::move(step));
  }

  void MaxPool() {
    const BufferShape& shape = program_.buffers[current_];
    Step step;
    step.kind = StepKind::kMaxPool;
    step.input = current_;
    step.output = AddBuffer({shape.channels, OutputSide(shape.height, 3, 2, 1),
                             OutputSide(shape.width, 3, 2, 1)});
    current_ = step.output;
    program_.steps.push_back(std::move(step));
  }

  void WriteBlock(const ResidualBlock& block) {
    const std::size_t shortcut =
        block.shortcut ? Convolve(current_, block.shortcut->conv,
                                  block.shortcut->norm, /*relu=*/false)
                       : current_;
    std::size_t at = current_;
    for (std::size_t i = 0; i + 1 < block.main_path.size(); ++i) {
      const ConvUnit& unit = block.main_path[i];
      at = Convolve(at, unit.conv, unit.norm, /*relu=*/true);
    }
    const ConvUnit& last = block.main_path.back();
    ConvolveOnto(shortcut, at, last.conv, last.norm, /*relu=*/true);
    current_ = shortcut;
  }

  void WritePreActivationBlock(const ResidualBlock& block) {
    // An identity shortcut still needs the raw sum; a projection reads the
    // activated one, so that it may overwrite it.
    const std::size_t activated =
        block.shortcut ? current_ : AddBuffer(program_.buffers[current_]);
    ScaleShiftRelu(*block.main_path[0].norm, activated);
    const std::size_t shortcut =
        block.shortcut ? Convolve(activated, block.shortcut->conv,
                                  block.shortcut->norm, /*relu=*/false)
                       : current_;
    std::size_t at = activated;
    for (std::size_t i = 0; i + 1 < block.main_path.size(); ++i) {
      at = Convolve(at, block.main_path[i].conv, block.main_path[i + 1].norm,
                    /*relu=*/true);
    }
    ConvolveOnto(shortcut, at, block.main_path.back().conv, std::nullopt,
                 /*relu=*/false);
    current_ = shortcut;
  }

  void Average() {
    Step pool;
    pool.kind = StepKind::kAveragePool;
    pool.input = current_;
    pool.output = AddBuffer({program_.buffers[current_].channels, 1, 1});
    current_ = pool.output;
    program_.steps.push_back(std::move(pool));
  }

  void Linear() {
    Step linear;
    linear.kind = StepKind::kLinear;
    linear.input = current_;
    linear.output = AddBuffer({network_.head.out_features, 1, 1});
    linear.linear = network_.head;
    current_ = linear.output;
    program_.steps.push_back(std::move(linear));
  }

  const Network& network_;
  Program program_;
  // The buffer that holds the result so far.
  std::size_t current_ = 0;
};

}  // namespace

Program BuildProgram(const Network& network, int crop) {
  return ProgramWriter(network, crop).Write();
}

Program BuildFeatureProgram(const Network& network, int crop, int stages) {
  return ProgramWriter(network, crop).WriteFeatures(stages);
}

double FlopsOfStep(const Program& program, std::size_t step) {
  const Step& what = program.steps[step];
  const BufferShape& out = program.buffers[what.output];
  const double outputs =
      static_cast<double>(out.channels) * out.height * out.width;
  switch (what.kind) {
    case StepKind::kConvolution:
      return 2 * outputs * what.conv.kernel * what.conv.kernel *
             what.conv.in_channels / what.conv.groups;
    case StepKind::kLinear:
      return 2 * outputs * what.linear.in_features;
    case StepKind::kMaxPool:
    case StepKind::kScaleShiftRelu:
    case StepKind::kAveragePool:
      break;
  }
  return 0;
}

double FlopsPerPicture(const Program& program) {
  double flops = 0;
  for (std::size_t step = 0; step < program.steps.size(); ++step) {
    flops += FlopsOfStep(program, step);
  }
  return flops;
}

}  // namespace resnetd
