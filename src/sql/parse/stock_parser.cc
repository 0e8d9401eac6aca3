#include "sql/parse/stock_parser.h"

#include <algorithm>

#include "base/check.h"
#include "duckdb/common/error_data.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/query_node/select_node.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "sql/parse/token_stream.h"

namespace laminar::sql {
namespace {

Status from_exception(const std::exception& exception, std::string_view text, int64_t begin, int64_t end) {
  const duckdb::ErrorData error(exception);
  int64_t offset = parser_error_offset(error, text);
  if (offset < 0) offset = error.RawMessage().find("end of input") != std::string::npos ? end : begin;
  return Status(ErrorCode::kSyntaxError, error.RawMessage(), std::clamp(offset, begin, end));
}

}  // namespace

int64_t parser_error_offset(const duckdb::ErrorData& error, std::string_view parsed_text) {
  const auto& info = error.ExtraInfo();
  const auto position = info.find("position");
  if (position == info.end()) return -1;
  const int64_t offset = std::stoll(position->second);
  const auto subtype = info.find("error_subtype");
  if (subtype == info.end() || subtype->second != "SYNTAX_ERROR") return offset;
  size_t byte = 0;
  for (int64_t characters = 0; byte < parsed_text.size(); ++byte) {
    if ((parsed_text[byte] & 0xC0) == 0x80) continue;
    if (characters++ == offset) break;
  }
  return static_cast<int64_t>(byte);
}

Status check_query(const std::string& blanked, int64_t begin, int64_t end) {
  try {
    duckdb::Parser parser;
    parser.ParseQuery(blanked);
    if (parser.statements.size() != 1) {
      return Status(ErrorCode::kSyntaxError, "expected a query: SELECT, FROM, VALUES or WITH", begin);
    }
    const duckdb::SQLStatement& statement = *parser.statements.front();
    if (statement.type == duckdb::StatementType::MULTI_STATEMENT) {
      return Status(ErrorCode::kNotImplemented,
                    "PIVOT without a list of values is not implemented; write ON column IN (...)", begin);
    }
    if (statement.type != duckdb::StatementType::SELECT_STATEMENT) {
      return Status(
          ErrorCode::kSyntaxError,
          "expected a query: SELECT, FROM, VALUES or WITH, found " + duckdb::StatementTypeToString(statement.type),
          begin);
    }
    return {};
  } catch (const std::exception& exception) {
    return from_exception(exception, blanked, begin, end);
  }
}

Status check_column_type(std::string_view type_text, int64_t offset) {
  const std::string message = "cannot read the column type: " + std::string(type_text);
  try {
    const duckdb::ColumnList columns = duckdb::Parser::ParseColumnList("c " + std::string(type_text));
    if (columns.LogicalColumnCount() != 1) return Status(ErrorCode::kSyntaxError, message, offset);
    return {};
  } catch (const std::exception&) {
    return Status(ErrorCode::kSyntaxError, message, offset);
  }
}

Status check_condition(const std::string& blanked, int64_t begin, int64_t end) {
  // A SELECT of just the right length stands before the condition, so that positions stay the script's.
  static constexpr std::string_view kBefore = "SELECT 1 WHERE ";
  CHECK(begin >= static_cast<int64_t>(kBefore.size()));
  std::string query = blanked;
  query.replace(begin - kBefore.size(), kBefore.size(), kBefore);
  RETURN_IF_ERROR(check_query(query, begin, end));
  duckdb::Parser parser;
  parser.ParseQuery(query);
  const auto& node = *parser.statements.front()->Cast<duckdb::SelectStatement>().node;
  bool plain = node.type == duckdb::QueryNodeType::SELECT_NODE && node.modifiers.empty();
  if (plain) {
    const auto& select = node.Cast<duckdb::SelectNode>();
    plain = select.groups.group_expressions.empty() && !select.having && !select.qualify && !select.sample;
  }
  if (!plain) return Status(ErrorCode::kSyntaxError, "expected a condition and nothing behind it", begin);
  return {};
}

bool is_reserved_word(std::string_view word) {
  const duckdb::KeywordCategory category = duckdb::Parser::IsKeyword(lower_case(word));
  return category == duckdb::KeywordCategory::KEYWORD_RESERVED ||
         category == duckdb::KeywordCategory::KEYWORD_TYPE_FUNC;
}

}  // namespace laminar::sql
