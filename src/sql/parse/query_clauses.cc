#include "sql/parse/query_clauses.h"

#include <vector>

#include "base/options.h"
#include "sql/parse/interval.h"
#include "sql/parse/join_clauses.h"
#include "sql/parse/option_list.h"
#include "sql/parse/stock_parser.h"

namespace laminar::sql {
namespace {

// Places where a clause may begin; more than these many are not tried for better messages.
constexpr size_t kCandidatesMax = 16;

Result<EmitClause> read_emit(TokenCursor& cursor) {
  EmitClause emit;
  emit.offset = cursor.offset();
  cursor.take();
  if (cursor.accept("ON")) {
    if (cursor.accept("UPDATE")) {
      emit.mode = EmitMode::kOnUpdate;
    } else if (cursor.accept("WATERMARK")) {
      emit.mode = EmitMode::kAfterWatermark;
    } else if (cursor.accept("WINDOW")) {
      RETURN_IF_ERROR(cursor.expect("CLOSE"));
      emit.mode = EmitMode::kOnWindowClose;
    } else {
      return cursor.unexpected("UPDATE, WINDOW CLOSE or WATERMARK");
    }
  } else if (cursor.accept("AFTER")) {
    RETURN_IF_ERROR(cursor.expect("WATERMARK"));
    emit.mode = EmitMode::kAfterWatermark;
  } else if (cursor.accept("EVERY") || cursor.accept("PERIODICALLY")) {
    emit.mode = EmitMode::kEvery;
    ASSIGN_OR_RETURN(const IntervalLiteral every, read_interval(cursor, IntervalSign::kPositive, "EMIT EVERY"));
    emit.every_us = every.us;
  } else if (cursor.accept("CHANGES")) {
    emit.mode = EmitMode::kChanges;
  } else if (cursor.accept("FINAL")) {
    emit.mode = EmitMode::kFinal;
  } else {
    return cursor.unexpected("ON UPDATE, ON WINDOW CLOSE, AFTER WATERMARK, EVERY INTERVAL '...', CHANGES or FINAL");
  }
  return emit;
}

Status given_twice(const TokenCursor& cursor, const char* clause) {
  return Status(ErrorCode::kSyntaxError, std::string(clause) + " is given twice", cursor.offset());
}

// Clauses from the cursor to the end, nothing else.
Status read_clauses(TokenCursor& cursor, QueryWithClauses& out) {
  bool has_options = false;
  while (!cursor.at_end()) {
    if (cursor.is("EMIT")) {
      if (out.emit) return given_twice(cursor, "EMIT");
      ASSIGN_OR_RETURN(out.emit, read_emit(cursor));
    } else if (cursor.is("ALLOW")) {
      if (out.lateness_us) return given_twice(cursor, "ALLOW LATENESS");
      out.lateness_offset = cursor.offset();
      cursor.take();
      RETURN_IF_ERROR(cursor.expect("LATENESS"));
      ASSIGN_OR_RETURN(const IntervalLiteral lateness,
                       read_interval(cursor, IntervalSign::kNotNegative, "ALLOW LATENESS"));
      out.lateness_us = lateness.us;
    } else if (cursor.is("LATE")) {
      if (out.late_data_to) return given_twice(cursor, "LATE DATA TO");
      cursor.take();
      RETURN_IF_ERROR(cursor.expect("DATA"));
      RETURN_IF_ERROR(cursor.expect("TO"));
      ASSIGN_OR_RETURN(out.late_data_to, cursor.object_name("the name of the stream for late rows"));
    } else if (cursor.is("WITH")) {
      if (has_options) return given_twice(cursor, "WITH (options)");
      has_options = true;
      ASSIGN_OR_RETURN(out.options, read_with_options(cursor));
    } else {
      return cursor.unexpected("EMIT, ALLOW LATENESS, LATE DATA TO, WITH (options) or the end of the statement");
    }
  }
  return {};
}

bool may_begin_clause(const TokenCursor& cursor) {
  if (cursor.is("EMIT") || cursor.is("ALLOW") || cursor.is("LATE")) return true;
  return cursor.is("WITH") && cursor.is_symbol("(", 1);
}

// Token indexes outside all parentheses where a clause may begin.
std::vector<size_t> clause_candidates(TokenCursor cursor) {
  std::vector<size_t> candidates;
  int depth = 0;
  for (; !cursor.at_end(); cursor.take()) {
    if (cursor.is_symbol("(") || cursor.is_symbol("[") || cursor.is_symbol("{")) ++depth;
    if (cursor.is_symbol(")") || cursor.is_symbol("]") || cursor.is_symbol("}")) --depth;
    if (depth == 0 && may_begin_clause(cursor)) candidates.push_back(cursor.index());
  }
  return candidates;
}

std::string blanked(std::string_view text, int64_t begin, int64_t end) {
  std::string out(begin, ' ');
  out.append(text.substr(begin, end - begin));
  return out;
}

class QueryReader {
 public:
  QueryReader(TokenCursor& cursor, size_t end)
      : cursor_(cursor), tokens_(cursor.tokens()), begin_(cursor.index()), end_(end) {
    script_ = std::string(cursor.script().substr(0, tokens_[end - 1].end));
    blank_table_keywords(cursor.script(), tokens_.subspan(begin_, end - begin_), script_);
    carved_ = script_;
    carving_ = carve_join_clauses(cursor.script(), tokens_.subspan(begin_, end - begin_), carved_).status();
  }

