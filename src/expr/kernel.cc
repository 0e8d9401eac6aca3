#include "expr/kernel.h"

namespace laminar::expr {

std::string* ErrorLog::add(uint32_t row) {
  if (test_bit(failed_, row)) return nullptr;
  if (messages_.empty()) {
    messages_.resize(data::kBatchRowsMax);
    slot_.resize(data::kBatchRowsMax);
  }
  data::set_valid(failed_, row);
  slot_[row] = used_;
  return &messages_[used_++];
}

void report_rows(const Kernel& kernel, Scope& scope, data::Column& out, Callback<bool(uint32_t)> fails,
                 Callback<void(uint32_t, std::string&)> message) {
  for (uint32_t row = 0; row < scope.rows; ++row) {
    if (out.is_null(row) || !fails(row)) continue;
    data::set_null(writable_validity(kernel, out), row);
    if (scope.active && !test_bit(scope.active, row)) continue;
    if (std::string* text = scope.errors->add(row)) message(row, *text);
  }
}

void null_rows(const Kernel& kernel, Scope& scope, data::Column& out, Callback<bool(uint32_t)> is_null) {
  for (uint32_t row = 0; row < scope.rows; ++row) {
    if (!out.is_null(row) && is_null(row)) data::set_null(writable_validity(kernel, out), row);
  }
}

bool find_kernel(const Expr& expr, Kernel* kernel) {
  return find_compare_kernel(expr, kernel) || find_arithmetic_kernel(expr, kernel) ||
         find_decimal_kernel(expr, kernel) || find_time_kernel(expr, kernel) || find_string_kernel(expr, kernel) ||
         find_cast_kernel(expr, kernel) || find_logic_kernel(expr, kernel);
}

}  // namespace laminar::expr
