// Kernels: one function over whole columns per operator and type, and how they report rows that fail.
//
// Threads: one core.
// Errors:  a kernel computes all rows without branching and looks for the failing ones only when some row failed; rows
//          that are NULL or not taken by a surrounding CASE, COALESCE, AND or OR never fail.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "data/batch.h"
#include "expr/bitmap.h"
#include "expr/expression.h"
#include "expr/program.h"

namespace laminar::expr {

// The rows that failed in one evaluation, with the first message of each.
class ErrorLog {
 public:
  void clear() {
    if (used_ == 0) return;
    used_ = 0;
    std::memset(failed_, 0, sizeof failed_);
  }
  bool any() const { return used_ != 0; }
  bool failed(uint32_t row) const { return test_bit(failed_, row); }
  const uint64_t* failed_bits() const { return failed_; }
  // The message of `row` to fill, or null when the row has failed before.
  std::string* add(uint32_t row);
  void add(uint32_t row, const char* message) {
    if (std::string* text = add(row)) text->assign(message);
  }
  const std::string& message(uint32_t row) const { return messages_[slot_[row]]; }

 private:
  uint64_t failed_[kWords] = {};
  uint32_t used_ = 0;
  std::vector<uint32_t> slot_;         // row to message
  std::vector<std::string> messages_;  // made at the first error, then kept
};

// What one evaluation works on.
struct Scope {
  const data::Batch* batch;
  uint32_t rows;
  const uint64_t* active;  // rows that count: only they may fail; null: all rows
  ErrorLog* errors;
  data::StringArena* strings;
};

struct Kernel;
// Strict kernels get out.validity as the combination of the arguments' (their own copy, or null) and only add NULLs;
// others write it all themselves. out.data has room for kBatchRowsMax values.
using KernelFunction = void (*)(const Kernel& kernel, const data::Column* args, Scope& scope, data::Column& out);

struct Kernel {
  KernelFunction function = nullptr;
  bool strict = true;
  bool can_fail = false;
  // Bit i: argument i is a constant that the function reads from `constants` or `state`; it has no column.
  uint32_t constant_args = 0;
  data::Value constants[3];
  int64_t params[4] = {};
  std::shared_ptr<const void> state;  // what the function made of its constants: a pattern, a set
  data::Type type;                    // of the result
  std::vector<data::Type> argument_types;
  uint64_t* own_validity = nullptr;  // the result's validity words, all valid where out.validity is null

  template <class T>
  T constant(uint32_t i) const {
    return constants[i].as<T>();
  }
};

// Writable validity of a result.
inline uint64_t* writable_validity(const Kernel& kernel, data::Column& out) {
  if (!out.validity) {
    out.validity = kernel.own_validity;
    std::memset(out.validity, 0xff, kWords * 8);
  }
  return out.validity;
}

// A function called only where rows fail, without a copy of the caller per kernel.
template <class Signature>
class Callback;
template <class R, class... Args>
class Callback<R(Args...)> {
 public:
  template <class F>
  Callback(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(args...);
        }) {}
  R operator()(Args... args) const { return call_(object_, args...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

// Finds the rows for which fails(row) among those that count, makes them NULL and records message(row, text).
void report_rows(const Kernel& kernel, Scope& scope, data::Column& out, Callback<bool(uint32_t)> fails,
                 Callback<void(uint32_t, std::string&)> message);
// Makes the rows NULL for which is_null(row): TRY_CAST, division by zero.
void null_rows(const Kernel& kernel, Scope& scope, data::Column& out, Callback<bool(uint32_t)> is_null);

// The kernel families. Each returns false when it has no kernel for the node; `kernel` may be null to only ask.
bool find_compare_kernel(const Expr& expr, Kernel* kernel);
bool find_arithmetic_kernel(const Expr& expr, Kernel* kernel);
bool find_decimal_kernel(const Expr& expr, Kernel* kernel);
bool find_time_kernel(const Expr& expr, Kernel* kernel);
bool find_string_kernel(const Expr& expr, Kernel* kernel);
bool find_cast_kernel(const Expr& expr, Kernel* kernel);
bool find_logic_kernel(const Expr& expr, Kernel* kernel);  // NOT, IS [NOT] NULL, IN; the rest of logic are nodes
bool find_kernel(const Expr& expr, Kernel* kernel);
// CAST(integer AS DECIMAL) * constant in one step; argument 0 of the kernel is the cast's argument.
bool find_widening_kernel(const Expr& expr, Kernel* kernel);

// A constant argument that is not NULL.
inline bool is_constant(const Expr& expr) { return expr.kind == ExprKind::kConstant && !expr.constant.is_null; }
// Tells the kernel to read argument i as a constant.
inline void use_constant(Kernel& kernel, const Expr& expr, uint32_t i) {
  kernel.constant_args |= 1u << i;
  kernel.constants[i] = expr.args[i]->constant;
}

}  // namespace laminar::expr
