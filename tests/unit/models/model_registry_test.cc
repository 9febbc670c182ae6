#include "server/models/model_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/thread.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

ModelReference Reference(absl::string_view text) {
  return ParseModelReference(text).value();
}

TEST(ParseModelReferenceTest, ReadsAllForms) {
  EXPECT_EQ(Reference("").name, std::nullopt);
  EXPECT_EQ(Reference("").version, std::nullopt);
  EXPECT_EQ(Reference("digits").name->text(), "digits");
  EXPECT_EQ(Reference("digits").version, std::nullopt);
  EXPECT_EQ(Reference("models/digits").name->text(), "digits");
  EXPECT_EQ(Reference("models/digits/versions/7").name->text(), "digits");
  EXPECT_EQ(Reference("models/digits/versions/7").version, VersionNumber{7});
  EXPECT_EQ(Reference("models/a/versions/9223372036854775807").version,
            VersionNumber{9223372036854775807});
  EXPECT_EQ(Reference("models").name->text(), "models");
  EXPECT_EQ(Reference("models/a/aliases/canary").name->text(), "a");
  EXPECT_EQ(Reference("models/a/aliases/canary").alias, "canary");
  EXPECT_EQ(Reference("models/a/aliases/canary").version, std::nullopt);
}

TEST(AliasOfTest, IsStableUnlessTheReferenceSaysOtherwise) {
  EXPECT_EQ(AliasOf(Reference("")), "stable");
  EXPECT_EQ(AliasOf(Reference("models/a")), "stable");
  EXPECT_EQ(AliasOf(Reference("models/a/aliases/canary")), "canary");
  EXPECT_EQ(AliasOf(Reference("models/a/versions/1")), "");
}

