// Loops that accumulators share, and the makers of their families.
#pragma once

#include <cmath>

#include "stream/operators/accumulator.h"
#include "stream/state/cell.h"

namespace laminar::stream {

using int128 = __int128;

// f(i, row) for every input row whose value is not NULL.
template <class F>
inline void for_values(const AggregateInput& in, const data::Column& column, F&& f) {
  if (!in.rows && !column.validity) {
    for (uint32_t i = 0; i < in.count; ++i) f(i, i);
  } else if (!column.validity) {
    for (uint32_t i = 0; i < in.count; ++i) f(i, in.rows[i]);
  } else {
    for (uint32_t i = 0; i < in.count; ++i) {
      const uint32_t row = in.rows ? in.rows[i] : i;
      if (!column.is_null(row)) f(i, row);
    }
  }
}
template <class F>
inline void for_rows(const AggregateInput& in, F&& f) {
  if (!in.rows) {
    for (uint32_t i = 0; i < in.count; ++i) f(i, i);
  } else {
    for (uint32_t i = 0; i < in.count; ++i) f(i, in.rows[i]);
  }
}

// 10^scale of a decimal type, 1 for others.
inline double decimal_scale(const data::Type& type) {
  double scale = 1;
  if (type.kind == data::TypeKind::kDecimal)
    for (uint8_t i = 0; i < type.scale; ++i) scale *= 10;
  return scale;
}
// The numeric value of a cell of a numeric physical type.
template <class T>
inline double to_double(const T& value) {
  if constexpr (std::is_same_v<T, data::StringRef> || std::is_same_v<T, Interval>) {
    return 0;
  } else {
    return static_cast<double>(value);
  }
}

// What a call needs, resolved.
struct CallContext {
  const plan::AggregateCall& call;
  const std::vector<data::Type>& types;  // of the input
  AccumulatorNeeds needs;
  bool append_only = needs.append_only;
  // Ties go by the place in the total order; where that says nothing, by the values.
  bool has_order = needs.append_only || needs.keeps_order;

  const data::Type& arg_type(size_t i) const { return types[call.args[i]]; }
  Status refuse(const std::string& why) const {
    return Status(ErrorCode::kNotIncremental, call.text + " " + why, call.offset);
  }
  Status not_implemented(const std::string& why) const {
    return Status(ErrorCode::kNotImplemented, call.text + " " + why, call.offset);
  }
};

Result<AccumulatorPtr> make_sum(const CallContext& context);        // count, sum, avg, bool_and, bool_or
Result<AccumulatorPtr> make_extreme(const CallContext& context);    // min, max, arg_min, arg_max, append-only
Result<AccumulatorPtr> make_first_last(const CallContext& context); // append-only
Result<AccumulatorPtr> make_moments(const CallContext& context);    // stddev, variance
Result<AccumulatorPtr> make_ordered(const CallContext& context);    // multisets: retractable forms, quantiles, string_agg
Result<AccumulatorPtr> make_foreign(const CallContext& context);    // DuckDB's functions
// DuckDB's functions over rows that are kept; with `running` they are kept to be saved, and that one gives the results.
Result<AccumulatorPtr> make_collected(const CallContext& context, AccumulatorPtr running = nullptr);
AccumulatorPtr make_filter(uint32_t column, AccumulatorPtr inner);
AccumulatorPtr make_distinct(const CallContext& context, AccumulatorPtr inner);
AccumulatorPtr make_count_distinct(const CallContext& context);

}  // namespace laminar::stream
