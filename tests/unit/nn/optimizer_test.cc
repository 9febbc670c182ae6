#include "server/nn/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/nn/tensor_norm.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::array<double, 3> kGradients = {0.5, -1.25, 2};
constexpr double kRate = 0.1;

Parameter Scalar(const std::string& name, double value, std::size_t part,
                 bool decays) {
  return {.name = name,
          .tensor = at::full({1}, value, at::kDouble),
          .part = part,
          .decays = decays};
}

double ValueOf(const Parameter& parameter) {
  return parameter.tensor.item<double>();
}

// Three steps of one parameter that decays.
double AfterThreeSteps(const OptimizerSettings& settings) {
  const Parameter parameter = Scalar("w", 1.5, 0, true);
  Optimizer optimizer(settings, {parameter});
  for (std::size_t i = 0; i < kGradients.size(); ++i) {
    optimizer.Step({at::full({1}, kGradients[i], at::kDouble)}, {kRate},
                   static_cast<std::int64_t>(i) + 1);
  }
  return ValueOf(parameter);
}

// The definitions, written out.
double ByHandSgd(const OptimizerSettings& settings) {
  double w = 1.5;
  double velocity = 0;
  for (const double gradient : kGradients) {
    const double g = gradient + settings.weight_decay * w;
    velocity = settings.momentum * velocity + g;
    w -= kRate *
         (settings.nesterov ? g + settings.momentum * velocity : velocity);
  }
  return w;
}

double ByHandAdamW(const OptimizerSettings& settings) {
  double w = 1.5;
  double m = 0;
  double v = 0;
  for (std::size_t i = 0; i < kGradients.size(); ++i) {
    const double g = kGradients[i];
    const auto t = static_cast<double>(i + 1);
    w -= kRate * settings.weight_decay * w;
    m = settings.beta1 * m + (1 - settings.beta1) * g;
    v = settings.beta2 * v + (1 - settings.beta2) * g * g;
    w -= kRate * (m / (1 - std::pow(settings.beta1, t))) /
         (std::sqrt(v / (1 - std::pow(settings.beta2, t))) + settings.epsilon);
  }
  return w;
}

TEST(OptimizerTest, StepsAsSgdIsDefined) {
  for (const bool nesterov : {false, true}) {
    for (const double momentum : {0.0, 0.9}) {
      const OptimizerSettings settings = {
          .momentum = momentum, .nesterov = nesterov, .weight_decay = 0.02};
      EXPECT_NEAR(AfterThreeSteps(settings), ByHandSgd(settings), 1e-12)
          << nesterov << momentum;
    }
  }
}

TEST(OptimizerTest, StepsAsAdamWIsDefined) {
  const OptimizerSettings settings = {.kind = OptimizerKind::kAdamW,
                                      .beta1 = 0.8,
                                      .beta2 = 0.95,
                                      .epsilon = 1e-6,
                                      .weight_decay = 0.02};
  EXPECT_NEAR(AfterThreeSteps(settings), ByHandAdamW(settings), 1e-12);
}

TEST(OptimizerTest, TakesTheRateOfThePartAndTheDecayOfTheParameter) {
  const std::vector<Parameter> parameters = {
      Scalar("a", 1, 0, true), Scalar("b", 1, 1, true),
      Scalar("c", 1, 0, false), Scalar("d", 1, 2, false)};
  Optimizer optimizer({.momentum = 0, .weight_decay = 0.5}, parameters);
  std::vector<at::Tensor> gradients;
  for (const double value : {1.0, 2.0, 3.0, 4.0}) {
    gradients.push_back(at::full({1}, value, at::kDouble));
  }
  optimizer.Step(gradients, {0.1, 0.01, 0}, 1);
  EXPECT_DOUBLE_EQ(ValueOf(parameters[0]), 1 - 0.1 * 1.5);
  EXPECT_DOUBLE_EQ(ValueOf(parameters[1]), 1 - 0.01 * 2.5);
  EXPECT_DOUBLE_EQ(ValueOf(parameters[2]), 1 - 0.1 * 3);
  EXPECT_DOUBLE_EQ(ValueOf(parameters[3]), 1);
}

