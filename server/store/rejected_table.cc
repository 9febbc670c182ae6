#include "server/store/rejected_table.h"

#include <utility>

#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

Seal SealOf(std::int64_t dataset, const RejectedRow& row) {
  Seal seal("rejected_examples");
  seal.Add(dataset)
      .Add(row.sequence)
      .Add(row.name)
      .Add(row.label)
      .Add(row.code)
      .Add(row.message);
  return seal;
}

}  // namespace

absl::Status InsertRejected(Database& database, std::int64_t dataset,
                            const RejectedRow& row) {
  return database
      .Prepare(
          "INSERT INTO rejected_examples(dataset, sequence, name, label, code, "
          "message, seal) VALUES(?, ?, ?, ?, ?, ?, ?)")
      .Bind(dataset)
      .Bind(row.sequence)
      .Bind(row.name)
      .Bind(row.label)
      .Bind(row.code)
      .Bind(row.message)
      .Bind(SealOf(dataset, row).Hex())
      .Run();
}

absl::StatusOr<std::vector<RejectedRow>> ReadRejected(Database& database,
                                                      std::int64_t dataset,
                                                      std::int64_t after,
                                                      std::int64_t limit) {
  Query query = database.Prepare(
      "SELECT sequence, name, label, code, message, seal FROM "
      "rejected_examples WHERE dataset = ? AND sequence > ? ORDER BY sequence "
      "LIMIT ?");
  query.Bind(dataset).Bind(after).Bind(limit);
  std::vector<RejectedRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return rows;
    }
    RejectedRow row{.sequence = query.Int(0),
                    .name = query.Text(1),
                    .label = query.Text(2),
                    .code = query.Text(3),
                    .message = query.Text(4)};
    RETURN_IF_ERROR(
        CheckSeal(SealOf(dataset, row), query.Text(5), "rejected_examples"));
    if (row.sequence != ++after) {
      return DamagedDatabase("a rejected example is missing");
    }
    rows.push_back(std::move(row));
  }
}

}  // namespace resnetd
