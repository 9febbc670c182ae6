#include "server/finetune/recipe_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/base/error.h"
#include "server/finetune/canonical_json.h"
#include "server/finetune/json_reader.h"
#include "server/finetune/json_writer.h"
#include "server/finetune/random.h"
#include "server/finetune/recipe_rules.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

absl::StatusOr<Recipe> RecipeFromJson(const nlohmann::json& json) {
  RecipeViolations violations;
  Recipe recipe;
  JsonReader::Read(json, "", violations, recipe);
  if (violations.empty()) {
    violations = FindViolations(recipe);
  }
  if (!violations.empty()) {
    return ToStatus(violations);
  }
  return recipe;
}

nlohmann::json RecipeRequestToJson(const RecipeRequest& request) {
  return JsonWriter::Write(request);
}

absl::StatusOr<RecipeRequest> RecipeRequestFromJson(
    const nlohmann::json& json) {
  RecipeViolations violations;
  RecipeRequest request;
  JsonReader::Read(json, "", violations, request);
  if (!violations.empty()) {
    return ToStatus(violations);
  }
  return request;
}

Recipe ExampleRecipe() {
  RecipeRequest request;
  request.seed = 7;
  request.least_scale = 0.5;
  return ResolveRecipe(request, {.training_images = 300,
                                 .smallest_class = 30,
                                 .classes = 10,
                                 .parts = 5,
                                 .input_side = 32,
                                 .is_incremental = true,
                                 .from_scratch = false})
      .value();
}

TEST(RecipeJsonTest, ReadsBackWhatItWrites) {
  const Recipe recipe = ExampleRecipe();
  const auto read = RecipeFromJson(
      nlohmann::json::parse(CanonicalJson(RecipeToJson(recipe))));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, recipe);
  EXPECT_EQ(ConfigHash(*read), ConfigHash(recipe));
}

// The text and the hash are in databases and in lineages of versions: they must
// stay what they are.
TEST(RecipeJsonTest, HasTheSameTextAndHashForever) {
  const std::string text = CanonicalJson(RecipeToJson(ExampleRecipe()));
  EXPECT_EQ(
      text,
      R"({"accumulation":1,"augmentation":{"brightness":0,"contrast":0,)"
      R"("flip":0,"least_scale":0.5,"most_ratio":1.3333333333333333,)"
      R"("saturation":0},"balance":"NONE","batch_size":32,)"
      R"("checkpoint_every":25,"clip_norm":0,)"
      R"("early_stopping":{"min_delta":0,"min_steps":100,"patience":5},)"
      R"("ema":0.98,"evaluate_every":25,"l2_sp":0,"label_smoothing":0,)"
      R"("mixup":0,"norms":"FREEZE","optimizer":{"beta1":0.9,"beta2":0.999,)"
      R"("epsilon":1e-08,"kind":"SGD","momentum":0.9,"nesterov":true,)"
      R"("weight_decay":0},"phases":[{"auto_rgn":false,)"
      R"("rates":[0,0,0,0,0.025],"steps":100,)"
      R"("trained_parts":[false,false,false,false,true]},{"auto_rgn":false,)"
      R"("rates":[0,0,0.0025,0.0025,0.025],"steps":400,)"
      R"("trained_parts":[false,false,true,true,true]}],"replay_share":0.5,)"
      R"("schedule":"COSINE","seed":7,"stochastic_depth":0,"warmup":0.1,)"
      R"("zero_init_residual":false})");
  EXPECT_EQ(ConfigHash(ExampleRecipe()),
            "c10ae4af9a4a45a98f6ab2a53470e04f4e997dfb831f052ef4c74776ad13b811");
}

TEST(RecipeJsonTest, WritesThatPicturesAreAsForServingOnlyWhereTheyAre) {
  Recipe recipe = ExampleRecipe();
  recipe.phases[0].plain = true;
  const nlohmann::json json = RecipeToJson(recipe);
  EXPECT_EQ(json["phases"][0]["plain"], true);
  EXPECT_FALSE(json["phases"][1].contains("plain"));
  EXPECT_EQ(*RecipeFromJson(json), recipe);
}

TEST(RecipeJsonTest, WritesAPrecisionThatIsNotFp32) {
  Recipe recipe = ExampleRecipe();
  EXPECT_FALSE(RecipeToJson(recipe).contains("precision"));
  recipe.precision = TrainingPrecision::kBf16;
  const nlohmann::json json = RecipeToJson(recipe);
  EXPECT_EQ(json["precision"], "BF16");
  EXPECT_EQ(*RecipeFromJson(json), recipe);
}

