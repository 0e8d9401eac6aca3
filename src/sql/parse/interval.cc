#include "sql/parse/interval.h"

#include "base/duration.h"

namespace laminar::sql {
namespace {

Status problem(const ParsedDuration& parsed, const std::string& text, std::string_view what, int64_t offset) {
  std::string reason;
  switch (parsed.problem) {
    case DurationProblem::kNone:
      break;
    case DurationProblem::kEmpty:
      reason = "it is empty";
      break;
    case DurationProblem::kMalformed:
      reason = "expected numbers with units, such as '5 minutes'";
      break;
    case DurationProblem::kNoUnit:
      reason = "a number has no unit; write '5 minutes'";
      break;
    case DurationProblem::kUnknownUnit:
      reason = "unknown unit " + parsed.word;
      break;
    case DurationProblem::kVariableUnit:
      reason = parsed.word + " have no fixed length; use days or weeks";
      break;
    case DurationProblem::kTooFine:
      reason = "it is finer than a microsecond";
      break;
    case DurationProblem::kTooLarge:
      reason = "it is too large";
      break;
  }
  return Status(ErrorCode::kInvalidInterval,
                "invalid interval for " + std::string(what) + ": " + reason + ": '" + text + "'", offset);
}

// A unit written behind the literal: INTERVAL '5' MINUTE.
bool at_unit(const TokenCursor& cursor) {
  return cursor.peek().kind == TokenKind::kWord && is_duration_unit(cursor.text(cursor.peek()));
}

bool is_bare_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.+- \t") == std::string_view::npos;
}

}  // namespace

Result<IntervalLiteral> read_interval(TokenCursor& cursor, IntervalSign sign, std::string_view what) {
  IntervalLiteral literal;
  literal.offset = cursor.offset();
  if (!cursor.accept("INTERVAL")) return cursor.unexpected("INTERVAL '...'");
  const bool parenthesis = cursor.accept_symbol("(");
  std::string prefix;
  if (cursor.accept_symbol("-")) {
    prefix = "-";
  } else {
    cursor.accept_symbol("+");
  }
  if (cursor.peek().kind == TokenKind::kString) {
    ASSIGN_OR_RETURN(literal.text, string_value(cursor.script(), cursor.peek()));
    if (!prefix.empty()) return cursor.unexpected("a number; the sign belongs inside the quotes");
    cursor.take();
  } else if (cursor.peek().kind == TokenKind::kNumber) {
    literal.text = prefix + cursor.text(cursor.take());
  } else {
    return cursor.unexpected("the interval's length, such as '5 minutes'");
  }
  if (parenthesis) RETURN_IF_ERROR(cursor.expect_symbol(")"));

  if (is_bare_number(literal.text)) {
    if (!at_unit(cursor)) {
      return Status(
          ErrorCode::kInvalidInterval,
          "invalid interval for " + std::string(what) + ": no unit; write INTERVAL '5 minutes' or INTERVAL 5 MINUTE",
          literal.offset);
    }
    literal.text += ' ' + lower_case(cursor.text(cursor.take()));
    if (cursor.is("TO")) {
      return Status(ErrorCode::kInvalidInterval,
                    "intervals from one unit to another are not read; write '1 day 2 hours'", cursor.offset());
    }
  } else if (at_unit(cursor)) {
    return Status(
        ErrorCode::kInvalidInterval,
        "invalid interval for " + std::string(what) + ": the text has its units already: '" + literal.text + "'",
        cursor.offset());
  }
  const ParsedDuration parsed = parse_duration(literal.text);
  if (!parsed.ok()) return problem(parsed, literal.text, what, literal.offset);
  if (sign != IntervalSign::kAny && (parsed.us < 0 || (parsed.us == 0 && sign == IntervalSign::kPositive))) {
    return Status(ErrorCode::kInvalidInterval,
                  "invalid interval for " + std::string(what) + ": it must " +
                      (sign == IntervalSign::kPositive ? "be longer than zero" : "not be negative") + ": '" +
                      literal.text + "'",
                  literal.offset);
  }
  literal.us = parsed.us;
  return literal;
}

}  // namespace laminar::sql
