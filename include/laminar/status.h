// How things fail: Status, Result<T> and the stable error codes users see as LDB-nnnn.
//
// Errors:  a code is a row of error_codes.inc; `offset` is a byte offset into the user's script, -1 when there is none.
// Bounds:  an OK Status is one null pointer; nothing on the per-row path builds one that fails.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace laminar {

enum class ErrorCode : uint16_t {
#define LAMINAR_ERROR(code, name, title, advice) k##name = code,
#include "laminar/error_codes.inc"
#undef LAMINAR_ERROR
};

// The title and the advice of a code, as docs/errors.md prints them.
std::string_view error_title(ErrorCode code);
std::string_view error_advice(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  int64_t offset = -1;  // byte offset into the script

  // "LDB-1002".
  std::string code_text() const;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(ErrorCode code, std::string message, int64_t offset = -1)
      : error_(std::make_unique<Error>(Error{code, std::move(message), offset})) {}
  Status(Error error) : error_(std::make_unique<Error>(std::move(error))) {}
  Status(const Status& other) : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}
  Status& operator=(const Status& other) {
    error_ = other.error_ ? std::make_unique<Error>(*other.error_) : nullptr;
    return *this;
  }
  Status(Status&&) = default;
  Status& operator=(Status&&) = default;

  bool ok() const { return !error_; }
  const Error& error() const { return *error_; }
  std::string text() const { return error_ ? error_->message : std::string("ok"); }

 private:
  std::unique_ptr<Error> error_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}
  Result(Error error) : status_(std::move(error)) {}

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  const Error& error() const { return status_.error(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
  Status status_;
};

#define LAMINAR_CONCAT2(a, b) a##b
#define LAMINAR_CONCAT(a, b) LAMINAR_CONCAT2(a, b)
// Returns the Status of `expr` from the enclosing function when it failed.
#define RETURN_IF_ERROR(expr)                       \
  do {                                              \
    if (::laminar::Status st__ = (expr); !st__.ok()) return st__; \
  } while (0)
// ASSIGN_OR_RETURN(auto x, f()): x is the value, or the function returns the Status.
#define ASSIGN_OR_RETURN(decl, expr)                                   \
  auto LAMINAR_CONCAT(result__, __LINE__) = (expr);                    \
  if (!LAMINAR_CONCAT(result__, __LINE__).ok())                        \
    return LAMINAR_CONCAT(result__, __LINE__).status();                \
  decl = LAMINAR_CONCAT(result__, __LINE__).take()

}  // namespace laminar
