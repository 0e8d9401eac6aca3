// How binding fails inside src/sql/bind: one exception that carries our Error, turned into a Status at the entry
// points.
//
// Errors:  to_error() also takes what DuckDB throws: its parser's, binder's and catalog's exceptions keep their
// position.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "base/status.h"

namespace laminar::sql {

class BindFailure : public std::exception {
 public:
  BindFailure(ErrorCode code, std::string message, int64_t offset) : error_{code, std::move(message), offset} {}
  explicit BindFailure(Error error) : error_(std::move(error)) {}
  const Error& error() const { return error_; }
  const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  Error error_;
};

// The Error for an exception caught while parsing or binding `text`; positions are those of the text.
Error to_error(const std::exception& exception, const std::string& text);

}  // namespace laminar::sql
