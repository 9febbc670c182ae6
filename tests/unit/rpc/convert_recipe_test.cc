#include "server/rpc/convert_recipe.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
using testing::Pair;

// Sets every field of `message` to a value of its own, messages within too.
void FillAll(Message& message, int seed = 1) {
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    const int value = seed + i;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      ASSERT_TRUE(field->is_repeated());
      FillAll(*reflection->AddMessage(&message, field), 2 * value);
      FillAll(*reflection->AddMessage(&message, field), 3 * value);
      continue;
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection->SetDouble(&message, field, value + 0.5);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        reflection->SetInt32(&message, field, value);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection->SetInt64(&message, field, value);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection->SetBool(&message, field, true);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->SetEnumValue(&message, field, 2);
        break;
      default:
        FAIL() << field->full_name();
    }
  }
}

RecipeRequest Read(const v1::RecipeOptions& message) {
  Violations violations;
  RecipeRequest request = ToRecipeRequest(message, "recipe", violations);
  EXPECT_TRUE(violations.empty()) << violations.ToStatus();
  return request;
}

TEST(ConvertRecipeTest, EveryFieldComesThroughBothWays) {
  v1::RecipeOptions message;
  FillAll(message);
  EXPECT_TRUE(MessageDifferencer::Equals(ToProto(Read(message)), message));
}

TEST(ConvertRecipeTest, EachFieldComesThroughAlone) {
  const auto* type = v1::RecipeOptions::descriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    v1::RecipeOptions all;
    FillAll(all);
    v1::RecipeOptions one = all;
    for (int j = 0; j < type->field_count(); ++j) {
      if (j != i) {
        one.GetReflection()->ClearField(&one, type->field(j));
      }
    }
    EXPECT_TRUE(MessageDifferencer::Equals(ToProto(Read(one)), one))
        << type->field(i)->name();
  }
}

TEST(ConvertRecipeTest, NothingSaidStaysNothingSaid) {
  const RecipeRequest request = Read({});
  EXPECT_FALSE(request.layers);
  EXPECT_FALSE(request.rate);
  EXPECT_FALSE(request.optimizer);
  EXPECT_FALSE(request.seed);
  EXPECT_TRUE(
      MessageDifferencer::Equals(ToProto(request), v1::RecipeOptions()));
}

TEST(ConvertRecipeTest, FieldsHaveTheMembersOfTheirName) {
  v1::RecipeOptions message;
  message.set_rate(0.25);
  message.set_head_rate(0.5);
  message.set_max_steps(7);
  message.set_batch_size(8);
  message.set_nesterov(false);
  message.set_seed(9);
  message.add_phases()->set_steps(3);
  message.mutable_phases(0)->set_first_stage(2);
  const RecipeRequest request = Read(message);
  EXPECT_EQ(request.rate, 0.25);
  EXPECT_EQ(request.head_rate, 0.5);
  EXPECT_EQ(request.max_steps, 7);
  EXPECT_EQ(request.batch_size, 8);
  EXPECT_EQ(request.nesterov, false);
  EXPECT_EQ(request.seed, 9);
  ASSERT_EQ(request.phases.size(), 1U);
  EXPECT_EQ(request.phases[0].steps, 3);
  EXPECT_EQ(request.phases[0].first_stage, 2);
}