TEST(RecipeJsonTest, HashesEveryMember) {
  const nlohmann::json json = RecipeToJson(ExampleRecipe());
  const std::string hash = ConfigHash(ExampleRecipe());
  const std::vector<std::pair<std::string, nlohmann::json>> changes = {
      {"/accumulation", 2},
      {"/augmentation/flip", 0.5},
      {"/balance", "SAMPLER"},
      {"/batch_size", 33},
      {"/checkpoint_every", 26},
      {"/clip_norm", 1},
      {"/early_stopping/patience", 6},
      {"/ema", 0.5},
      {"/evaluate_every", 26},
      {"/l2_sp", 0.1},
      {"/label_smoothing", 0.1},
      {"/mixup", 0.1},
      {"/norms", "REESTIMATE"},
      {"/optimizer/momentum", 0.8},
      {"/phases/0/steps", 101},
      {"/phases/1/auto_rgn", true},
      {"/phases/1/plain", true},
      {"/precision", "BF16"},
      {"/replay_share", 0.25},
      {"/schedule", "CONSTANT"},
      {"/seed", 8},
      {"/stochastic_depth", 0.1},
      {"/warmup", 0.2},
      {"/zero_init_residual", true}};
  for (const auto& [path, value] : changes) {
    nlohmann::json changed = json;
    changed[nlohmann::json::json_pointer(path)] = value;
    const auto recipe = RecipeFromJson(changed);
    ASSERT_TRUE(recipe.ok()) << path << recipe.status();
    EXPECT_NE(ConfigHash(*recipe), hash) << path;
  }
}

std::vector<std::string> FieldsOf(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "RECIPE_INVALID");
  std::vector<std::string> fields;
  for (const auto& [field, text] : DetailsOf(status).violations) {
    fields.push_back(field);
  }
  return fields;
}

struct Damage {
  const char* path;
  nlohmann::json value;
  const char* field;
};

TEST(RecipeJsonTest, RefusesWhatIsOfAnotherTypeOrOutOfRange) {
  const nlohmann::json json = RecipeToJson(ExampleRecipe());
  const std::vector<Damage> damages = {
      {"/batch_size", "32", "recipe.batch_size"},
      {"/batch_size", 32.5, "recipe.batch_size"},
      {"/batch_size", 5'000'000'000, "recipe.batch_size"},
      {"/batch_size", 0, "recipe.batch_size"},
      {"/seed", 18'446'744'073'709'551'615U, "recipe.seed"},
      {"/ema", nullptr, "recipe.ema"},
      {"/ema", 1, "recipe.ema"},
      {"/norms", "freeze", "recipe.norms"},
      {"/norms", 1, "recipe.norms"},
      {"/precision", "FP16", "recipe.precision"},
      {"/phases", nlohmann::json::array(), "recipe.phases"},
      {"/phases", 5, "recipe.phases"},
      {"/phases/0", 5, "recipe.phases[0]"},
      {"/phases/0/steps", 0, "recipe.phases[0].steps"},
      {"/phases/0/rates/4", 0, "recipe.phases[0].rates[4]"},
      {"/phases/0/rates/0", 0.1, "recipe.phases[0].rates[0]"},
      {"/phases/1/rates", {1}, "recipe.phases[1].rates"},
      {"/phases/1/trained_parts/0", 1, "recipe.phases[1].trained_parts[0]"},
      {"/phases/0/trained_parts/4", false, "recipe.phases[0].trained_parts"},
      {"/optimizer", nlohmann::json::array(), "recipe.optimizer"},
      {"/optimizer/nesterov", 1, "recipe.optimizer.nesterov"},
      {"/replay_share", 1, "recipe.replay_share"},
      {"/new", 1, "recipe.\"new\""},
      {"/optimizer/new", 1, "recipe.optimizer.\"new\""},
  };
  for (const Damage& damage : damages) {
    nlohmann::json damaged = json;
    damaged[nlohmann::json::json_pointer(damage.path)] = damage.value;
    const auto fields = FieldsOf(RecipeFromJson(damaged).status());
    EXPECT_THAT(fields, ::testing::Contains(damage.field))
        << damage.path << ' ' << damage.value;
  }
}

TEST(RecipeJsonTest, RefusesEveryMemberThatIsMissing) {
  const nlohmann::json json = RecipeToJson(ExampleRecipe());
  for (const auto& [name, value] : json.items()) {
    nlohmann::json less = json;
    less.erase(name);
    EXPECT_THAT(FieldsOf(RecipeFromJson(less).status()),
                ElementsAre("recipe." + name));
  }
  EXPECT_FALSE(RecipeFromJson(nlohmann::json::array()).ok());
  EXPECT_FALSE(RecipeFromJson(nullptr).ok());
}

// What a member may be replaced by.
nlohmann::json AnyValue(RandomStream& stream) {
  switch (stream.Below(9)) {
    case 0:
      return nullptr;
    case 1:
      return stream.Below(2) == 0;
    case 2:
      return static_cast<std::int64_t>(stream.Bits64());
    case 3:
      return stream.Bits64();
    case 4:
      return stream.Uniform(-2, 2);
    case 5:
      return "HEAD";
    case 6:
      return nlohmann::json::array({1, "x", nullptr});
    case 7:
      return nlohmann::json::object({{"steps", 1}});
    default:
      return static_cast<std::int64_t>(stream.Below(100));
  }
}

TEST(RecipeJsonTest, TakesNothingThatItWouldNotWrite) {
  const nlohmann::json json = RecipeToJson(ExampleRecipe());
  const nlohmann::json flat = json.flatten();
  std::vector<std::string> paths;
  for (const auto& [path, value] : flat.items()) {
    paths.push_back(path);
  }
  int taken = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    RandomStream stream(2, RandomPurpose::kStep, 0, i);
    nlohmann::json changed = json;
    const std::string& path =
        paths[static_cast<std::size_t>(stream.Below(paths.size()))];
    changed[nlohmann::json::json_pointer(path)] = AnyValue(stream);
    const auto recipe = RecipeFromJson(changed);
    if (recipe.ok()) {
      ++taken;
      EXPECT_EQ(CanonicalJson(RecipeToJson(*recipe)), CanonicalJson(changed))
          << path;
    }
  }
  EXPECT_GT(taken, 100);
}

