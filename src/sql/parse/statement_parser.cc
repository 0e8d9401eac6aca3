#include "sql/parse/statement_parser.h"

#include <array>
#include <charconv>

#include "sql/parse/option_list.h"
#include "sql/parse/settings.h"
#include "sql/parse/stock_parser.h"

namespace laminar::sql {
namespace {

Status not_implemented(std::string what, int64_t offset) {
  return Status(ErrorCode::kNotImplemented, std::move(what) + " is not implemented", offset);
}

// Forms that are known, recognised by their first words, and not there yet.
struct PlannedForm {
  std::array<std::string_view, 3> words;
  const char* name;
};
constexpr PlannedForm kPlannedForms[] = {
    {{"ALTER", "SOURCE"}, "ALTER SOURCE"},
    {{"ALTER", "MATERIALIZED", "VIEW"}, "ALTER MATERIALIZED VIEW"},
    {{"ALTER", "STREAM"}, "ALTER STREAM"},
    {{"ALTER", "SINK"}, "ALTER SINK"},
};

Status refuse_planned_forms(const TokenCursor& cursor) {
  for (const PlannedForm& form : kPlannedForms) {
    bool matches = true;
    for (size_t i = 0; i < form.words.size() && !form.words[i].empty(); ++i) matches &= cursor.is(form.words[i], i);
    if (matches) return not_implemented(form.name, cursor.offset());
  }
  return {};
}

// What SHOW takes besides DuckDB's own. `object`: none, FOR name, or a plain name.
enum class ShowObject { kNone, kFor, kName };
struct ShowForm {
  std::array<std::string_view, 3> words;
  ShowObject object;
};
constexpr ShowForm kShowForms[] = {
    {{"SOURCES"}, ShowObject::kNone},
    {{"STREAMS"}, ShowObject::kNone},
    {{"LOOKUP", "TABLES"}, ShowObject::kNone},
    {{"SINKS"}, ShowObject::kNone},
    {{"CHECKPOINTS"}, ShowObject::kNone},
    {{"VIEWS"}, ShowObject::kNone},
    {{"MATERIALIZED", "VIEWS"}, ShowObject::kNone},
    {{"CONNECTORS"}, ShowObject::kNone},
    {{"FUNCTIONS"}, ShowObject::kNone},
    {{"WATERMARKS"}, ShowObject::kFor},
    {{"WATERMARK", "GROUPS"}, ShowObject::kFor},
    {{"DEPENDENCIES"}, ShowObject::kFor},
    {{"CONSERVATION"}, ShowObject::kFor},
    {{"COUNTERS"}, ShowObject::kFor},
    {{"CREATE", "MATERIALIZED", "VIEW"}, ShowObject::kName},
    {{"CREATE", "SOURCE"}, ShowObject::kName},
    {{"CREATE", "STREAM"}, ShowObject::kName},
    {{"CREATE", "SINK"}, ShowObject::kName},
    {{"CREATE", "LOOKUP", "TABLE"}, ShowObject::kName},
    {{"CREATE", "WATERMARK", "GROUP"}, ShowObject::kName},
    {{"CREATE", "TABLE"}, ShowObject::kName},
    {{"CREATE", "VIEW"}, ShowObject::kName},
    {{"CREATE"}, ShowObject::kName},
};

// At the word behind SHOW; null when the SHOW is DuckDB's.
const ShowForm* find_show_form(const TokenCursor& cursor, size_t ahead) {
  for (const ShowForm& form : kShowForms) {
    size_t n = 0;
    while (n < form.words.size() && !form.words[n].empty() && cursor.is(form.words[n], ahead + n)) ++n;
    const bool all = n == form.words.size() || form.words[n].empty();
    if (!all || n == 0) continue;
    // SHOW CREATE source: the object's name is a noun.
    if (form.object == ShowObject::kName && n == 2 && cursor.peek(ahead + n).kind == TokenKind::kEnd) continue;
    // SHOW sources.t describes a table.
    if (cursor.is_symbol(".", ahead + n)) continue;
    return &form;
  }
  return nullptr;
}

Result<StatementBody> parse_show(TokenCursor& cursor, const ShowForm& form) {
  ShowStatement show;
  for (const std::string_view word : form.words) {
    if (word.empty()) break;
    cursor.take();
    if (!show.what.empty()) show.what += ' ';
    show.what += word;
  }
  switch (form.object) {
    case ShowObject::kNone:
      RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
      break;
    case ShowObject::kFor:
      if (cursor.accept("FOR")) {
        ASSIGN_OR_RETURN(show.object, cursor.object_name("an object's name"));
        RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
      }
      RETURN_IF_ERROR(cursor.expect_end("FOR name or the end of the statement"));
      break;
    case ShowObject::kName: {
      ASSIGN_OR_RETURN(show.object, cursor.object_name("an object's name"));
      RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
      break;
    }
  }
  return StatementBody(std::move(show));
}

// Words that are statements of DuckDB by themselves: EXPLAIN CHECKPOINT stays its.
bool is_stock_statement_word(const TokenCursor& cursor, size_t ahead) {
  for (const char* word : {"CHECKPOINT", "COMMIT", "ROLLBACK", "BEGIN", "ABORT", "START", "VACUUM", "ANALYZE"}) {
    if (cursor.is(word, ahead)) return true;
  }
  return false;
}

// name[.name[.name]] and nothing behind it.
bool is_lone_name(const TokenCursor& cursor, size_t ahead) {
  if (!cursor.is_name(ahead) || is_stock_statement_word(cursor, ahead)) return false;
  while (cursor.is_symbol(".", ahead + 1) &&
         (cursor.peek(ahead + 2).kind == TokenKind::kWord || cursor.peek(ahead + 2).kind == TokenKind::kQuotedWord)) {
    ahead += 2;
  }
  return cursor.peek(ahead + 1).kind == TokenKind::kEnd;
}

Result<std::optional<StatementBody>> parse_explain(TokenCursor& cursor) {
  const bool analyze = cursor.is("ANALYZE", 1) && cursor.peek(2).kind != TokenKind::kEnd;
  const size_t object = analyze ? 2 : 1;
  ExplainStatement explain;
  explain.analyze = analyze;
  TokenCursor inner = cursor;
  inner.move_to(cursor.index() + object);
  if (is_our_create(inner)) {
    const size_t noun = inner.are({"OR", "REPLACE"}, 1) ? 3 : 1;
    if (inner.is("SOURCE", noun) || inner.is("SINK", noun) || inner.is("LOOKUP", noun) || inner.is("WATERMARK", noun)) {
      inner.move_to(inner.index() + noun);
      return inner.unexpected("MATERIALIZED VIEW or STREAM");
    }
    ASSIGN_OR_RETURN(StatementBody body, parse_create(inner));
    explain.create = std::make_shared<CreateView>(std::get<CreateView>(std::move(body)));
    return std::optional<StatementBody>(std::move(explain));
  }
  if (is_lone_name(inner, 0)) {
    ASSIGN_OR_RETURN(explain.object, inner.object_name("an object's name"));
    RETURN_IF_ERROR(inner.expect_end("the end of the statement"));
    return std::optional<StatementBody>(std::move(explain));
  }
  return std::optional<StatementBody>();
}

Result<StatementBody> parse_drop(TokenCursor& cursor) {
  DropObjects drop;
  cursor.take();
  if (cursor.accept("SOURCE")) {
    drop.kind = ObjectKind::kSource;
  } else if (cursor.accept("STREAM")) {
    drop.kind = ObjectKind::kStream;
  } else if (cursor.accept("SINK")) {
    drop.kind = ObjectKind::kSink;
  } else if (cursor.accept_all({"LOOKUP", "TABLE"})) {
    drop.kind = ObjectKind::kLookupTable;
  } else if (cursor.accept_all({"WATERMARK", "GROUP"})) {
    drop.kind = ObjectKind::kWatermarkGroup;
  } else {
    RETURN_IF_ERROR(cursor.expect("MATERIALIZED"));
    RETURN_IF_ERROR(cursor.expect("VIEW"));
    drop.kind = ObjectKind::kView;
  }
  drop.if_exists = cursor.accept_all({"IF", "EXISTS"});
  do {
    ASSIGN_OR_RETURN(drop.names.emplace_back(), cursor.object_name("a name"));
  } while (cursor.accept_symbol(","));
  drop.cascade = cursor.accept("CASCADE");
  if (!drop.cascade) {
    if (cursor.accept("RESTRICT")) RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
    RETURN_IF_ERROR(cursor.expect_end(", CASCADE, RESTRICT or the end of the statement"));
  }
  RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
  return StatementBody(std::move(drop));
}

// SUBSCRIBE v [WITH SNAPSHOT] [AS OF TICK n] [WHERE condition]
Result<StatementBody> parse_subscribe(TokenCursor& cursor) {
  SubscribeStatement subscribe;
  cursor.take();
  ASSIGN_OR_RETURN(subscribe.view, cursor.object_name("a view's name"));
  if (cursor.accept("WITH")) {
    RETURN_IF_ERROR(cursor.expect("SNAPSHOT"));
    subscribe.with_snapshot = true;
  }
  if (cursor.accept("AS")) {
    RETURN_IF_ERROR(cursor.expect("OF"));
    RETURN_IF_ERROR(cursor.expect("TICK"));
    const std::string text = cursor.text(cursor.peek());
    uint64_t tick = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), tick);
    if (cursor.peek().kind != TokenKind::kNumber || error != std::errc() || end != text.data() + text.size()) {
      return cursor.unexpected("the tick's number");
    }
    cursor.take();
    subscribe.as_of_tick = tick;
  }
  if (cursor.accept("WHERE")) {
    if (cursor.at_end()) return cursor.unexpected("a condition");
    subscribe.where_begin = cursor.offset();
    const int64_t end = cursor.tokens().back().end;
    subscribe.where_text.assign(subscribe.where_begin, ' ');
    subscribe.where_text += cursor.script().substr(subscribe.where_begin, end - subscribe.where_begin);
    RETURN_IF_ERROR(check_condition(subscribe.where_text, subscribe.where_begin, end));
    return StatementBody(std::move(subscribe));
  }
  const char* expected = subscribe.as_of_tick      ? "WHERE or the end of the statement"
                         : subscribe.with_snapshot ? "AS OF TICK n, WHERE or the end of the statement"
                                                   : "WITH SNAPSHOT, AS OF TICK n, WHERE or the end of the statement";
  RETURN_IF_ERROR(cursor.expect_end(expected));
  return StatementBody(std::move(subscribe));
}

