#include "server/models/version_loan.h"

#include <utility>

#include "server/base/status_macros.h"

namespace resnetd {
namespace {

class Loan final : public VersionLoan {
 public:
  Loan(ModelLife& life, ModelHandle handle, bool was_loaded)
      : life_(life), handle_(std::move(handle)), was_loaded_(was_loaded) {}
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  ~Loan() override {
    if (was_loaded_) {
      return;
    }
    const ModelName model = handle_->facts.name;
    const VersionNumber version = handle_->facts.version;
    const ModelLife::Changing changing(life_, model);
    const VersionStatus status = life_.table.StatusOf(model, version);
    // Somebody else may have come to want it meanwhile.
    const bool is_wanted = status.handle != handle_ || status.requested ||
                           !life_.table.AliasesOf(model, version).empty();
    handle_.reset();
    if (!is_wanted) {
      life_.loader.Unload(model, version);
    }
  }

  const ServedVersion& version() const override { return *handle_; }
  bool is_recalled() const override {
    const VersionFacts& facts = handle_->facts;
    return life_.table.StatusOf(facts.name, facts.version).handle != handle_;
  }

 private:
  ModelLife& life_;
  ModelHandle handle_;
  const bool was_loaded_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VersionLoan>> Lend(ModelLife& life,
                                                  const ModelName& model,
                                                  VersionNumber version) {
  const ModelLife::Changing changing(life, model);
  ASSIGN_OR_RETURN(const VersionRow row,
                   life.views.CommittedRow(model, version));
  const bool was_loaded = life.table.StatusOf(model, version).handle != nullptr;
  ASSIGN_OR_RETURN(ModelHandle handle, life.loader.MakeReady(row, false));
  return std::make_unique<Loan>(life, std::move(handle), was_loaded);
}

}  // namespace resnetd
