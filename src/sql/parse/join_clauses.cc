#include "sql/parse/join_clauses.h"

#include <algorithm>

#include "sql/parse/interval.h"
#include "sql/parse/token_cursor.h"

namespace laminar::sql {
namespace {

constexpr size_t kHorizonsMax = 1024;

// The last JOIN of a level of parentheses.
struct Join {
  bool asof = false;
  int64_t table_offset = -1;
};

class Carver {
 public:
  Carver(std::string_view script, std::span<const Token> tokens, std::string& text) : cursor_(script, tokens), text_(text) {}

  Result<std::vector<JoinClause>> run() {
    while (!cursor_.at_end()) {
      if (cursor_.is_symbol("(")) {
        levels_.emplace_back();
      } else if (cursor_.is_symbol(")")) {
        if (levels_.size() > 1) levels_.pop_back();
      } else if (cursor_.is("ASOF")) {
        asof_ = cursor_.index();
      } else if (cursor_.is("JOIN")) {
        // ASOF [LEFT [OUTER] | INNER | ...] JOIN
        levels_.back() = {asof_ + 4 > cursor_.index() && asof_ < cursor_.index(), cursor_.offset(1)};
        asof_ = cursor_.tokens().size();
      } else if (cursor_.are({"TOLERANCE", "INTERVAL"})) {
        RETURN_IF_ERROR(read_tolerance());
        continue;
      } else if (cursor_.is("HORIZON") && (cursor_.is("INTERVAL", 1) || (cursor_.is_symbol("(", 1) && cursor_.is("INTERVAL", 2)))) {
        RETURN_IF_ERROR(read_horizon());
        continue;
      } else if (cursor_.are({"FOR", "SYSTEM_TIME"})) {
        RETURN_IF_ERROR(read_system_time());
        continue;
      }
      cursor_.take();
    }
    return std::move(clauses_);
  }

 private:
  Result<JoinClause> of_asof(JoinClause::Kind kind, const char* name) {
    if (!levels_.back().asof) {
      return Status(ErrorCode::kSyntaxError, std::string(name) + " stands behind the condition of an ASOF JOIN", cursor_.offset());
    }
    JoinClause clause;
    clause.kind = kind;
    clause.offset = cursor_.offset();
    clause.table_offset = levels_.back().table_offset;
    const bool twice = std::any_of(clauses_.begin(), clauses_.end(), [&](const JoinClause& other) {
      return other.kind == kind && other.table_offset == clause.table_offset;
    });
    if (twice) return Status(ErrorCode::kSyntaxError, std::string(name) + " is given twice", cursor_.offset());
    return clause;
  }

  // The clause reaches to the cursor.
  void keep(JoinClause clause) {
    const int64_t end = cursor_.tokens()[cursor_.index() - 1].end;
    std::fill(text_.begin() + clause.offset, text_.begin() + end, ' ');
    clauses_.push_back(std::move(clause));
  }

  Status read_tolerance() {
    ASSIGN_OR_RETURN(JoinClause clause, of_asof(JoinClause::Kind::kTolerance, "TOLERANCE"));
    cursor_.take();
    ASSIGN_OR_RETURN(const IntervalLiteral interval, read_interval(cursor_, IntervalSign::kNotNegative, "TOLERANCE"));
    clause.intervals_us.push_back(interval.us);
    keep(std::move(clause));
    return {};
  }

  Status read_horizon() {
    ASSIGN_OR_RETURN(JoinClause clause, of_asof(JoinClause::Kind::kHorizon, "HORIZON"));
    cursor_.take();
    RETURN_IF_ERROR(cursor_.expect_symbol("("));
    do {
      const int64_t at = cursor_.offset();
      ASSIGN_OR_RETURN(const IntervalLiteral interval, read_interval(cursor_, IntervalSign::kAny, "HORIZON"));
      if (std::find(clause.intervals_us.begin(), clause.intervals_us.end(), interval.us) != clause.intervals_us.end()) {
        return Status(ErrorCode::kInvalidInterval, "HORIZON names " + interval.text + " twice", at);
      }
      clause.intervals_us.push_back(interval.us);
      if (clause.intervals_us.size() > kHorizonsMax) {
        return Status(ErrorCode::kInvalidInterval, "HORIZON takes at most " + std::to_string(kHorizonsMax) + " intervals", at);
      }
    } while (cursor_.accept_symbol(","));
    RETURN_IF_ERROR(cursor_.expect_symbol(")"));
    keep(std::move(clause));
    return {};
  }

  Status read_system_time() {
    JoinClause clause;
    clause.kind = JoinClause::Kind::kSystemTime;
    clause.offset = cursor_.offset();
    clause.table_offset = cursor_.index() > 0 ? cursor_.tokens()[cursor_.index() - 1].begin : -1;
    cursor_.take();
    cursor_.take();
    RETURN_IF_ERROR(cursor_.expect("AS"));
    RETURN_IF_ERROR(cursor_.expect("OF"));
    clause.time_offset = cursor_.offset();
    if (cursor_.is("PROCTIME") && cursor_.is_symbol("(", 1)) {
      cursor_.take();
      cursor_.take();
      RETURN_IF_ERROR(cursor_.expect_symbol(")"));
    } else {
      do {
        if (!cursor_.is_name() && clause.time.empty()) return cursor_.unexpected("a time column of the left side, or PROCTIME()");
        clause.time.push_back(name_of(cursor_.script(), cursor_.take()));
      } while (cursor_.accept_symbol("."));
      const Token next = cursor_.peek();
      const bool ends = next.kind == TokenKind::kEnd || next.kind == TokenKind::kWord || next.kind == TokenKind::kQuotedWord ||
                        cursor_.is_symbol(")") || cursor_.is_symbol(",");
      if (!ends) {
        return Status(ErrorCode::kSyntaxError, "FOR SYSTEM_TIME AS OF takes a time column of the left side, or PROCTIME()", clause.time_offset);
      }
    }
    keep(std::move(clause));
    return {};
  }

  TokenCursor cursor_;
  std::string& text_;
  std::vector<Join> levels_ = {Join{}};
  size_t asof_ = static_cast<size_t>(-1) / 2;  // the last ASOF, at any index behind all tokens where there is none
  std::vector<JoinClause> clauses_;
};

}  // namespace

Result<std::vector<JoinClause>> carve_join_clauses(std::string_view script, std::span<const Token> tokens, std::string& text) {
  return Carver(script, tokens, text).run();
}

}  // namespace laminar::sql