// REAPPLY LATE ROWS OF v [WHERE condition]
Result<StatementBody> parse_reapply(TokenCursor& cursor) {
  ReapplyStatement reapply;
  const int64_t whole = cursor.offset();
  reapply.statement_text = cursor.script().substr(whole, cursor.tokens().back().end - whole);
  cursor.take();
  for (const char* word : {"LATE", "ROWS", "OF"}) RETURN_IF_ERROR(cursor.expect(word));
  ASSIGN_OR_RETURN(reapply.view, cursor.object_name("a view's name"));
  if (!cursor.accept("WHERE")) {
    RETURN_IF_ERROR(cursor.expect_end("WHERE or the end of the statement"));
    return StatementBody(std::move(reapply));
  }
  if (cursor.at_end()) return cursor.unexpected("a condition");
  const int64_t begin = cursor.offset(), end = cursor.tokens().back().end;
  reapply.where_text.assign(begin, ' ');
  reapply.where_text += cursor.script().substr(begin, end - begin);
  RETURN_IF_ERROR(check_condition(reapply.where_text, begin, end));
  return StatementBody(std::move(reapply));
}

// Where the setting's name stands: SET [GLOBAL | SESSION | LOCAL] name.
size_t setting_index(const TokenCursor& cursor) {
  const bool scope = cursor.is("GLOBAL", 1) || cursor.is("SESSION", 1) || cursor.is("LOCAL", 1);
  return scope && cursor.peek(2).kind == TokenKind::kWord && !cursor.is("TO", 2) ? 2 : 1;
}

