#include <algorithm>

#include "sql/parse/interval.h"
#include "sql/parse/option_list.h"
#include "sql/parse/query_clauses.h"
#include "sql/parse/statement_parser.h"
#include "sql/parse/stock_parser.h"

namespace laminar::sql {
namespace {

bool same_name(std::string_view a, std::string_view b) { return lower_case(a) == lower_case(b); }

Status not_implemented(std::string what, int64_t offset) {
  return Status(ErrorCode::kNotImplemented, std::move(what) + " is not implemented", offset);
}

// The whole statement as written, from the cursor's current token on.
std::string statement_text(const TokenCursor& cursor) {
  const int64_t begin = cursor.offset();
  return std::string(cursor.script().substr(begin, cursor.tokens().back().end - begin));
}

// [IF NOT EXISTS] name
template <class Create>
Status read_head(TokenCursor& cursor, Create& create, std::string_view what) {
  if (cursor.are({"IF", "NOT", "EXISTS"})) {
    if (create.or_replace) {
      return Status(ErrorCode::kSyntaxError, "OR REPLACE and IF NOT EXISTS exclude each other", cursor.offset());
    }
    cursor.accept_all({"IF", "NOT", "EXISTS"});
    create.if_not_exists = true;
  }
  ASSIGN_OR_RETURN(create.name, cursor.object_name(what));
  return {};
}

// Reads the parenthesis of CREATE SOURCE.
class ColumnListParser {
 public:
  ColumnListParser(TokenCursor& cursor, CreateSource& source) : cursor_(cursor), source_(source) {}

  Status read() {
    if (!cursor_.accept_symbol("(")) {
      // Without columns the connector tells them: nexmark, a file's header.
      if (cursor_.is("WITH")) return {};
      return cursor_.unexpected("( and the columns, or WITH");
    }
    do {
      RETURN_IF_ERROR(read_item());
    } while (cursor_.accept_symbol(","));
    if (!cursor_.accept_symbol(")")) return cursor_.unexpected(", or )");
    if (source_.columns.empty()) {
      return Status(ErrorCode::kSyntaxError, "a source needs at least one column", source_.name.offset);
    }
    RETURN_IF_ERROR(check_primary_key());
    return check_watermark();
  }

 private:
  Status read_item() {
    if (cursor_.are({"WATERMARK", "FOR"})) return read_watermark();
    if (cursor_.are({"PRIMARY", "KEY"})) return read_primary_key();
    for (const char* keyword : {"CHECK", "UNIQUE", "FOREIGN", "CONSTRAINT"}) {
      if (cursor_.is(keyword)) return not_implemented(std::string(keyword) + " on a source", cursor_.offset());
    }
    return read_column();
  }

  Status read_column() {
    SourceColumn column;
    column.offset = cursor_.offset();
    ASSIGN_OR_RETURN(column.name, cursor_.name("a column, PRIMARY KEY (...) or WATERMARK FOR ..."));
    for (const SourceColumn& other : source_.columns) {
      if (same_name(other.name, column.name)) {
        return Status(ErrorCode::kBindError, "column is given twice: " + column.name, column.offset);
      }
    }
    RETURN_IF_ERROR(read_type(column));
    RETURN_IF_ERROR(read_constraints(column));
    if (column.type_text.empty()) {
      if (!column.is_processing_time)
        return Status(ErrorCode::kSyntaxError, "expected the type of column " + column.name, column.type_offset);
      column.type_text = "TIMESTAMP";
    }
    source_.columns.push_back(std::move(column));
    return {};
  }

  bool at_end_of_type() const {
    if (cursor_.at_end() || cursor_.is_symbol(",") || cursor_.is_symbol(")") || cursor_.is_symbol("=")) return true;
    for (const char* keyword : {"NOT", "NULL", "PRIMARY", "DEFAULT", "CHECK", "UNIQUE", "AS", "GENERATED", "COLLATE",
                                "REFERENCES", "CONSTRAINT"}) {
      if (cursor_.is(keyword)) return true;
    }
    return false;
  }

  // Takes tokens, brackets whole, until at_end() says so; the offset behind the last one.
  template <class AtEnd>
  Result<int64_t> skip_until(const AtEnd& at_end) {
    int64_t end = cursor_.offset();
    while (!at_end()) {
      end = cursor_.peek().end;
      if (!cursor_.accept_symbol("(")) {
        cursor_.take();
        continue;
      }
      if (!cursor_.skip_to_closing()) return cursor_.unexpected(")");
      end = cursor_.peek().end;
      cursor_.take();
    }
    return end;
  }