TEST(CheckAliasTest, TakesWhatIsAName) {
  for (const char* good : {"stable", "a", "2", "blue-green_1.0"}) {
    EXPECT_TRUE(CheckAlias(good).ok()) << good;
  }
  EXPECT_TRUE(CheckAlias(std::string(64, 'a')).ok());
  for (const std::string& bad :
       {std::string(), std::string("-a"), std::string("a/b"), std::string(".."),
        std::string("Stable"), std::string(65, 'a')}) {
    const absl::Status status = CheckAlias(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID") << bad;
  }
}

TEST(ParseModelReferenceTest, RefusesEverythingElse) {
  for (const char* text : {"/",
                           "models/",
                           "/models/a",
                           "models//a",
                           "models/a/",
                           "a/b",
                           "models/a/versions",
                           "models/a/aliases/",
                           "models/a/aliases/b/",
                           "models/a/aliases/B",
                           "models//aliases/b",
                           "models/a/aliases/b/versions/1",
                           "models/a/versions/1/aliases/b",
                           "models/a/versions/",
                           "models/a/versions/0",
                           "models/a/versions/-1",
                           "models/a/versions/+1",
                           "models/a/versions/01",
                           "models/a/versions/1x",
                           "models/a/versions/ 1",
                           "models/a/versions/1/",
                           "models/a/versions/9223372036854775808",
                           "models//versions/1",
                           "versions/1",
                           "Digits",
                           "models/..",
                           "a b",
                           "models/a/versions/1 "}) {
    const absl::Status status = ParseModelReference(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID") << text;
  }
}

TEST(ResourceNameTest, IsReadBackAsItself) {
  const ModelName name = ModelName::Parse("a.b-c_1").value();
  EXPECT_EQ(ResourceName(name), "models/a.b-c_1");
  EXPECT_EQ(ResourceName(name, VersionNumber{12}),
            "models/a.b-c_1/versions/12");
  const ModelReference reference =
      Reference(ResourceName(name, VersionNumber{12}));
  EXPECT_EQ(reference.name, name);
  EXPECT_EQ(reference.version, VersionNumber{12});
  EXPECT_EQ(AliasResourceName(name, "canary"), "models/a.b-c_1/aliases/canary");
}

// A model with versions 1 to 4 of which 1 and 2 are loaded and 4 failed.
RegisteredModel FourVersions() {
  RegisteredModel model;
  model.versions[{1}].handle = FakeVersion(FakeFacts("digits", 10, 1));
  model.versions[{2}].handle = FakeVersion(FakeFacts("digits", 10, 2));
  model.versions[{3}] = {};
  model.versions[{4}].failure = Error(
      absl::StatusCode::kDataLoss, Reason::kGoldenMismatch, "differs by much");
  model.aliases = {
      {"stable", {1}}, {"canary", {2}}, {"next", {3}}, {"broken", {4}}};
  return model;
}

TEST(ModelRegistryTest, AnswersByAliasAndByLoadedVersion) {
  ModelRegistry registry;
  registry.Publish(ModelName::Parse("digits").value(), FourVersions());
  for (const auto& [reference, version] :
       std::vector<std::pair<const char*, std::int64_t>>{
           {"", 1},
           {"digits", 1},
           {"models/digits/aliases/stable", 1},
           {"models/digits/aliases/canary", 2},
           {"models/digits/versions/1", 1},
           {"models/digits/versions/2", 2}}) {
    const auto acquired = registry.Acquire(Reference(reference));
    ASSERT_TRUE(acquired.ok()) << reference << acquired.status();
    EXPECT_EQ((*acquired)->facts.version.value, version) << reference;
  }
}

TEST(ModelRegistryTest, SaysWhyAKnownVersionDoesNotAnswer) {
  ModelRegistry registry;
  registry.Publish(ModelName::Parse("digits").value(), FourVersions());
  for (const auto& [reference, code, reason] :
       std::vector<std::tuple<const char*, absl::StatusCode, const char*>>{
           {"models/digits/versions/3", absl::StatusCode::kFailedPrecondition,
            "VERSION_NOT_READY"},
           {"models/digits/aliases/next", absl::StatusCode::kFailedPrecondition,
            "VERSION_NOT_READY"},
           {"models/digits/versions/4", absl::StatusCode::kFailedPrecondition,
            "VERSION_FAILED"},
           {"models/digits/aliases/broken",
            absl::StatusCode::kFailedPrecondition, "VERSION_FAILED"},
           {"models/digits/versions/5", absl::StatusCode::kNotFound,
            "VERSION_NOT_FOUND"},
           {"models/digits/aliases/gone", absl::StatusCode::kNotFound,
            "ALIAS_NOT_FOUND"}}) {
    const absl::Status status = registry.Acquire(Reference(reference)).status();
    EXPECT_EQ(status.code(), code) << reference;
    EXPECT_EQ(DetailsOf(status).reason, reason) << reference;
  }
  EXPECT_THAT(
      std::string(registry.Acquire(Reference("models/digits/versions/4"))
                      .status()
                      .message()),
      HasSubstr("differs by much"));
}

TEST(ModelRegistryTest, KeepsTheNewerPictureWhateverTheOrder) {
  ModelRegistry registry;
  const ModelName name = ModelName::Parse("digits").value();
  RegisteredModel newer = FourVersions();
  newer.revision = 2;
  newer.aliases["stable"] = {2};
  RegisteredModel older = FourVersions();
  older.revision = 1;
  registry.Publish(name, std::move(newer));
  registry.Publish(name, std::move(older));
  EXPECT_EQ(registry.Acquire({}).value()->facts.version.value, 2);
}

TEST(ModelRegistryTest, ListsOnlyWhatStableNamesAndIsLoaded) {
  ModelRegistry registry;
  RegisteredModel failed = FourVersions();
  failed.aliases["stable"] = {4};
  RegisteredModel without = FourVersions();
  without.aliases.erase("stable");
  registry.Publish(ModelName::Parse("failed").value(), std::move(failed));
  registry.Publish(ModelName::Parse("without").value(), std::move(without));
  registry.Publish(ModelName::Parse("digits").value(), FourVersions());
  ASSERT_EQ(registry.List().size(), 1U);
  EXPECT_EQ(registry.List()[0]->facts.version.value, 1);
}

TEST(ModelRegistryTest, AnswersByTheDefaultThatWasSet) {
  ModelRegistry registry;
  registry.Serve(FakeVersion(FakeFacts("first")));
  registry.SetDefault(ModelName::Parse("second").value());
  EXPECT_EQ(registry.default_model()->text(), "second");
  EXPECT_EQ(DetailsOf(registry.Acquire({}).status()).reason, "MODEL_NOT_FOUND");
  registry.Serve(FakeVersion(FakeFacts("second")));
  EXPECT_EQ(registry.Acquire({}).value()->facts.name.text(), "second");
}

TEST(ModelRegistryTest, AnswersByNameVersionAndDefault) {
  ModelRegistry registry;
  registry.Serve(FakeVersion(FakeFacts("first", 10, 3)));
  registry.Serve(FakeVersion(FakeFacts("another")));
  EXPECT_EQ(registry.default_model()->text(), "first");
  EXPECT_EQ(registry.Acquire({}).value()->facts.name.text(), "first");
  EXPECT_EQ(registry.Acquire(Reference("another")).value()->facts.name.text(),
            "another");
  EXPECT_EQ(registry.Acquire(Reference("models/first/versions/3"))
                .value()
                ->facts.version.value,
            3);
}

TEST(ModelRegistryTest, ListsByName) {
  ModelRegistry registry;
  EXPECT_TRUE(registry.List().empty());
  for (const char* name : {"b", "a", "c"}) {
    registry.Serve(FakeVersion(FakeFacts(name)));
  }
  std::vector<std::string> names;
  for (const ModelHandle& version : registry.List()) {
    names.push_back(version->facts.name.text());
  }
  EXPECT_THAT(names, ElementsAre("a", "b", "c"));
}

TEST(ModelRegistryTest, NamesWhatThereIsWhenAModelIsUnknown) {
  ModelRegistry registry;
  registry.Serve(FakeVersion(FakeFacts("resnet50")));
  registry.Serve(FakeVersion(FakeFacts("digits")));
  const absl::Status status = registry.Acquire(Reference("resnet5")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("available: digits, resnet50; did you mean "
                        "\"resnet50\"?"));
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "MODEL_NOT_FOUND");
  EXPECT_THAT(details.metadata,
              ElementsAre(Pair("available", "digits,resnet50")));
  EXPECT_THAT(*details.resource, Pair("model", "models/resnet5"));
}

TEST(ModelRegistryTest, ShowsAtMostTwentyNamesInAnError) {
  ModelRegistry registry;
  for (int i = 0; i < 21; ++i) {
    registry.Serve(FakeVersion(FakeFacts(absl::StrCat("model-", 100 + i))));
  }
  const absl::Status status = registry.Acquire(Reference("zzz")).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("model-119, ..."));
  EXPECT_THAT(std::string(status.message()),
              testing::Not(HasSubstr("model-120")));
}