std::vector<std::string> StateNames(const OptimizerSettings& settings) {
  const Optimizer optimizer(settings,
                            {Scalar("a", 1, 0, true), Scalar("b", 1, 0, true)});
  std::vector<std::string> names;
  for (const NamedTensor& entry : optimizer.State()) {
    names.push_back(entry.name);
    EXPECT_EQ(entry.tensor.item<double>(), 0);
  }
  return names;
}

TEST(OptimizerTest, NamesWhatItRemembers) {
  EXPECT_THAT(StateNames({}), ElementsAre("momentum.a", "momentum.b"));
  EXPECT_THAT(StateNames({.momentum = 0}), IsEmpty());
  EXPECT_THAT(
      StateNames({.kind = OptimizerKind::kAdamW}),
      ElementsAre("exp_avg.a", "exp_avg.b", "exp_avg_sq.a", "exp_avg_sq.b"));
}

// More values than one piece has, with a remainder and in any order of memory,
// and small ones around them.
std::vector<Parameter> LargeAndSmall() {
  std::vector<Parameter> made;
  for (const std::int64_t values : {5, 300'001, 70'003, 2 * 36'864, 1}) {
    at::Tensor tensor = at::arange(1, values + 1).to(at::kFloat).sin();
    if (values == 2 * 36'864) {
      tensor = tensor.view({128, 64, 3, 3})
                   .contiguous(at::MemoryFormat::ChannelsLast);
    }
    made.push_back({.name = std::to_string(values),
                    .tensor = tensor.set_requires_grad(true),
                    .part = values == 1 ? 1U : 0U,
                    .decays = values > 5});
  }
  return made;
}

double Norm(const at::Tensor& tensor) {
  return tensor.to(at::kDouble).norm().item<double>();
}

void ExpectMeasuredSteps(const OptimizerSettings& settings) {
  const c10::NoGradGuard unrecorded;
  const std::vector<Parameter> plain = LargeAndSmall();
  const std::vector<Parameter> measured = LargeAndSmall();
  Optimizer plain_optimizer(settings, plain);
  Optimizer measuring_optimizer(settings, measured);
  const auto count = static_cast<std::int64_t>(plain.size());
  const StepNorms norms{.weights = Slots({count}, at::kCPU).unbind(),
                        .changes = Slots({count}, at::kCPU).unbind()};
  for (int step = 1; step <= 3; ++step) {
    std::vector<at::Tensor> gradients;
    std::vector<at::Tensor> before;
    for (const Parameter& parameter : measured) {
      gradients.push_back(parameter.tensor.cos());
      before.push_back(parameter.tensor.clone());
    }
    plain_optimizer.Step(gradients, {0.1, 0.2}, step);
    measuring_optimizer.Step(gradients, {0.1, 0.2}, step, &norms);
    for (std::size_t i = 0; i < measured.size(); ++i) {
      EXPECT_TRUE(measured[i].tensor.equal(plain[i].tensor));
      const double change = Norm(
          measured[i].tensor.to(at::kDouble).sub(before[i].to(at::kDouble)));
      EXPECT_NEAR(norms.changes[i].item<double>(), change, 1e-6 * change);
      const double weight = Norm(before[i]);
      EXPECT_NEAR(norms.weights[i].item<double>(), weight, 1e-12 * weight);
    }
  }
  for (std::size_t i = 0; i < plain_optimizer.State().size(); ++i) {
    EXPECT_TRUE(plain_optimizer.State()[i].tensor.equal(
        measuring_optimizer.State()[i].tensor));
  }
}

TEST(OptimizerTest, MeasuresTheChangeWithoutChangingTheStep) {
  const int threads = at::get_num_threads();
  for (const int some : {1, 2, 3}) {
    at::set_num_threads(some);
    for (const OptimizerKind kind :
         {OptimizerKind::kSgd, OptimizerKind::kAdamW}) {
      ExpectMeasuredSteps({.kind = kind, .weight_decay = 0.01});
    }
    ExpectMeasuredSteps({.momentum = 0});
  }
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace resnetd
