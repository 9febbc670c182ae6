#include "server/finetune/recipe_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Members(const RecipeViolations& violations) {
  std::vector<std::string> members;
  for (const auto& [member, text] : violations) {
    members.push_back(member);
    EXPECT_FALSE(text.empty()) << member;
  }
  return members;
}

// A member that is set to a value, and whether that is allowed alone.
template <typename T>
struct Limit {
  const char* member;
  std::optional<T> RecipeRequest::*field;
  T value;
  bool allowed;
};

template <typename T>
void CheckLimits(const std::vector<Limit<T>>& limits) {
  for (const Limit<T>& limit : limits) {
    RecipeRequest request;
    request.*limit.field = limit.value;
    const auto members = Members(FindViolations(request));
    if (limit.allowed) {
      EXPECT_THAT(members, IsEmpty()) << limit.member << ' ' << limit.value;
    } else {
      EXPECT_THAT(members, ElementsAre(limit.member)) << limit.value;
    }
  }
}

TEST(RecipeRulesTest, AllowAnEmptyRequest) {
  EXPECT_TRUE(Validate(RecipeRequest{}).ok());
}

TEST(RecipeRulesTest, BoundNumbersAtTheirEnds) {
  using R = RecipeRequest;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  CheckLimits<double>({
      {"rate", &R::rate, 0, false},
      {"rate", &R::rate, 1e-12, true},
      {"rate", &R::rate, 10, true},
      {"rate", &R::rate, 10.001, false},
      {"rate", &R::rate, nan, false},
      {"head_rate", &R::head_rate, 0, false},
      {"head_rate", &R::head_rate, 10, true},
      {"head_rate", &R::head_rate, infinity, false},
      {"epochs", &R::epochs, 0, false},
      {"epochs", &R::epochs, 0.5, true},
      {"epochs", &R::epochs, 100'000, true},
      {"epochs", &R::epochs, 100'001, false},
      {"momentum", &R::momentum, -0.01, false},
      {"momentum", &R::momentum, 0, true},
      {"momentum", &R::momentum, 0.999, true},
      {"momentum", &R::momentum, 1, false},
      {"momentum", &R::momentum, nan, false},
      {"weight_decay", &R::weight_decay, -0.1, false},
      {"weight_decay", &R::weight_decay, 0, true},
      {"weight_decay", &R::weight_decay, 1, true},
      {"weight_decay", &R::weight_decay, 1.1, false},
      {"warmup", &R::warmup, 0, true},
      {"warmup", &R::warmup, 0.99, true},
      {"warmup", &R::warmup, 1, false},
      {"label_smoothing", &R::label_smoothing, 0.99, true},
      {"label_smoothing", &R::label_smoothing, 1, false},
      {"mixup", &R::mixup, 0, true},
      {"mixup", &R::mixup, 10, true},
      {"mixup", &R::mixup, 10.1, false},
      {"l2_sp", &R::l2_sp, 1, true},
      {"l2_sp", &R::l2_sp, 1.1, false},
      {"ema", &R::ema, 0.9999, true},
      {"ema", &R::ema, 1, false},
      {"clip_norm", &R::clip_norm, 0, true},
      {"clip_norm", &R::clip_norm, 1e6, true},
      {"clip_norm", &R::clip_norm, -1, false},
      {"stochastic_depth", &R::stochastic_depth, 0.5, true},
      {"stochastic_depth", &R::stochastic_depth, 1, false},
      {"least_scale", &R::least_scale, 0.0099, false},
      {"least_scale", &R::least_scale, 0.01, true},
      {"least_scale", &R::least_scale, 1, true},
      {"least_scale", &R::least_scale, 1.01, false},
      {"most_ratio", &R::most_ratio, 0.99, false},
      {"most_ratio", &R::most_ratio, 1, true},
      {"most_ratio", &R::most_ratio, 10.5, false},
      {"flip", &R::flip, 1, true},
      {"flip", &R::flip, 1.1, false},
      {"brightness", &R::brightness, 1.1, false},
      {"contrast", &R::contrast, -0.1, false},
      {"saturation", &R::saturation, nan, false},
      {"min_delta", &R::min_delta, 1.1, false},
  });
}

TEST(RecipeRulesTest, BoundIntegersAtTheirEnds) {
  using R = RecipeRequest;
  CheckLimits<int>({
      {"batch_size", &R::batch_size, 0, false},
      {"batch_size", &R::batch_size, 1, true},
      {"batch_size", &R::batch_size, 8192, true},
      {"batch_size", &R::batch_size, 8193, false},
      {"accumulation", &R::accumulation, 0, false},
      {"accumulation", &R::accumulation, 1, true},
      {"accumulation", &R::accumulation, 8193, false},
      {"patience", &R::patience, -1, false},
      {"patience", &R::patience, 0, true},
      {"patience", &R::patience, 10'000, true},
      {"patience", &R::patience, 10'001, false},
  });
  CheckLimits<std::int64_t>({
      {"max_steps", &R::max_steps, 0, false},
      {"max_steps", &R::max_steps, 1, true},
      {"max_steps", &R::max_steps, kMostSteps, true},
      {"max_steps", &R::max_steps, kMostSteps + 1, false},
      {"evaluate_every", &R::evaluate_every, 0, false},
      {"evaluate_every", &R::evaluate_every, 1, true},
      {"checkpoint_every", &R::checkpoint_every, 0, false},
      {"checkpoint_every", &R::checkpoint_every, kMostSteps + 1, false},
      {"min_steps", &R::min_steps, -1, false},
      {"min_steps", &R::min_steps, 0, true},
      {"seed", &R::seed, -1, false},
      {"seed", &R::seed, 0, true},
      {"seed", &R::seed, kLargestSeed, true},
      {"seed", &R::seed, kLargestSeed + 1, false},
  });
}

struct Contradiction {
  const char* what;
  std::function<void(RecipeRequest&)> apply;
  std::vector<std::string> members;
};

std::vector<Contradiction> Contradictions() {
  using R = RecipeRequest;
  return {
      {"steps and epochs",
       [](R& r) {
         r.max_steps = 10;
         r.epochs = 1;
       },
       {"epochs"}},
      {"stages without the first",
       [](R& r) { r.layers = LayerPolicy::kStages; },
       {"first_stage"}},
      {"a first stage without stages",
       [](R& r) { r.first_stage = 2; },
       {"first_stage"}},
      {"a first stage of the head alone",
       [](R& r) {
         r.layers = LayerPolicy::kHead;
         r.first_stage = 2;
       },
       {"first_stage"}},
      {"stages and the first",
       [](R& r) {
         r.layers = LayerPolicy::kStages;
         r.first_stage = 2;
       },
       {}},
      {"stage 0",
       [](R& r) {
         r.layers = LayerPolicy::kStages;
         r.first_stage = 0;
       },
       {"first_stage"}},
      {"a body rate for the head alone",
       [](R& r) {
         r.layers = LayerPolicy::kHead;
         r.rate = 0.1;
       },
       {"rate"}},
      {"statistics of norms that do not train",
       [](R& r) {
         r.layers = LayerPolicy::kHead;
         r.norms = NormPolicy::kReestimate;
       },
       {"norms"}},
      {"frozen norms of the head alone",
       [](R& r) {
         r.layers = LayerPolicy::kHead;
         r.norms = NormPolicy::kFreeze;
       },
       {}},
      {"statistics in phases of the head alone",
       [](R& r) {
         r.phases.resize(2);
         for (PhaseRequest& phase : r.phases) {
           phase.steps = 1;
           phase.layers = LayerPolicy::kHead;
         }
         r.norms = NormPolicy::kTrain;
       },
       {"norms"}},
      {"statistics when one phase trains more",
       [](R& r) {
         r.phases.resize(2);
         r.phases[0].steps = 1;
         r.phases[0].layers = LayerPolicy::kHead;
         r.phases[1].steps = 1;
         r.norms = NormPolicy::kTrain;
       },
       {}},
      {"a pull of nothing",
       [](R& r) {
         r.layers = LayerPolicy::kHead;
         r.l2_sp = 0.1;
       },
       {"l2_sp"}},
      {"Nesterov without momentum",
       [](R& r) {
         r.momentum = 0;
         r.nesterov = true;
       },
       {"nesterov"}},
      {"momentum of AdamW",
       [](R& r) {
         r.optimizer = OptimizerKind::kAdamW;
         r.momentum = 0.9;
         r.nesterov = true;
       },
       {"momentum", "nesterov"}},
      {"moments of SGD",
       [](R& r) {
         r.beta1 = 0.9;
         r.beta2 = 0.9;
         r.epsilon = 1e-8;
       },
       {"beta1", "beta2", "epsilon"}},
      {"moments of AdamW",
       [](R& r) {
         r.optimizer = OptimizerKind::kAdamW;
         r.beta1 = 0.9;
         r.beta2 = 0.9;
         r.epsilon = 1e-8;
       },
       {}},
      {"more batches than examples",
       [](R& r) {
         r.batch_size = 4;
         r.accumulation = 5;
       },
       {"accumulation"}},
      {"as many batches as examples",
       [](R& r) {
         r.batch_size = 4;
         r.accumulation = 4;
       },
       {}},
      {"statistics of one example",
       [](R& r) {
         r.batch_size = 4;
         r.accumulation = 4;
         r.norms = NormPolicy::kTrain;
       },
       {"norms"}},
      {"statistics of two examples",
       [](R& r) {
         r.batch_size = 4;
         r.accumulation = 2;
         r.norms = NormPolicy::kTrain;
       },
       {}},
      {"mixup of weighted classes",
       [](R& r) {
         r.mixup = 0.1;
         r.balance = ClassBalance::kWeights;
       },
       {"mixup"}},
      {"no mixup of weighted classes",
       [](R& r) {
         r.mixup = 0;
         r.balance = ClassBalance::kWeights;
       },
       {}},
      {"means with statistics of other weights",
       [](R& r) {
         r.ema = 0.9;
         r.norms = NormPolicy::kTrain;
       },
       {"ema"}},
      {"phases and what they say already",
       [](R& r) {
         r.phases = {{.steps = 5,
                      .layers = std::nullopt,
                      .first_stage = std::nullopt,
                      .rate = std::nullopt,
                      .head_rate = std::nullopt}};
         r.layers = LayerPolicy::kAll;
         r.rate = 0.1;
         r.head_rate = 0.1;
         r.max_steps = 5;
       },
       {"layers", "rate", "head_rate", "max_steps"}},
      {"a phase of no length",
       [](R& r) { r.phases.resize(1); },
       {"phases[0].steps"}},
      {"a phase of 0 steps and wrong layers",
       [](R& r) {
         r.phases.resize(2);
         r.phases[0].steps = 1;
         r.phases[1].steps = 0;
         r.phases[1].layers = LayerPolicy::kStages;
         r.phases[1].head_rate = -1;
       },
       {"phases[1].steps", "phases[1].first_stage", "phases[1].head_rate"}},
      {"16 phases",
       [](R& r) {
         r.phases.resize(16);
         for (PhaseRequest& phase : r.phases) {
           phase.steps = 1;
         }
       },
       {}},
      {"17 phases",
       [](R& r) {
         r.phases.resize(17);
         for (PhaseRequest& phase : r.phases) {
           phase.steps = 1;
         }
       },
       {"phases"}},
  };
}

TEST(RecipeRulesTest, FindEveryContradictionAndNothingElse) {
  for (const Contradiction& one : Contradictions()) {
    RecipeRequest request;
    one.apply(request);
    EXPECT_THAT(Members(FindViolations(request)),
                ::testing::UnorderedElementsAreArray(one.members))
        << one.what;
  }
}

TEST(RecipeRulesTest, NameAllViolationsAtOnce) {
  RecipeRequest request;
  request.momentum = 1;
  request.batch_size = 0;
  request.epochs = 1;
  request.max_steps = 1;
  request.seed = -1;
  const absl::Status status = Validate(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "RECIPE_INVALID");
  std::vector<std::string> fields;
  for (const auto& [field, text] : details.violations) {
    fields.push_back(field);
  }
  EXPECT_THAT(fields,
              UnorderedElementsAre("recipe.momentum", "recipe.batch_size",
                                   "recipe.epochs", "recipe.seed"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("momentum is 1, it must be at least 0 and below 1"));
}

TEST(RecipeRulesTest, WriteBoundsWithAllTheirDigits) {
  RecipeRequest request;
  request.seed = -1;
  request.rate = 0;
  request.least_scale = 2;
  const absl::Status status = Validate(request);
  EXPECT_EQ(status.message(),
            "recipe: rate is 0, it must be above 0 and at most 10; "
            "least_scale is 2, it must be 0.01 to 1; "
            "seed is -1, it must be 0 to 9007199254740991");
}

RecipeFacts ScratchFacts() {
  return {.training_images = 1000,
          .smallest_class = 100,
          .classes = 10,
          .parts = 5,
          .input_side = 32,
          .is_incremental = false,
          .from_scratch = true};
}

TEST(RecipeRulesTest, HoldStagesAgainstTheNetwork) {
  RecipeFacts facts = ScratchFacts();
  facts.from_scratch = false;
  RecipeRequest request;
  request.layers = LayerPolicy::kStages;
  request.first_stage = 3;
  EXPECT_THAT(FindMisfits(request, facts), IsEmpty());
  request.first_stage = 4;
  EXPECT_THAT(Members(FindMisfits(request, facts)), ElementsAre("first_stage"));
  RecipeRequest phased;
  phased.phases.resize(2);
  phased.phases[1].first_stage = 4;
  EXPECT_THAT(Members(FindMisfits(phased, facts)),
              ElementsAre("phases[1].first_stage"));
}

TEST(RecipeRulesTest, TrainAllOfARandomBase) {
  const RecipeFacts facts = ScratchFacts();
  RecipeRequest request;
  EXPECT_THAT(FindMisfits(request, facts), IsEmpty());
  request.layers = LayerPolicy::kHead;
  request.norms = NormPolicy::kFreeze;
  EXPECT_THAT(Members(FindMisfits(request, facts)),
              ElementsAre("layers", "norms"));
  request = {};
  request.phases.resize(1);
  request.phases[0].layers = LayerPolicy::kHead;
  EXPECT_THAT(Members(FindMisfits(request, facts)), ElementsAre("phases"));
  request.phases.resize(2);
  EXPECT_THAT(FindMisfits(request, facts), IsEmpty());
}

}  // namespace
}  // namespace resnetd
