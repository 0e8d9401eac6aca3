// What our own statements say, as plain data: the parser writes it, bind and the catalog read it.
//
// Units:   offsets are bytes from the start of the user's whole script; durations are microseconds.
// Owns:    strings are copies; nothing here points into the script.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace laminar::expr {
struct Expr;
}

namespace laminar::sql {

// One `key = value` of a WITH (...) list, unchecked: option tables check it where its meaning is known.
struct OptionText {
  std::string key;    // lower case, dots kept
  std::string value;  // unquoted; an INTERVAL literal as its text
  enum class Kind { kString, kNumber, kBoolean, kWord, kInterval } kind = Kind::kString;
  int64_t interval_us = 0;  // for kInterval
  int64_t key_offset = -1;
  int64_t value_offset = -1;
};
using OptionList = std::vector<OptionText>;

// A name, perhaps qualified by catalog and schema.
struct ObjectName {
  std::string catalog, schema, name;
  int64_t offset = -1;
};

struct SourceColumn {
  std::string name;
  std::string type_text;  // as the user wrote it; DuckDB's type parser reads it
  bool not_null = false;
  bool is_processing_time = false;  // `p TIMESTAMP AS PROCTIME()`
  int64_t offset = -1;
  int64_t type_offset = -1;
};

struct WatermarkClause {
  std::string column;
  int64_t delay_us = 0;  // WATERMARK FOR ts AS ts - INTERVAL delay
  std::vector<std::string> key;  // PER KEY (columns); empty: one watermark for all rows
  // WHEN condition: only rows for which it holds move the watermark. The text has blanks before it, so offsets are the
  // script's; the condition is bound by whoever carries the statement out.
  std::string when_text;
  std::shared_ptr<const expr::Expr> when;
  int64_t offset = -1, key_offset = -1, when_offset = -1;
};

struct CreateSource {
  ObjectName name;
  bool or_replace = false, if_not_exists = false;
  std::vector<SourceColumn> columns;
  std::vector<std::string> primary_key;
  std::optional<WatermarkClause> watermark;
  OptionList options;
  std::string statement_text;  // the whole CREATE as the user wrote it, for SHOW CREATE and restarts
};

// CREATE LOOKUP TABLE: the same words, no watermark and no PROCTIME() columns.
struct CreateLookup : CreateSource {};

enum class EmitMode { kOnUpdate, kOnWindowClose, kAfterWatermark, kEvery, kChanges, kFinal };
struct EmitClause {
  EmitMode mode = EmitMode::kOnUpdate;
  int64_t every_us = 0;  // kEvery
  int64_t offset = -1;
};

// CREATE MATERIALIZED VIEW and CREATE STREAM.
struct CreateView {
  ObjectName name;
  bool is_stream = false;
  bool or_replace = false, if_not_exists = false;
  // The query alone, every byte outside it and every carved-out clause blanked with spaces, so offsets are the
  // script's.
  std::string query_text;
  int64_t query_begin = 0, query_end = 0;
  std::optional<EmitClause> emit;
  std::optional<int64_t> lateness_us;
  int64_t lateness_offset = -1;
  std::optional<ObjectName> late_data_to;
  OptionList options;
  std::string statement_text;  // the whole CREATE as the user wrote it, for SHOW CREATE and restarts
};

struct CreateSink {
  ObjectName name;
  bool or_replace = false, if_not_exists = false;
  ObjectName from;         // FROM view
  std::string query_text;  // FROM (SELECT ...), blanked like CreateView::query_text; empty with `from`
  OptionList options;
  std::string statement_text;
};

// CREATE WATERMARK GROUP g (a, b) WITH (max_drift = '5 minutes', policy = 'pause')
struct CreateWatermarkGroup {
  ObjectName name;
  bool or_replace = false, if_not_exists = false;
  std::vector<ObjectName> members;
  OptionList options;
  std::string statement_text;
};

enum class ObjectKind { kSource, kTable, kView, kStream, kSink, kLookupTable, kWatermarkGroup };
struct DropObjects {
  ObjectKind kind = ObjectKind::kView;
  std::vector<ObjectName> names;
  bool if_exists = false, cascade = false;
};

// SHOW SOURCES | STREAMS | MATERIALIZED VIEWS | SINKS | WATERMARKS | DEPENDENCIES [FOR v] | CREATE v | FUNCTIONS ...
struct ShowStatement {
  std::string what;  // upper case, words joined by one blank; without FOR and the object: "DEPENDENCIES", "CREATE SINK"
  std::optional<ObjectName> object;
};

// EXPLAIN [ANALYZE] <view name> | CREATE MATERIALIZED VIEW ... | CREATE STREAM ...
// EXPLAIN of anything else stays DuckDB's.
struct ExplainStatement {
  bool analyze = false;
  std::optional<ObjectName> object;
  std::shared_ptr<CreateView> create;
};

struct SubscribeStatement {
  ObjectName view;
  bool with_snapshot = false;
  std::optional<uint64_t> as_of_tick;
  // The condition alone, blanked to script offsets (at least 15 spaces stand before it); empty when absent.
  std::string where_text;
  int64_t where_begin = -1;
};

// REAPPLY LATE ROWS OF v [WHERE condition]
struct ReapplyStatement {
  ObjectName view;
  std::string where_text;  // blanked like SubscribeStatement::where_text, over the columns of late_rows('v')
  std::string statement_text;
};

struct DrainStatement {};
struct CheckpointStatement {};
struct BackupStatement {
  std::string folder;
  int64_t offset = -1;
};

// SET name = value and RESET name for the engine's own settings; any other SET stays DuckDB's.
struct SetStatement {
  OptionText option;
  bool reset = false;  // RESET: the option has its default value, which may be empty
};

// ADVANCE WATERMARK source TO TIMESTAMP '...'
struct AdvanceWatermark {
  ObjectName source;
  std::string time;  // unread
  int64_t time_offset = -1;
};

using StatementBody = std::variant<CreateSource, CreateLookup, CreateView, CreateSink, CreateWatermarkGroup, DropObjects, ShowStatement, ExplainStatement,
                                   SubscribeStatement, ReapplyStatement, DrainStatement, CheckpointStatement, BackupStatement, SetStatement,
                                   AdvanceWatermark>;

struct Statement {
  StatementBody body;
  int64_t begin = 0, end = 0;  // in the script
};

}  // namespace laminar::sql