  Status read_type(SourceColumn& column) {
    column.type_offset = cursor_.offset();
    ASSIGN_OR_RETURN(const int64_t end, skip_until([this] { return at_end_of_type(); }));
    column.type_text = std::string(cursor_.script().substr(column.type_offset, end - column.type_offset));
    if (column.type_text.empty()) return {};
    return check_column_type(column.type_text, column.type_offset);
  }

  Status read_constraints(SourceColumn& column) {
    while (!cursor_.at_end() && !cursor_.is_symbol(",") && !cursor_.is_symbol(")")) {
      const int64_t offset = cursor_.offset();
      if (cursor_.accept("NOT")) {
        RETURN_IF_ERROR(cursor_.expect("NULL"));
        column.not_null = true;
      } else if (cursor_.are({"PRIMARY", "KEY"})) {
        if (!source_.primary_key.empty()) return primary_key_twice();
        cursor_.accept_all({"PRIMARY", "KEY"});
        source_.primary_key.push_back(column.name);
        primary_key_offset_ = offset;
      } else if (cursor_.accept("AS")) {
        if (!cursor_.is("PROCTIME")) return not_implemented("a computed column other than AS PROCTIME()", offset);
        cursor_.take();
        RETURN_IF_ERROR(cursor_.expect_symbol("("));
        RETURN_IF_ERROR(cursor_.expect_symbol(")"));
        column.is_processing_time = true;
      } else if (!cursor_.accept("NULL")) {
        for (const char* keyword : {"DEFAULT", "CHECK", "UNIQUE", "GENERATED", "COLLATE", "REFERENCES", "CONSTRAINT"}) {
          if (cursor_.is(keyword)) return not_implemented(std::string(keyword) + " on a source's column", offset);
        }
        return cursor_.unexpected("NOT NULL, PRIMARY KEY, AS PROCTIME(), , or )");
      }
    }
    return {};
  }

  Status primary_key_twice() const {
    return Status(ErrorCode::kSyntaxError, "PRIMARY KEY is given twice", cursor_.offset());
  }

  Status read_primary_key() {
    if (!source_.primary_key.empty()) return primary_key_twice();
    primary_key_offset_ = cursor_.offset();
    cursor_.accept_all({"PRIMARY", "KEY"});
    ASSIGN_OR_RETURN(source_.primary_key, cursor_.name_list("a column"));
    return {};
  }

  // WATERMARK FOR ts [AS ts [- INTERVAL ...]] [PER KEY (column, ...)] [WHEN condition]
  Status read_watermark() {
    if (source_.watermark) return Status(ErrorCode::kSyntaxError, "WATERMARK is given twice", cursor_.offset());
    WatermarkClause watermark;
    watermark.offset = cursor_.offset();
    cursor_.accept_all({"WATERMARK", "FOR"});
    watermark_column_offset_ = cursor_.offset();
    ASSIGN_OR_RETURN(watermark.column, cursor_.name("a column"));
    if (!cursor_.is("WHEN")) {
      RETURN_IF_ERROR(cursor_.expect("AS"));
      const int64_t offset = cursor_.offset();
      ASSIGN_OR_RETURN(const std::string column, cursor_.name("the column " + watermark.column));
      if (!same_name(column, watermark.column)) {
        return Status(ErrorCode::kInvalidWatermark,
                      "a watermark follows its own column: expected " + watermark.column + ", found " + column, offset);
      }
      if (cursor_.accept_symbol("-")) {
        ASSIGN_OR_RETURN(const IntervalLiteral delay,
                         read_interval(cursor_, IntervalSign::kNotNegative, "the watermark's delay"));
        watermark.delay_us = delay.us;
      }
    }
    if (cursor_.is("PER")) {
      watermark.key_offset = cursor_.offset();
      cursor_.take();
      RETURN_IF_ERROR(cursor_.expect("KEY"));
      ASSIGN_OR_RETURN(watermark.key, cursor_.name_list("a column"));
    }
    if (cursor_.accept("WHEN")) RETURN_IF_ERROR(read_condition(watermark));
    if (!cursor_.is_symbol(",") && !cursor_.is_symbol(")")) {
      return cursor_.unexpected(!watermark.key.empty() ? ", or )" : watermark.delay_us ? "PER KEY (column, ...), , or )" : "- INTERVAL '...', PER KEY (column, ...), , or )");
    }
    source_.watermark = std::move(watermark);
    return {};
  }