Result<std::optional<StatementBody>> parse_set(TokenCursor& cursor) {
  const bool reset = cursor.is("RESET");
  const size_t index = setting_index(cursor);
  const Token name = cursor.peek(index);
  if (name.kind != TokenKind::kWord && name.kind != TokenKind::kQuotedWord) return std::optional<StatementBody>();
  SetStatement set;
  set.reset = reset;
  set.option.key = lower_case(name_of(cursor.script(), name));
  set.option.key_offset = name.begin;
  if (is_planned_setting(set.option.key)) return not_implemented("the setting " + set.option.key, name.begin);
  const OptionSpec* setting = find_engine_setting(set.option.key);
  if (!setting) return std::optional<StatementBody>();
  cursor.move_to(cursor.index() + index + 1);
  if (reset) {
    set.option.value = std::string(setting->default_text);
    RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
    return std::optional<StatementBody>(std::move(set));
  }
  if (!cursor.accept_symbol("=") && !cursor.accept("TO")) return cursor.unexpected("= or TO");
  RETURN_IF_ERROR(read_option_value(cursor, set.option));
  RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
  ASSIGN_OR_RETURN(const OptionValues values,
                   OptionValues::check({setting, 1}, option_inputs({set.option}), "SET", set.option.key_offset));
  if (setting->kind == OptionKind::kInterval) set.option.interval_us = values.integer(setting->name);
  return std::optional<StatementBody>(std::move(set));
}