  Result<QueryWithClauses> read(bool clauses_allowed) {
    RETURN_IF_ERROR(carving_);
    const Status whole = check(end_);
    if (whole.ok()) return take(end_, {});
    if (whole.error().code != ErrorCode::kSyntaxError) return whole;
    return clauses_allowed ? read_clauses_behind(whole) : refuse_clauses_behind(whole);
  }

 private:
  std::span<const Token> query_tokens() const { return tokens_.subspan(begin_, end_ - begin_); }

  // The whole is no query: clauses stand behind one, or something is wrong.
  Result<QueryWithClauses> read_clauses_behind(const Status& whole) {
    const std::vector<size_t> candidates = clause_candidates(cursor_);
    std::optional<Status> query_error;
    for (const size_t candidate : candidates) {
      QueryWithClauses out;
      if (candidate == begin_ || !clauses_from(candidate, out).ok()) continue;
      const Status query = check(candidate);
      if (query.ok()) return take(candidate, std::move(out));
      if (!query_error) query_error = query;
    }
    RETURN_IF_ERROR(find_unsupported_clause(cursor_.script(), query_tokens(), whole.error().offset, true));
    if (const std::optional<size_t> clause = first_behind_a_query(candidates)) {
      QueryWithClauses out;
      return clauses_from(*clause, out);
    }
    return query_error ? *query_error : whole;
  }

  Status refuse_clauses_behind(const Status& whole) const {
    RETURN_IF_ERROR(find_unsupported_clause(cursor_.script(), query_tokens(), whole.error().offset, true));
    std::vector<size_t> candidates = clause_candidates(cursor_);
    std::erase_if(candidates, [this](size_t candidate) { return candidate >= end_; });
    const std::optional<size_t> clause = first_behind_a_query(candidates);
    if (!clause) return whole;
    return Status(ErrorCode::kSyntaxError,
                  upper_case(cursor_.text(tokens_[*clause])) +
                      " cannot stand here; create a view or stream with it, and read from that",
                  tokens_[*clause].begin);
  }

  // The first candidate with a whole query before it.
  std::optional<size_t> first_behind_a_query(const std::vector<size_t>& candidates) const {
    for (size_t i = 0; i < candidates.size() && i < kCandidatesMax; ++i) {
      if (candidates[i] != begin_ && check(candidates[i]).ok()) return candidates[i];
    }
    return std::nullopt;
  }

  Status check(size_t end) const {
    const int64_t from = tokens_[begin_].begin, to = tokens_[end - 1].end;
    return check_query(blanked(carved_, from, to), from, to);
  }