  // To the comma or bracket that ends the clause.
  Status read_condition(WatermarkClause& watermark) {
    watermark.when_offset = cursor_.offset();
    ASSIGN_OR_RETURN(const int64_t end, skip_until([this] { return cursor_.at_end() || cursor_.is_symbol(",") || cursor_.is_symbol(")"); }));
    if (end == watermark.when_offset) return cursor_.unexpected("a condition");
    watermark.when_text.assign(watermark.when_offset, ' ');
    watermark.when_text += cursor_.script().substr(watermark.when_offset, end - watermark.when_offset);
    return check_condition(watermark.when_text, watermark.when_offset, end);
  }

  bool has_column(std::string_view name) const {
    return std::any_of(source_.columns.begin(), source_.columns.end(),
                       [&](const SourceColumn& column) { return same_name(column.name, name); });
  }

  Status check_primary_key() const {
    for (size_t i = 0; i < source_.primary_key.size(); ++i) {
      const std::string& name = source_.primary_key[i];
      if (!has_column(name)) {
        return Status(ErrorCode::kBindError, "PRIMARY KEY names no column of the source: " + name, primary_key_offset_);
      }
      for (size_t j = 0; j < i; ++j) {
        if (same_name(source_.primary_key[j], name)) {
          return Status(ErrorCode::kBindError, "PRIMARY KEY names a column twice: " + name, primary_key_offset_);
        }
      }
    }
    return {};
  }

  Status check_watermark() const {
    if (!source_.watermark || has_column(source_.watermark->column)) return {};
    std::vector<std::string> names;
    for (const SourceColumn& column : source_.columns) names.push_back(column.name);
    const std::string nearest = nearest_name(source_.watermark->column, names);
    return Status(ErrorCode::kInvalidWatermark,
                  "the watermark's column is no column of the source: " + source_.watermark->column +
                      (nearest.empty() ? "" : "; did you mean " + nearest + "?"),
                  watermark_column_offset_);
  }

