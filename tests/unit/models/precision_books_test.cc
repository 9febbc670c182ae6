#include "server/models/precision_books.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/models/memory_estimate.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

constexpr std::int64_t kLimit = 1'000'000;

class SizedModel final : public Model {
 public:
  explicit SizedModel(std::int64_t bytes) : bytes_(bytes) {}
  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> /*batch*/) const override {
    return absl::UnimplementedError("");
  }
  std::string precision() const override { return "int8"; }
  std::string backend() const override { return "sized"; }
  std::int64_t resident_bytes() const override { return bytes_; }
  void Resize(std::int64_t bytes) { bytes_ = bytes; }

 private:
  std::int64_t bytes_;
};

class ListeningSink final : public ModelMetricsSink {
 public:
  void VersionLoaded(const ServedVersion&) override {}
  void VersionUnloaded(const ModelName&, VersionNumber) override {}
  void LoadFailed(const ModelName&, const absl::Status&) override {}
  void AliasPointed(const AliasMoved&) override {}
  void AliasDeleted(const ModelName&, absl::string_view) override {}
  void IntegrityFailed(const ModelName&, VersionNumber) override {}
  void MemoryChanged(const MemoryUse& use) override { memory_ = use; }
  void PrecisionChosen(const ServedVersion& version,
                       const std::vector<PrecisionFigures>& refused) override {
    chosen_ = version.model->precision();
    refused_ = refused;
  }

  MemoryUse memory_;
  std::string chosen_;
  std::vector<PrecisionFigures> refused_;
};

class PrecisionBooksTest : public ::testing::Test {
 protected:
  PrecisionBooksTest() : table_(registry_, clock_) {
    auto model = std::make_unique<SizedModel>(400'000);
    model_ = model.get();
    const VersionFacts facts = FakeFacts("m", 10, 1);
    version_ = std::make_shared<ServedVersion>(
        ServedVersion{.facts = facts, .model = std::move(model)});
    table_.AddVersion(facts.name, facts.version);
    table_.Loading(facts.name, facts.version);
    table_.Warming(facts.name, facts.version);
    table_.Ready(version_, 400'000);
    const MemoryUse use =
        DivideMemory(BuildNetwork(facts.architecture), 400'000);
    held_ = std::make_shared<HeldMemory>(use);
    (*ledger_->Admit(use.total()))->Settle(use);
    host_ = books_->HostOf(*version_, held_);
  }

  FakeClock clock_;
  ModelRegistry registry_;
  ResidentTable table_;
  ListeningSink sink_;
  // The version that was read last.
  std::string read_;
  std::shared_ptr<MemoryLedger> ledger_ =
      std::make_shared<MemoryLedger>(kLimit);
  std::unique_ptr<PrecisionBooks> books_ = std::make_unique<PrecisionBooks>(
      ledger_, table_, sink_,
      [this](const VersionFacts& version) -> absl::StatusOr<ModelPackage> {
        read_ = version.name.text();
        return absl::DataLossError("its weights are damaged");
      });
  SizedModel* model_ = nullptr;
  ModelHandle version_;
  std::shared_ptr<HeldMemory> held_;
  std::unique_ptr<PrecisionHost> host_;
};

TEST_F(PrecisionBooksTest, BooksWhatATrialTakesAndGivesItBack) {
  auto room = host_->Book(1000);
  ASSERT_TRUE(room.ok()) << room.status();
  EXPECT_EQ(ledger_->use().loading, 1000);
  EXPECT_EQ(sink_.memory_.loading, 1000);
  room->reset();
  EXPECT_EQ(ledger_->use().total(), 400'000);
  EXPECT_EQ(sink_.memory_.loading, 0);
}

TEST_F(PrecisionBooksTest, ATrialBeyondTheLimitIsRefused) {
  const std::int64_t free = kLimit - 400'000;
  EXPECT_TRUE(host_->Book(free - 1).ok());
  EXPECT_TRUE(host_->Book(free).ok());
  const absl::Status status = host_->Book(free + 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(status).reason, "MEMORY_ADMISSION");
  EXPECT_EQ(ledger_->use().total(), 400'000);
}

TEST_F(PrecisionBooksTest, AChoiceIsInTheBooksAndTold) {
  model_->Resize(100'000);
  host_->Chosen(
      {{.precision = "bf16", .objection = PrecisionObjection::kDisagrees}});
  EXPECT_EQ(ledger_->use().total(), 100'000);
  EXPECT_EQ(held_->use().total(), 100'000);
  EXPECT_EQ(table_.HeldBytes(), 100'000);
  EXPECT_EQ(sink_.memory_.total(), 100'000);
  EXPECT_EQ(sink_.chosen_, "int8");
  ASSERT_EQ(sink_.refused_.size(), 1U);
  // And the other way, to what is larger.
  model_->Resize(500'000);
  host_->Chosen({});
  EXPECT_EQ(ledger_->use().total(), 500'000);
  EXPECT_EQ(table_.HeldBytes(), 500'000);
}

TEST_F(PrecisionBooksTest, AVersionThatIsUnloadedChangesNoOthersBytes) {
  table_.Unload(version_->facts.name, version_->facts.version);
  model_->Resize(100'000);
  host_->Chosen({});
  EXPECT_EQ(table_.HeldBytes(), 0);
  EXPECT_EQ(ledger_->use().total(), 100'000) << "until it is freed";
}

TEST_F(PrecisionBooksTest, ReadsItsVersionOrSaysWhyNot) {
  EXPECT_EQ(host_->Read().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(read_, "m");
}

TEST_F(PrecisionBooksTest, WhoOutlivesTheBooksIsRefusedAndTellsNobody) {
  auto room = host_->Book(1000);
  books_.reset();
  model_->Resize(100'000);
  host_->Chosen({});
  EXPECT_EQ(sink_.chosen_, "");
  EXPECT_EQ(host_->Book(1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(host_->Read().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(read_, "");
  room->reset();
  EXPECT_EQ(ledger_->use().loading, 0);
}

}  // namespace
}  // namespace resnetd