TEST(ConvertRecipeTest, EveryValueOfEveryEnumComesThrough) {
  const std::vector<std::pair<v1::LayerPolicy, LayerPolicy>> layers = {
      {v1::LAYER_POLICY_ALL, LayerPolicy::kAll},
      {v1::LAYER_POLICY_HEAD, LayerPolicy::kHead},
      {v1::LAYER_POLICY_STAGES, LayerPolicy::kStages},
      {v1::LAYER_POLICY_AUTO_RGN, LayerPolicy::kAutoRgn}};
  EXPECT_EQ(
      layers.size() + 1,
      static_cast<std::size_t>(v1::LayerPolicy_descriptor()->value_count()));
  for (const auto& [wire, domain] : layers) {
    v1::RecipeOptions message;
    message.set_layers(wire);
    EXPECT_EQ(Read(message).layers, domain);
    EXPECT_EQ(ToProto(Read(message)).layers(), wire);
  }
  const std::vector<std::pair<v1::NormPolicy, NormPolicy>> norms = {
      {v1::NORM_POLICY_TRAIN, NormPolicy::kTrain},
      {v1::NORM_POLICY_FREEZE, NormPolicy::kFreeze},
      {v1::NORM_POLICY_REESTIMATE, NormPolicy::kReestimate}};
  for (const auto& [wire, domain] : norms) {
    v1::RecipeOptions message;
    message.set_norms(wire);
    EXPECT_EQ(Read(message).norms, domain);
  }
  const std::vector<std::pair<v1::ClassBalance, ClassBalance>> balances = {
      {v1::CLASS_BALANCE_NONE, ClassBalance::kNone},
      {v1::CLASS_BALANCE_WEIGHTS, ClassBalance::kWeights},
      {v1::CLASS_BALANCE_SAMPLER, ClassBalance::kSampler}};
  for (const auto& [wire, domain] : balances) {
    v1::RecipeOptions message;
    message.set_balance(wire);
    EXPECT_EQ(Read(message).balance, domain);
  }
  v1::RecipeOptions message;
  message.set_schedule(v1::RATE_SCHEDULE_CONSTANT);
  message.set_optimizer(v1::OPTIMIZER_KIND_ADAMW);
  EXPECT_EQ(Read(message).schedule, RateSchedule::kConstant);
  EXPECT_EQ(Read(message).optimizer, OptimizerKind::kAdamW);
  message.set_schedule(v1::RATE_SCHEDULE_COSINE);
  message.set_optimizer(v1::OPTIMIZER_KIND_SGD);
  EXPECT_EQ(Read(message).schedule, RateSchedule::kCosine);
  EXPECT_EQ(Read(message).optimizer, OptimizerKind::kSgd);
  EXPECT_FALSE(Read(message).precision);
  message.set_precision(v1::TRAINING_PRECISION_FP32);
  EXPECT_EQ(Read(message).precision, TrainingPrecision::kFp32);
  message.set_precision(v1::TRAINING_PRECISION_BF16);
  EXPECT_EQ(Read(message).precision, TrainingPrecision::kBf16);
  EXPECT_EQ(ToProto(Read(message)).precision(), v1::TRAINING_PRECISION_BF16);
}

TEST(ConvertRecipeTest, RefusesEveryValueThatThereIsNot) {
  v1::RecipeOptions message;
  message.add_phases()->set_layers(static_cast<v1::LayerPolicy>(5));
  message.set_layers(static_cast<v1::LayerPolicy>(-1));
  message.set_optimizer(static_cast<v1::OptimizerKind>(3));
  message.set_schedule(static_cast<v1::RateSchedule>(3));
  message.set_norms(static_cast<v1::NormPolicy>(4));
  message.set_balance(static_cast<v1::ClassBalance>(4));
  message.set_precision(static_cast<v1::TrainingPrecision>(3));
  Violations violations;
  ToRecipeRequest(message, "spec.recipe", violations);
  EXPECT_THAT(
      DetailsOf(violations.ToStatus()).violations,
      ElementsAre(
          Pair("spec.recipe.phases[0].layers",
               "spec.recipe.phases[0].layers 5 is no value of LayerPolicy"),
          Pair("spec.recipe.layers",
               "spec.recipe.layers -1 is no value of LayerPolicy"),
          Pair("spec.recipe.optimizer",
               "spec.recipe.optimizer 3 is no value of OptimizerKind"),
          Pair("spec.recipe.schedule",
               "spec.recipe.schedule 3 is no value of RateSchedule"),
          Pair("spec.recipe.norms",
               "spec.recipe.norms 4 is no value of NormPolicy"),
          Pair("spec.recipe.balance",
               "spec.recipe.balance 4 is no value of ClassBalance"),
          Pair("spec.recipe.precision",
               "spec.recipe.precision 3 is no value of TrainingPrecision")));
}

