#include "server/store/example_table.h"

#include <array>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

// The seal covers the digest of the pack, whose own row needs no look then.
constexpr absl::string_view kColumns =
    "SELECT e.sequence, e.image, e.pack, e.position, e.bytes, e.label, "
    "e.split, e.width, e.height, e.is_grey, e.mean_r, e.mean_g, e.mean_b, "
    "e.square_r, e.square_g, e.square_b, e.seal, p.digest FROM examples e LEFT "
    "JOIN packs p ON p.dataset = e.dataset AND p.pack = e.pack WHERE "
    "e.dataset = ? ";

std::int64_t BitsOf(double value) { return std::bit_cast<std::int64_t>(value); }
double DoubleOf(std::int64_t bits) { return std::bit_cast<double>(bits); }

Seal SealOf(std::int64_t dataset, const ExampleRow& row, std::int64_t pack) {
  Seal seal("examples");
  seal.Add(dataset)
      .Add(row.sequence)
      .Add(row.image)
      .Add(row.pack)
      .Add(pack)
      .Add(row.offset)
      .Add(row.bytes)
      .Add(static_cast<std::int64_t>(row.label))
      .Add(static_cast<std::int64_t>(row.split))
      .Add(static_cast<std::int64_t>(row.width))
      .Add(static_cast<std::int64_t>(row.height))
      .Add(static_cast<std::int64_t>(row.is_grey));
  for (const std::array<double, 3>& values : {row.mean, row.mean_square}) {
    for (const double value : values) {
      seal.Add(BitsOf(value));
    }
  }
  return seal;
}

absl::StatusOr<ExampleRow> ReadExample(const Query& query,
                                       std::int64_t dataset) {
  ExampleRow row{
      .sequence = query.Int(0),
      .image = query.Text(1),
      .pack = query.Text(17),
      .offset = query.Int(3),
      .bytes = query.Int(4),
      .label = static_cast<int>(query.Int(5)),
      .split = static_cast<ExampleSplit>(query.Int(6)),
      .width = static_cast<int>(query.Int(7)),
      .height = static_cast<int>(query.Int(8)),
      .is_grey = query.Int(9) != 0,
      .mean = {DoubleOf(query.Int(10)), DoubleOf(query.Int(11)),
               DoubleOf(query.Int(12))},
      .mean_square = {DoubleOf(query.Int(13)), DoubleOf(query.Int(14)),
                      DoubleOf(query.Int(15))}};
  RETURN_IF_ERROR(CheckSeal(SealOf(dataset, row, query.Int(2)), query.Text(16),
                            "examples"));
  return row;
}

}  // namespace

absl::Status InsertExample(Database& database, std::int64_t dataset,
                           const ExampleRow& row, std::int64_t pack) {
  Query query = database.Prepare(
      "INSERT INTO examples(dataset, sequence, image, pack, position, bytes, "
      "label, split, width, height, is_grey, mean_r, mean_g, mean_b, square_r, "
      "square_g, square_b, seal) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?)");
  query.Bind(dataset)
      .Bind(row.sequence)
      .Bind(row.image)
      .Bind(pack)
      .Bind(row.offset)
      .Bind(row.bytes)
      .Bind(static_cast<std::int64_t>(row.label))
      .Bind(static_cast<std::int64_t>(row.split))
      .Bind(static_cast<std::int64_t>(row.width))
      .Bind(static_cast<std::int64_t>(row.height))
      .Bind(static_cast<std::int64_t>(row.is_grey));
  for (const std::array<double, 3>& values : {row.mean, row.mean_square}) {
    for (const double value : values) {
      query.Bind(BitsOf(value));
    }
  }
  return query.Bind(SealOf(dataset, row, pack).Hex()).Run();
}

absl::StatusOr<std::optional<ExampleRow>> FindExampleRow(Database& database,
                                                         std::int64_t dataset,
                                                         const Digest& image) {
  Query query = database.Prepare(absl::StrCat(kColumns, "AND e.image = ?"));
  query.Bind(dataset).Bind(image);
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) {
    return std::optional<ExampleRow>();
  }
  ASSIGN_OR_RETURN(ExampleRow row, ReadExample(query, dataset));
  return std::optional(std::move(row));
}

absl::StatusOr<std::vector<ExampleRow>> ReadExamples(Database& database,
                                                     std::int64_t dataset,
                                                     std::int64_t after,
                                                     std::int64_t limit) {
  Query query = database.Prepare(
      absl::StrCat(kColumns, "AND e.sequence > ? ORDER BY e.sequence LIMIT ?"));
  query.Bind(dataset).Bind(after).Bind(limit);
  std::vector<ExampleRow> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return rows;
    }
    ASSIGN_OR_RETURN(ExampleRow row, ReadExample(query, dataset));
    if (row.sequence != ++after) {
      return DamagedDatabase("an example is missing");
    }
    rows.push_back(std::move(row));
  }
}

absl::StatusOr<std::int64_t> ForEachExample(
    Database& database, std::int64_t dataset,
    const std::function<void(const ExampleRow&)>& show) {
  // In pieces, so that a million need no memory.
  constexpr std::int64_t kPiece = 1000;
  std::int64_t last = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<ExampleRow> rows,
                     ReadExamples(database, dataset, last, kPiece));
    if (rows.empty()) {
      return last;
    }
    for (const ExampleRow& row : rows) {
      show(row);
    }
    last = rows.back().sequence;
  }
}

}  // namespace resnetd
