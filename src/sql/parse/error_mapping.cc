#include <algorithm>

#include "duckdb/common/error_data.hpp"
#include "duckdb/common/exception.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/query_error_context.hpp"
#include "sql/parse/session_parser.h"

namespace laminar::sql {
namespace {

constexpr const char* kCodeKey = "laminar_code";
constexpr const char* kOffsetKey = "laminar_position";  // DuckDB removes "position" when it draws the line

duckdb::ExceptionType exception_type(ErrorCode code) {
  switch (code) {
    case ErrorCode::kSyntaxError:
    case ErrorCode::kInvalidInterval:
      return duckdb::ExceptionType::PARSER;
    case ErrorCode::kObjectExists:
    case ErrorCode::kUnknownObject:
    case ErrorCode::kWrongObjectKind:
      return duckdb::ExceptionType::CATALOG;
    case ErrorCode::kDependentObjects:
      return duckdb::ExceptionType::DEPENDENCY;
    case ErrorCode::kNotImplemented:
      return duckdb::ExceptionType::NOT_IMPLEMENTED;
    case ErrorCode::kConstraintViolated:
      return duckdb::ExceptionType::CONSTRAINT;
    case ErrorCode::kTypeMismatch:
      return duckdb::ExceptionType::CONVERSION;
    case ErrorCode::kRowError:
    case ErrorCode::kBadRecord:
    case ErrorCode::kLimitExceeded:
      return duckdb::ExceptionType::INVALID_INPUT;
    case ErrorCode::kFileNotFound:
    case ErrorCode::kFileUnreadable:
    case ErrorCode::kFileWrite:
      return duckdb::ExceptionType::IO;
    case ErrorCode::kInterrupted:
      return duckdb::ExceptionType::INTERRUPT;
    case ErrorCode::kOutOfMemory:
      return duckdb::ExceptionType::OUT_OF_MEMORY;
    case ErrorCode::kClosed:
      return duckdb::ExceptionType::CONNECTION;
    // INTERNAL would print a stack trace and DuckDB's address, FATAL would close the database.
    case ErrorCode::kInternal:
      return duckdb::ExceptionType::EXECUTOR;
    default:
      return duckdb::ExceptionType::BINDER;
  }
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

ErrorCode stock_code(duckdb::ExceptionType type, const std::string& message) {
  using duckdb::ExceptionType;
  switch (type) {
    case ExceptionType::PARSER:
    case ExceptionType::SYNTAX:
      return ErrorCode::kSyntaxError;
    case ExceptionType::CATALOG:
      if (contains(message, "already exists")) return ErrorCode::kObjectExists;
      if (message.starts_with("Scalar Function") || message.starts_with("Aggregate Function") ||
          message.starts_with("Table Function") || contains(message, "Function with name")) {
        return contains(message, "does not exist") ? ErrorCode::kUnknownFunction : ErrorCode::kUnknownObject;
      }
      return ErrorCode::kUnknownObject;
    case ExceptionType::DEPENDENCY:
      return ErrorCode::kDependentObjects;
    case ExceptionType::BINDER:
    case ExceptionType::PLANNER:
    case ExceptionType::EXPRESSION:
    case ExceptionType::PARAMETER_NOT_RESOLVED:
    case ExceptionType::PARAMETER_NOT_ALLOWED:
      return ErrorCode::kBindError;
    case ExceptionType::CONVERSION:
    case ExceptionType::OUT_OF_RANGE:
    case ExceptionType::DECIMAL:
    case ExceptionType::MISMATCH_TYPE:
    case ExceptionType::INVALID_TYPE:
      return ErrorCode::kTypeMismatch;
    case ExceptionType::CONSTRAINT:
      return ErrorCode::kConstraintViolated;
    case ExceptionType::DIVIDE_BY_ZERO:
    case ExceptionType::INVALID_INPUT:
    case ExceptionType::SEQUENCE:
      return ErrorCode::kRowError;
    case ExceptionType::SETTINGS:
    case ExceptionType::INVALID_CONFIGURATION:
      return ErrorCode::kInvalidOption;
    case ExceptionType::NOT_IMPLEMENTED:
      return ErrorCode::kNotImplemented;
    case ExceptionType::IO:
      if (contains(message, "No files found") || contains(message, "No such file")) return ErrorCode::kFileNotFound;
      return ErrorCode::kFileUnreadable;
    case ExceptionType::NETWORK:
    case ExceptionType::HTTP:
    case ExceptionType::PERMISSION:
    case ExceptionType::MISSING_EXTENSION:
    case ExceptionType::AUTOLOAD:
      return ErrorCode::kFileUnreadable;
    case ExceptionType::INTERRUPT:
      return ErrorCode::kInterrupted;
    case ExceptionType::OUT_OF_MEMORY:
      return ErrorCode::kOutOfMemory;
    case ExceptionType::OBJECT_SIZE:
      return ErrorCode::kLimitExceeded;
    case ExceptionType::CONNECTION:
      return ErrorCode::kClosed;
    case ExceptionType::TRANSACTION:
      return ErrorCode::kBindError;
    default:
      return ErrorCode::kInternal;
  }
}

// DuckDB replaces non-breaking and other spaces by one blank before it parses: an offset in what it saw, in ours.
int64_t offset_before_replacing(const std::string& script, int64_t offset) {
  std::string replaced;
  if (offset < 0 || !duckdb::Parser::StripUnicodeSpaces(script, replaced)) return offset;
  size_t ours = 0;
  for (int64_t theirs = 0; theirs < offset && ours < script.size(); ++theirs, ++ours) {
    if (theirs < static_cast<int64_t>(replaced.size()) && script[ours] != replaced[theirs]) {
      ours += static_cast<unsigned char>(script[ours]) == 0xC2 ? 1 : 2;
    }
  }
  return static_cast<int64_t>(std::min(ours, script.size()));
}

// The message and the picture that QueryErrorContext::Format puts behind it: "\n\nLINE 3: ...text\n      ^".
struct Picture {
  std::string message;
  size_t line = 0;
  std::string text;   // as shown, dots of truncation included
  std::string drawn;  // the whole of it, for comparison
  size_t column = 0;  // of the caret in `text`, in cells
};

bool split_picture(const std::string& message, Picture& out) {
  const size_t at = message.rfind("\n\nLINE ");
  if (at == std::string::npos) return false;
  size_t i = at + 7;
  while (i < message.size() && message[i] >= '0' && message[i] <= '9' && out.line < 100'000'000) {
    out.line = out.line * 10 + static_cast<size_t>(message[i++] - '0');
  }
  if (message.compare(i, 2, ": ") != 0) return false;
  const size_t text = i + 2;
  const size_t newline = message.find('\n', text);
  if (newline == std::string::npos) return false;
  const size_t caret = message.find_first_not_of(' ', newline + 1);
  if (caret == std::string::npos || message[caret] != '^') return false;
  const size_t prefix = text - (at + 2);
  if (caret - (newline + 1) < prefix) return false;
  out.message = message.substr(0, at);
  out.text = message.substr(text, newline - text);
  out.column = caret - (newline + 1) - prefix;
  out.drawn = message.substr(at, caret + 1 - at);
  return true;
}

// Where in the script the picture's caret points, -1 when it does not fit the script.
int64_t picture_offset(const Picture& picture, const std::string& script) {
  size_t begin = 0;
  for (size_t line = 1; line < picture.line; ++line) {
    begin = script.find_first_of("\r\n", begin);
    if (begin == std::string::npos) return -1;
    if (script[begin] == '\r' && begin + 1 < script.size() && script[begin + 1] == '\n') ++begin;
    ++begin;
  }
  size_t end = script.find_first_of("\r\n", begin);
  if (end == std::string::npos) end = script.size();
  const std::string_view line = std::string_view(script).substr(begin, end - begin);

  const bool ascii = std::none_of(line.begin(), line.end(), [](char c) { return c & 0x80; });
  if (ascii && line == picture.text) return static_cast<int64_t>(begin + std::min(picture.column, line.size()));

  // Cut at an end, or with characters of other widths: draw it for each place that may be meant.
  std::string_view shown = picture.text;
  const bool dots_before = shown.starts_with("...") && line != shown;
  if (dots_before) shown.remove_prefix(3);
  size_t found = line.find(shown);
  if (found == std::string_view::npos && shown.ends_with("...")) {
    shown.remove_suffix(3);
    found = line.find(shown);
  }
  for (; found != std::string_view::npos; found = line.find(shown, found + 1)) {
    for (size_t at = found; at <= found + shown.size() && begin + at < script.size(); ++at) {
      if ((script[begin + at] & 0xC0) == 0x80) continue;
      if (duckdb::QueryErrorContext::Format(script, "", begin + at) == picture.drawn)
        return static_cast<int64_t>(begin + at);
    }
    if (shown.empty()) break;
  }
  return -1;
}

int64_t number_of(const duckdb::ErrorData& error, const char* key) {
  const auto entry = error.ExtraInfo().find(key);
  if (entry == error.ExtraInfo().end() || entry->second.empty() || entry->second.size() > 18) return -1;
  if (entry->second.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::stoll(entry->second);
}

}  // namespace

void throw_error(const Error& error) { throw_error(error, error.offset); }

void throw_error(const Error& error, int64_t drawn_offset) {
  duckdb::unordered_map<std::string, std::string> extra;
  extra[kCodeKey] = std::to_string(static_cast<unsigned>(error.code));
  if (error.offset >= 0) extra[kOffsetKey] = std::to_string(error.offset);
  if (drawn_offset >= 0) extra["position"] = std::to_string(drawn_offset);
  throw duckdb::Exception(extra, exception_type(error.code), error.message);
}

void throw_if_error(const Status& status) {
  if (!status.ok()) throw_error(status.error());
}

Error to_error(const duckdb::ErrorData& error, const std::string& script) {
  Error out;
  out.message = error.RawMessage();
  int64_t offset = number_of(error, kOffsetKey);
  if (offset < 0) offset = number_of(error, "position");
  std::string replaced;
  const bool has_replaced = duckdb::Parser::StripUnicodeSpaces(script, replaced);
  if (Picture picture; split_picture(out.message, picture)) {
    out.message = picture.message;
    if (offset < 0) offset = picture_offset(picture, has_replaced ? replaced : script);
  }
  out.offset = offset_before_replacing(script, offset);
  if (!script.empty() && out.offset > static_cast<int64_t>(script.size())) out.offset = -1;

  const int64_t code = number_of(error, kCodeKey);
  out.code = code > 0 ? static_cast<ErrorCode>(code) : stock_code(error.Type(), out.message);
  return out;
}

}  // namespace laminar::sql