TEST(ConvertRecipeTest, TellsEverySettingOfAResolvedRecipe) {
  Recipe recipe;
  recipe.phases = {{.steps = 10,
                    .trained_parts = {false, true},
                    .rates = {0, 0.5},
                    .auto_rgn = true,
                    .plain = true},
                   {.steps = 20, .trained_parts = {true, true}}};
  recipe.optimizer = {.kind = OptimizerKind::kAdamW,
                      .momentum = 0.1,
                      .nesterov = false,
                      .beta1 = 0.2,
                      .beta2 = 0.3,
                      .epsilon = 0.4,
                      .weight_decay = 0.5};
  recipe.batch_size = 2;
  recipe.accumulation = 3;
  recipe.replay_share = 0.6;
  recipe.warmup = 0.7;
  recipe.schedule = RateSchedule::kConstant;
  recipe.norms = NormPolicy::kReestimate;
  recipe.label_smoothing = 0.8;
  recipe.mixup = 0.9;
  recipe.l2_sp = 1.1;
  recipe.ema = 1.2;
  recipe.clip_norm = 1.3;
  recipe.stochastic_depth = 1.4;
  recipe.zero_init_residual = true;
  recipe.augmentation = {.least_scale = 2.1,
                         .most_ratio = 2.2,
                         .flip = 2.3,
                         .brightness = 2.4,
                         .contrast = 2.5,
                         .saturation = 2.6};
  recipe.balance = ClassBalance::kSampler;
  recipe.evaluate_every = 4;
  recipe.checkpoint_every = 5;
  recipe.early_stopping = {.patience = 6, .min_delta = 0.25, .min_steps = 7};
  recipe.seed = 8;
  recipe.precision = TrainingPrecision::kBf16;
  const v1::Recipe message = ToProto(recipe);
  ASSERT_EQ(message.phases_size(), 2);
  EXPECT_EQ(message.phases(0).steps(), 10);
  EXPECT_THAT(message.phases(0).trained_parts(), ElementsAre(false, true));
  EXPECT_THAT(message.phases(0).rates(), ElementsAre(0, 0.5));
  EXPECT_TRUE(message.phases(0).auto_rgn());
  EXPECT_FALSE(message.phases(1).auto_rgn());
  EXPECT_TRUE(message.phases(0).plain());
  EXPECT_FALSE(message.phases(1).plain());
  EXPECT_EQ(message.optimizer().kind(), v1::OPTIMIZER_KIND_ADAMW);
  EXPECT_EQ(message.optimizer().momentum(), 0.1);
  EXPECT_FALSE(message.optimizer().nesterov());
  EXPECT_EQ(message.optimizer().beta1(), 0.2);
  EXPECT_EQ(message.optimizer().beta2(), 0.3);
  EXPECT_EQ(message.optimizer().epsilon(), 0.4);
  EXPECT_EQ(message.optimizer().weight_decay(), 0.5);
  EXPECT_EQ(message.batch_size(), 2);
  EXPECT_EQ(message.accumulation(), 3);
  EXPECT_EQ(message.replay_share(), 0.6);
  EXPECT_EQ(message.warmup(), 0.7);
  EXPECT_EQ(message.schedule(), v1::RATE_SCHEDULE_CONSTANT);
  EXPECT_EQ(message.norms(), v1::NORM_POLICY_REESTIMATE);
  EXPECT_EQ(message.label_smoothing(), 0.8);
  EXPECT_EQ(message.mixup(), 0.9);
  EXPECT_EQ(message.l2_sp(), 1.1);
  EXPECT_EQ(message.ema(), 1.2);
  EXPECT_EQ(message.clip_norm(), 1.3);
  EXPECT_EQ(message.stochastic_depth(), 1.4);
  EXPECT_TRUE(message.zero_init_residual());
  EXPECT_EQ(message.augmentation().least_scale(), 2.1);
  EXPECT_EQ(message.augmentation().most_ratio(), 2.2);
  EXPECT_EQ(message.augmentation().flip(), 2.3);
  EXPECT_EQ(message.augmentation().brightness(), 2.4);
  EXPECT_EQ(message.augmentation().contrast(), 2.5);
  EXPECT_EQ(message.augmentation().saturation(), 2.6);
  EXPECT_EQ(message.balance(), v1::CLASS_BALANCE_SAMPLER);
  EXPECT_EQ(message.evaluate_every(), 4);
  EXPECT_EQ(message.checkpoint_every(), 5);
  EXPECT_EQ(message.early_stopping().patience(), 6);
  EXPECT_EQ(message.early_stopping().min_delta(), 0.25);
  EXPECT_EQ(message.early_stopping().min_steps(), 7);
  EXPECT_EQ(message.seed(), 8);
  EXPECT_EQ(message.precision(), v1::TRAINING_PRECISION_BF16);
}

}  // namespace
}  // namespace resnetd