// ADVANCE WATERMARK source TO [TIMESTAMP] '...'
Result<StatementBody> parse_advance(TokenCursor& cursor) {
  AdvanceWatermark advance;
  cursor.accept_all({"ADVANCE", "WATERMARK"});
  ASSIGN_OR_RETURN(advance.source, cursor.object_name("a source's name"));
  RETURN_IF_ERROR(cursor.expect("TO"));
  cursor.accept("TIMESTAMP");
  OptionText text;
  advance.time_offset = cursor.offset();
  if (cursor.peek().kind != TokenKind::kString) return cursor.unexpected("TIMESTAMP '...'");
  RETURN_IF_ERROR(read_option_value(cursor, text));
  advance.time = text.value;
  RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
  return StatementBody(std::move(advance));
}

Result<std::optional<StatementBody>> parse_body(TokenCursor& cursor) {
  RETURN_IF_ERROR(refuse_planned_forms(cursor));
  Result<StatementBody> body = Status();
  if (is_our_create(cursor)) {
    body = parse_create(cursor);
  } else if (cursor.is("DROP") && (cursor.is("SOURCE", 1) || cursor.is("STREAM", 1) || cursor.is("SINK", 1) ||
                                   cursor.is("MATERIALIZED", 1) || cursor.are({"LOOKUP", "TABLE"}, 1) || cursor.are({"WATERMARK", "GROUP"}, 1))) {
    body = parse_drop(cursor);
  } else if (cursor.is("SHOW")) {
    const ShowForm* form = find_show_form(cursor, 1);
    if (!form) return std::optional<StatementBody>();
    cursor.take();
    body = parse_show(cursor, *form);
  } else if (cursor.is("EXPLAIN")) {
    return parse_explain(cursor);
  } else if (cursor.is("SUBSCRIBE")) {
    body = parse_subscribe(cursor);
  } else if (cursor.is("REAPPLY")) {
    body = parse_reapply(cursor);
  } else if (cursor.are({"ADVANCE", "WATERMARK"})) {
    body = parse_advance(cursor);
  } else if (cursor.is("DRAIN")) {
    cursor.take();
    RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
    body = StatementBody(DrainStatement{});
  } else if (cursor.is("CHECKPOINT") && cursor.peek(1).kind == TokenKind::kEnd) {
    cursor.take();
    body = StatementBody(CheckpointStatement{});
  } else if (cursor.is("BACKUP") && cursor.is("TO", 1)) {
    cursor.take();
    cursor.take();
    BackupStatement backup;
    backup.offset = cursor.offset();
    if (cursor.peek().kind != TokenKind::kString) return cursor.unexpected("the folder in quotes");
    ASSIGN_OR_RETURN(backup.folder, string_value(cursor.script(), cursor.take()));
    RETURN_IF_ERROR(cursor.expect_end("the end of the statement"));
    body = StatementBody(std::move(backup));
  } else if (cursor.is("SET") || cursor.is("RESET")) {
    return parse_set(cursor);
  } else {
    return std::optional<StatementBody>();
  }
  if (!body.ok()) return body.status();
  return std::optional<StatementBody>(body.take());
}

}  // namespace

Result<std::optional<Statement>> parse_statement(std::string_view script, std::span<const Token> tokens) {
  TokenCursor cursor(script, tokens);
  ASSIGN_OR_RETURN(std::optional<StatementBody> body, parse_body(cursor));
  if (!body) return std::optional<Statement>();
  Statement statement;
  statement.body = std::move(*body);
  statement.begin = tokens.front().begin;
  statement.end = tokens.back().end;
  return std::optional<Statement>(std::move(statement));
}

}  // namespace laminar::sql