TEST(ModelRegistryTest, NamesTheServingVersionWhenAnotherIsAskedFor) {
  ModelRegistry registry;
  registry.Serve(FakeVersion(FakeFacts("digits", 10, 2)));
  const absl::Status status =
      registry.Acquire(Reference("models/digits/versions/3")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(DetailsOf(status).reason, "VERSION_NOT_FOUND");
  EXPECT_EQ(std::string(status.message()),
            "model \"digits\" has no version 3 here; version 2 serves");
}

TEST(ModelRegistryTest, SaysThatItIsEmpty) {
  const ModelRegistry registry;
  EXPECT_EQ(registry.default_model(), std::nullopt);
  for (const char* text : {"", "digits"}) {
    const absl::Status status = registry.Acquire(Reference(text)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << text;
    EXPECT_EQ(DetailsOf(status).reason, "MODEL_NOT_FOUND") << text;
  }
}

TEST(ModelRegistryTest, KeepsAReplacedVersionAliveWhileItIsUsed) {
  ModelRegistry registry;
  registry.Serve(FakeVersion(FakeFacts("digits", 10, 1)));
  ModelHandle held = registry.Acquire({}).value();
  const std::weak_ptr<const ServedVersion> watched = held;
  registry.Serve(FakeVersion(FakeFacts("digits", 10, 2)));
  EXPECT_EQ(registry.Acquire({}).value()->facts.version.value, 2);
  EXPECT_EQ(registry.List().size(), 1U);
  EXPECT_FALSE(watched.expired());
  EXPECT_EQ(held->facts.version.value, 1);
  held.reset();
  EXPECT_TRUE(watched.expired());
}

// A model whose end asks the registry: it would wait for ever if a version
// were released under the registry's lock.
class AskingModel final : public Model {
 public:
  explicit AskingModel(const ModelRegistry& registry) : registry_(registry) {}
  ~AskingModel() override { (void)registry_.List(); }
  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> /*batch*/) const override {
    return absl::UnimplementedError("not asked");
  }
  std::string precision() const override { return "fp32"; }
  std::string backend() const override { return "fake"; }
  std::int64_t resident_bytes() const override { return 0; }

 private:
  const ModelRegistry& registry_;
};

TEST(ModelRegistryTest, ReleasesAReplacedVersionOutsideItsLock) {
  ModelRegistry registry;
  auto version = std::make_shared<ServedVersion>(
      ServedVersion{.facts = FakeFacts("digits"),
                    .model = std::make_unique<AskingModel>(registry),
                    .load_time = {}});
  const std::weak_ptr<const ServedVersion> watched = version;
  registry.Serve(std::move(version));
  registry.Serve(FakeVersion(FakeFacts("digits", 10, 2)));
  EXPECT_TRUE(watched.expired());
}

TEST(ModelRegistryTest, AnswersWhileVersionsAreReplaced) {
  constexpr int kReplacements = 500;
  ModelRegistry registry;
  registry.Serve(FakeVersion(FakeFacts("digits", 10, 1)));
  std::atomic<bool> done = false;
  std::latch started(3);
  const auto ask = [&] {
    started.arrive_and_wait();
    std::int64_t newest = 0;
    while (!done.load()) {
      const ModelHandle version = registry.Acquire({}).value();
      // Nobody sees an older version after a newer one.
      ASSERT_GE(version->facts.version.value, newest);
      newest = version->facts.version.value;
    }
  };
  {
    const Thread first("ask-0", ask);
    const Thread second("ask-1", ask);
    started.arrive_and_wait();
    for (int i = 2; i <= kReplacements; ++i) {
      registry.Serve(FakeVersion(FakeFacts("digits", 10, i)));
    }
    done.store(true);
  }
  EXPECT_EQ(registry.Acquire({}).value()->facts.version.value, kReplacements);
}

}  // namespace
}  // namespace resnetd