TEST(RecipeRequestJsonTest, WritesOnlyWhatIsSaid) {
  EXPECT_EQ(CanonicalJson(RecipeRequestToJson({})), "{}");
  RecipeRequest request;
  request.layers = LayerPolicy::kAutoRgn;
  request.epochs = 1.5;
  request.nesterov = false;
  EXPECT_EQ(CanonicalJson(RecipeRequestToJson(request)),
            R"({"epochs":1.5,"layers":"AUTO_RGN","nesterov":false})");
}

TEST(RecipeRequestJsonTest, ReadsBackWhatItWrites) {
  const std::string text =
      R"({"accumulation":2,"balance":"WEIGHTS","batch_size":16,"beta1":0.8,)"
      R"("beta2":0.9,"brightness":0.1,"checkpoint_every":3,"clip_norm":1,)"
      R"("contrast":0.2,"ema":0.5,"epsilon":1e-06,"evaluate_every":4,)"
      R"("flip":0.5,"l2_sp":0.01,"label_smoothing":0.1,"least_scale":0.7,)"
      R"("min_delta":0.01,"min_steps":9,"mixup":0,"momentum":0.5,)"
      R"("most_ratio":1.5,"nesterov":true,"norms":"FREEZE",)"
      R"("optimizer":"ADAMW","patience":3,"phases":[{"first_stage":2,)"
      R"("head_rate":0.1,"layers":"STAGES","rate":0.01,"steps":5},)"
      R"({"steps":6}],"precision":"BF16","saturation":0.3,"schedule":"CONSTANT","seed":5,)"
      R"("stochastic_depth":0.2,"warmup":0,"weight_decay":0.05})";
  const auto request = RecipeRequestFromJson(nlohmann::json::parse(text));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(CanonicalJson(RecipeRequestToJson(*request)), text);
}

TEST(RecipeRequestJsonTest, RefusesUnknownMembersAndWrongTypes) {
  EXPECT_THAT(
      FieldsOf(RecipeRequestFromJson({{"moment", 1}, {"seed", "x"}}).status()),
      ElementsAre("recipe.seed", "recipe.\"moment\""));
  EXPECT_THAT(
      FieldsOf(
          RecipeRequestFromJson({{"phases", {{{"steps", 1.5}}}}}).status()),
      ElementsAre("recipe.phases[0].steps"));
}

}  // namespace
}  // namespace resnetd
