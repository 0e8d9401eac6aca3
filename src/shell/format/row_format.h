// The forms in which results are printed: CSV, JSON lines, and tables of box-drawing characters.
//
// Threads: one at a time.
// Bounds:  CSV and JSON keep one row; a table keeps the rows it shows, at most rows_max.
// Errors:  what Rows::next() says; rows before it are printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "laminar/laminar.h"
#include "shell/output.h"

namespace laminar::shell {

enum class Format : uint8_t { kCsv, kJson, kTable };

// "csv", "json" or "table"; none for anything else.
std::optional<Format> format_named(std::string_view name);
std::string_view name_of(Format format);

struct FormatOptions {
  Format format = Format::kCsv;
  size_t width = 0;     // tables: columns of the screen, 0: as wide as they are
  size_t rows_max = 0;  // tables: rows shown of each result, 0: all
};

// Prints the rows to their end.
Status write_rows(Rows& rows, const FormatOptions& options, Output& out);

// The parts, for tests.
void append_csv_field(std::string_view text, bool is_null, std::string& out);
void append_json_string(std::string_view text, std::string& out);
// How a value of a SQL type stands in JSON.
enum class JsonForm : uint8_t { kString, kNumber, kBoolean, kJson };
JsonForm json_form(std::string_view type);
void append_json_value(std::string_view text, bool is_null, JsonForm form, std::string& out);

struct TableCell {
  std::string text;
  bool is_null = false;
};
struct Table {
  std::vector<ColumnInfo> columns;
  std::vector<std::vector<TableCell>> rows;
  uint64_t rows_total = 0;  // rows beyond those kept are counted
};
// Widths of the columns so that a table fits `width`; columns that do not fit even at their least are dropped from the
// middle on, which leaves width 0 for them.
std::vector<size_t> fit_columns(const std::vector<size_t>& natural, size_t width);
// Reads up to rows_max rows and counts the rest.
Result<Table> read_table(Rows& rows, size_t rows_max);
// The lines of the table without colours; each ends with a line break.
std::string draw_table(const Table& table, size_t width);

}  // namespace laminar::shell