  Status clauses_from(size_t candidate, QueryWithClauses& out) const {
    TokenCursor cursor = cursor_;
    cursor.move_to(candidate);
    return read_clauses(cursor, out);
  }

  QueryWithClauses take(size_t end, QueryWithClauses out) {
    out.query_begin = tokens_[begin_].begin;
    out.query_end = tokens_[end - 1].end;
    out.query_text = blanked(script_, out.query_begin, out.query_end);
    cursor_.move_to(end_);
    return out;
  }

  TokenCursor& cursor_;
  std::span<const Token> tokens_;
  size_t begin_, end_;
  std::string script_;  // up to the end of the query, TABLE keywords blanked
  std::string carved_;  // and the clauses of joins
  Status carving_;
};

}  // namespace

Result<QueryWithClauses> read_query_with_clauses(TokenCursor& cursor) {
  if (cursor.at_end()) return cursor.unexpected("a query: SELECT, FROM, VALUES or WITH");
  return QueryReader(cursor, cursor.tokens().size()).read(true);
}

Result<QueryWithClauses> read_plain_query(TokenCursor& cursor, size_t end) {
  if (cursor.index() >= end) return cursor.unexpected("a query: SELECT, FROM, VALUES or WITH");
  return QueryReader(cursor, end).read(false);
}

void blank_table_keywords(std::string_view script, std::span<const Token> tokens, std::string& text) {
  TokenCursor cursor(script, tokens);
  for (; !cursor.at_end(); cursor.take()) {
    if (!cursor.is("TUMBLE") && !cursor.is("HOP") && !cursor.is("SESSION") && !cursor.is("CUMULATE")) continue;
    if (!cursor.is_symbol("(", 1)) continue;
    // TUMBLE(DATA => TABLE bids, ...) names its arguments.
    const size_t table = cursor.is("DATA", 2) && cursor.is_symbol("=>", 3) ? 4 : 2;
    if (!cursor.is("TABLE", table)) continue;
    const Token keyword = cursor.peek(table);
    text.replace(keyword.begin, keyword.end - keyword.begin, keyword.end - keyword.begin, ' ');
  }
}

Status find_unsupported_clause(std::string_view script, std::span<const Token> tokens, int64_t limit, bool in_view) {
  TokenCursor cursor(script, tokens);
  for (; !cursor.at_end() && cursor.offset() <= limit; cursor.take()) {
    if (cursor.is("MATCH_CONDITION") && cursor.is_symbol("(", 1)) {
      return Status(ErrorCode::kNotImplemented,
                    "MATCH_CONDITION is not implemented: compare the times in ON, as in ASOF JOIN b ON a.k = b.k AND a.ts >= b.ts",
                    cursor.offset());
    }
    if (cursor.is_symbol("(", 1) && cursor.is("TABLE", 2) && cursor.peek(2).begin == limit) {
      const std::string name(cursor.script().substr(cursor.offset(), cursor.peek(0).end - cursor.offset()));
      const std::string nearest = nearest_name(name, {"TUMBLE", "HOP", "SESSION", "CUMULATE"});
      if (!nearest.empty()) {
        return Status(ErrorCode::kUnknownFunction,
                      "there is no table function " + name + " over a TABLE; did you mean " + nearest + "?", cursor.offset());
      }
    }
    const char* clause = nullptr;
    if (in_view) continue;
    if (cursor.are({"FOR", "SYSTEM_TIME"})) {
      clause = "FOR SYSTEM_TIME AS OF";
    } else if (cursor.are({"TOLERANCE", "INTERVAL"})) {
      clause = "TOLERANCE";
    } else if (cursor.is("HORIZON") && (cursor.is("INTERVAL", 1) || cursor.is_symbol("(", 1))) {
      clause = "HORIZON";
    }
    if (!clause) continue;
    return Status(ErrorCode::kNotImplemented,
                  std::string(clause) + " runs in materialized views and streams: create one and select from it", cursor.offset());
  }
  return {};
}

}  // namespace laminar::sql