  TokenCursor& cursor_;
  CreateSource& source_;
  int64_t primary_key_offset_ = -1;
  int64_t watermark_column_offset_ = -1;
};

Result<StatementBody> parse_source(TokenCursor& cursor, bool or_replace, std::string text) {
  CreateSource source;
  source.or_replace = or_replace;
  source.statement_text = std::move(text);
  RETURN_IF_ERROR(read_head(cursor, source, "the source's name"));
  RETURN_IF_ERROR(ColumnListParser(cursor, source).read());
  if (cursor.is("WITH")) {
    ASSIGN_OR_RETURN(source.options, read_with_options(cursor));
    RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
  }
  RETURN_IF_ERROR(cursor.expect_end("WITH (options) or the end of the statement"));
  return StatementBody(std::move(source));
}

Result<StatementBody> parse_lookup(TokenCursor& cursor, bool or_replace, std::string text) {
  CreateLookup lookup;
  lookup.or_replace = or_replace;
  lookup.statement_text = std::move(text);
  RETURN_IF_ERROR(read_head(cursor, lookup, "the lookup table's name"));
  RETURN_IF_ERROR(ColumnListParser(cursor, lookup).read());
  if (lookup.watermark) {
    return Status(ErrorCode::kInvalidWatermark, "a lookup table has no event time: leave WATERMARK out", lookup.watermark->offset);
  }
  for (const SourceColumn& column : lookup.columns) {
    if (!column.is_processing_time) continue;
    return Status(ErrorCode::kSyntaxError, "a lookup table has no PROCTIME() columns: " + column.name, column.offset);
  }
  if (!cursor.is("WITH")) return cursor.unexpected("WITH (connector = '...')");
  ASSIGN_OR_RETURN(lookup.options, read_with_options(cursor));
  RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
  return StatementBody(std::move(lookup));
}

Result<StatementBody> parse_view(TokenCursor& cursor, bool or_replace, bool is_stream, std::string text) {
  CreateView view;
  view.is_stream = is_stream;
  view.or_replace = or_replace;
  view.statement_text = std::move(text);
  RETURN_IF_ERROR(read_head(cursor, view, is_stream ? "the stream's name" : "the view's name"));
  if (cursor.is_symbol("(")) return not_implemented("a list of column names behind the name", cursor.offset());
  RETURN_IF_ERROR(cursor.expect("AS"));
  ASSIGN_OR_RETURN(QueryWithClauses query, read_query_with_clauses(cursor));
  view.query_text = std::move(query.query_text);
  view.query_begin = query.query_begin;
  view.query_end = query.query_end;
  view.emit = query.emit;
  view.lateness_us = query.lateness_us;
  view.lateness_offset = query.lateness_offset;
  view.late_data_to = std::move(query.late_data_to);
  view.options = std::move(query.options);
  return StatementBody(std::move(view));
}

Result<StatementBody> parse_sink(TokenCursor& cursor, bool or_replace, std::string text) {
  CreateSink sink;
  sink.or_replace = or_replace;
  sink.statement_text = std::move(text);
  RETURN_IF_ERROR(read_head(cursor, sink, "the sink's name"));
  RETURN_IF_ERROR(cursor.expect("FROM"));
  if (cursor.accept_symbol("(")) {
    const size_t begin = cursor.index();
    if (!cursor.skip_to_closing()) return cursor.unexpected(") behind the query");
    const size_t end = cursor.index();
    cursor.move_to(begin);
    ASSIGN_OR_RETURN(QueryWithClauses query, read_plain_query(cursor, end));
    cursor.take();
    sink.query_text = std::move(query.query_text);
  } else {
    ASSIGN_OR_RETURN(sink.from, cursor.object_name("a view's name or (query)"));
  }
  if (cursor.is("WITH")) {
    ASSIGN_OR_RETURN(sink.options, read_with_options(cursor));
    RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
  }
  RETURN_IF_ERROR(cursor.expect_end("WITH (options) or the end of the statement"));
  return StatementBody(std::move(sink));
}

Result<StatementBody> parse_watermark_group(TokenCursor& cursor, bool or_replace, std::string text) {
  CreateWatermarkGroup group;
  group.or_replace = or_replace;
  group.statement_text = std::move(text);
  RETURN_IF_ERROR(read_head(cursor, group, "the group's name"));
  if (!cursor.accept_symbol("(")) return cursor.unexpected("( and the sources");
  do {
    ASSIGN_OR_RETURN(group.members.emplace_back(), cursor.object_name("a source's name"));
  } while (cursor.accept_symbol(","));
  if (!cursor.accept_symbol(")")) return cursor.unexpected(", or )");
  if (cursor.is("WITH")) {
    ASSIGN_OR_RETURN(group.options, read_with_options(cursor));
    RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
  }
  RETURN_IF_ERROR(cursor.expect_end("WITH (options) or the end of the statement"));
  return StatementBody(std::move(group));
}

}  // namespace

bool is_our_create(const TokenCursor& cursor) {
  if (!cursor.is("CREATE")) return false;
  const size_t noun = cursor.are({"OR", "REPLACE"}, 1) ? 3 : 1;
  return cursor.is("SOURCE", noun) || cursor.is("MATERIALIZED", noun) || cursor.is("STREAM", noun) ||
         cursor.is("SINK", noun) || cursor.are({"LOOKUP", "TABLE"}, noun) || cursor.are({"WATERMARK", "GROUP"}, noun);
}

Result<StatementBody> parse_create(TokenCursor& cursor) {
  std::string text = statement_text(cursor);
  RETURN_IF_ERROR(cursor.expect("CREATE"));
  const bool or_replace = cursor.accept_all({"OR", "REPLACE"});
  if (cursor.accept_all({"WATERMARK", "GROUP"})) return parse_watermark_group(cursor, or_replace, std::move(text));
  if (cursor.accept("SOURCE")) return parse_source(cursor, or_replace, std::move(text));
  if (cursor.accept_all({"LOOKUP", "TABLE"})) return parse_lookup(cursor, or_replace, std::move(text));
  if (cursor.accept("STREAM")) return parse_view(cursor, or_replace, true, std::move(text));
  if (cursor.accept("SINK")) return parse_sink(cursor, or_replace, std::move(text));
  if (cursor.accept("MATERIALIZED")) {
    RETURN_IF_ERROR(cursor.expect("VIEW"));
    return parse_view(cursor, or_replace, false, std::move(text));
  }
  return cursor.unexpected("SOURCE, LOOKUP TABLE, MATERIALIZED VIEW, STREAM, SINK or WATERMARK GROUP");
}

}  // namespace laminar::sql
