#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Leaves the function with the error, if there is one.
#define RETURN_IF_ERROR(expression)                         \
  do {                                                      \
    if (::absl::Status status_of_expression = (expression); \
        !status_of_expression.ok()) {                       \
      return status_of_expression;                          \
    }                                                       \
  } while (false)

// ASSIGN_OR_RETURN(const Pixels pixels, Decode(...)): declares or assigns the
// left side, or leaves the function with the error.
#define ASSIGN_OR_RETURN(left, expression)                              \
  RESNETD_ASSIGN_OR_RETURN_(RESNETD_CONCAT_(statusor_, __LINE__), left, \
                            expression)

// NOLINTBEGIN(bugprone-macro-parentheses): names and declarations, which cannot
// stand in parentheses.
#define RESNETD_ASSIGN_OR_RETURN_(statusor, left, expression) \
  auto statusor = (expression);                               \
  if (!statusor.ok()) {                                       \
    return std::move(statusor).status();                      \
  }                                                           \
  left = *std::move(statusor)
// NOLINTEND(bugprone-macro-parentheses)

#define RESNETD_CONCAT_(a, b) RESNETD_CONCAT_INNER_(a, b)
#define RESNETD_CONCAT_INNER_(a, b) a##b
