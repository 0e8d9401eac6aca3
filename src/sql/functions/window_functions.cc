#include "sql/functions/window_functions.h"

#include <duckdb.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/main/extension/extension_loader.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>

#include "plan/window_grid.h"
#include "sql/functions/join_markers.h"
#include "sql/functions/time_zone.h"

namespace laminar::sql {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;

std::optional<WindowFunctionName> find_window_function(std::string_view name) {
  WindowFunctionName found;
  if (name.ends_with("_start")) {
    name.remove_suffix(6);
  } else if (name.ends_with("_end")) {
    name.remove_suffix(4);
    found.end = true;
  }
  if (name == "tumble") {
    found.kind = plan::WindowKind::kTumble;
  } else if (name == "hop") {
    found.kind = plan::WindowKind::kHop;
  } else if (name == "session") {
    found.kind = plan::WindowKind::kSession;
  } else if (name == "cumulate") {
    found.kind = plan::WindowKind::kCumulate;
  } else {
    return std::nullopt;
  }
  return found;
}

std::string_view window_name(plan::WindowKind kind) {
  switch (kind) {
    case plan::WindowKind::kTumble:
      return "tumble";
    case plan::WindowKind::kHop:
      return "hop";
    case plan::WindowKind::kSession:
      return "session";
    case plan::WindowKind::kCumulate:
      return "cumulate";
  }
  return "";
}

std::string_view window_signature(plan::WindowKind kind) {
  switch (kind) {
    case plan::WindowKind::kTumble:
      return "TUMBLE(time, size [, offset] [, timezone => 'zone'])";
    case plan::WindowKind::kHop:
      return "HOP(time, slide, size [, offset] [, timezone => 'zone'])";
    case plan::WindowKind::kSession:
      return "SESSION(time, gap)";
    case plan::WindowKind::kCumulate:
      return "CUMULATE(time, step, size [, offset] [, timezone => 'zone'])";
  }
  return "";
}

namespace {

// A time argument may be of any type that is a point in time. Zoned times stay as they are; what else is cast to
// TIMESTAMP, unless a list of windows converts it itself.
LogicalType check_time_argument(duckdb::ScalarFunction& function, const duckdb::Expression& argument, idx_t position,
                                bool converts) {
  const LogicalType& type = argument.return_type;
  if (type.id() == LogicalTypeId::TIMESTAMP_TZ) return function.arguments[position] = type;
  if (converts && type.id() != LogicalTypeId::SQLNULL) {
    function.arguments[position] = type;
    if (type.id() == LogicalTypeId::BIGINT) return LogicalType::TIMESTAMP;
  }
  switch (type.id()) {
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
    case LogicalTypeId::DATE:
    case LogicalTypeId::SQLNULL:
      if (!converts || type.id() == LogicalTypeId::SQLNULL) function.arguments[position] = LogicalType::TIMESTAMP;
      return LogicalType::TIMESTAMP;
    default:
      throw duckdb::BinderException(argument, "the time of a window must be a TIMESTAMP, but %s is %s",
                                    argument.ToString(), argument.return_type.ToString());
  }
}

// The constants of a window list.
struct WindowListData : duckdb::FunctionData {
  plan::WindowSpec spec;
  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    auto copy = duckdb::make_uniq<WindowListData>();
    copy->spec = spec;
    return copy;
  }
  bool Equals(const duckdb::FunctionData& other) const override {
    const plan::WindowSpec& that = other.Cast<WindowListData>().spec;
    return spec.kind == that.kind && spec.size_us == that.size_us && spec.slide_us == that.slide_us &&
           spec.gap_us == that.gap_us && spec.offset_us == that.offset_us && spec.zone == that.zone;
  }
};

// Windows of an hour or less keep their length, if the zone's hours all begin at one minute.
void apply_zone(plan::WindowSpec& spec, std::shared_ptr<const plan::TimeZone> zone) {
  constexpr int64_t kHourUs = 3'600'000'000;
  const int64_t grain = std::gcd(spec.size_us, spec.slide_us);
  const int64_t today = zone->spans().back().offset_us;
  bool aligned = spec.size_us <= kHourUs;
  for (size_t i = 0; i < zone->spans().size(); ++i) {
    const bool since_1970 = i + 1 == zone->spans().size() || zone->spans()[i + 1].from_us > 0;
    if (since_1970 && (zone->spans()[i].offset_us - today) % grain != 0) aligned = false;
  }
  if (!aligned) {
    spec.zone = std::move(zone);
    return;
  }
  const int64_t modulus = spec.kind == plan::WindowKind::kHop ? spec.slide_us : spec.size_us;
  spec.offset_us = ((spec.offset_us - today) % modulus + modulus) % modulus;
}

duckdb::unique_ptr<duckdb::FunctionData> bind_window_list(
    duckdb::ClientContext& context, duckdb::ScalarFunction& function,
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& arguments) {
  function.return_type = LogicalType::LIST(check_time_argument(function, *arguments[1], 1, true));
  auto data = duckdb::make_uniq<WindowListData>();
  const auto constant = [&](size_t i) { return duckdb::ExpressionExecutor::EvaluateScalar(context, *arguments[i]); };
  data->spec.kind = find_window_function(constant(0).ToString()).value_or(WindowFunctionName{}).kind;
  if (data->spec.kind == plan::WindowKind::kSession) {
    data->spec.gap_us = constant(2).GetValue<int64_t>();
  } else {
    data->spec.size_us = constant(2).GetValue<int64_t>();
    data->spec.slide_us = constant(3).GetValue<int64_t>();
  }
  data->spec.offset_us = constant(4).GetValue<int64_t>();
  const std::string zone = constant(5).ToString();
  if (constant(6).GetValue<bool>()) data->spec.zone = find_calendar(context, zone);
  else if (!zone.empty()) apply_zone(data->spec, find_time_zone(context, zone));
  return data;
}

// The microseconds of a time of any type, with floor; infinite where they do not fit.
int64_t microseconds(const duckdb::UnifiedVectorFormat& times, const LogicalType& type, idx_t index) {
  const auto scaled = [](int64_t value, int64_t factor) {
    int64_t result;
    const auto infinity = duckdb::timestamp_t::infinity().value;
    if (value == infinity || value == -infinity) return value;
    return __builtin_mul_overflow(value, factor, &result) ? (value > 0 ? infinity : -infinity) : result;
  };
  if (type.id() == LogicalTypeId::DATE) {
    const auto date = duckdb::UnifiedVectorFormat::GetData<duckdb::date_t>(times)[index];
    if (!duckdb::Date::IsFinite(date)) return duckdb::timestamp_t::infinity().value;
    return scaled(date.days, duckdb::Interval::MICROS_PER_DAY);
  }
  const int64_t value = duckdb::UnifiedVectorFormat::GetData<int64_t>(times)[index];
  switch (type.id()) {
    case LogicalTypeId::BIGINT:
      throw duckdb::InvalidInputException(
          "the time of a window must be a TIMESTAMP: convert the number, as in epoch_ms(ts) or make_timestamp(ts)");
    case LogicalTypeId::TIMESTAMP_SEC:
      return scaled(value, duckdb::Interval::MICROS_PER_SEC);
    case LogicalTypeId::TIMESTAMP_MS:
      return scaled(value, 1'000);
    case LogicalTypeId::TIMESTAMP_NS:
      return value == duckdb::timestamp_t::infinity().value ? value : floor_to_window(value, 1'000, 0) / 1'000;
    default:
      return value;
  }
}

template <bool kEnds>
void window_list(duckdb::DataChunk& args, duckdb::ExpressionState& state, duckdb::Vector& result) {
  const auto& data = state.expr.Cast<duckdb::BoundFunctionExpression>().bind_info->Cast<WindowListData>();
  if (data.spec.kind == plan::WindowKind::kSession) {
    throw duckdb::NotImplementedException("SESSION windows depend on other rows: use them in a view");
  }
  const plan::WindowGrid grid(data.spec);
  const idx_t rows = args.size();
  duckdb::UnifiedVectorFormat times;
  args.data[1].ToUnifiedFormat(rows, times);
  auto entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(result);
  const bool zoned = duckdb::ListType::GetChildType(result.GetType()).id() == LogicalTypeId::TIMESTAMP_TZ;
  idx_t total = 0;
  for (idx_t row = 0; row < rows; row++) {
    entries[row] = {total, 0};
    const idx_t time_index = times.sel->get_index(row);
    int64_t time = plan::WindowGrid::kTimeMax;
    if (times.validity.RowIsValid(time_index)) time = microseconds(times, args.data[1].GetType(), time_index);
    if (time >= plan::WindowGrid::kTimeMax || time <= -plan::WindowGrid::kTimeMax) {
      duckdb::FlatVector::SetNull(result, row, true);
      continue;
    }
    const int64_t slice = grid.slice_of(time);
    for (int64_t window = grid.first_window(slice); window <= grid.last_window(slice); ++window) {
      if (grid.skipped(window)) continue;
      const duckdb::timestamp_t edge(kEnds ? grid.end(window) : grid.start(window));
      duckdb::ListVector::PushBack(result, zoned ? duckdb::Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(edge)) : duckdb::Value::TIMESTAMP(edge));
      total++;
    }
    entries[row].length = total - entries[row].offset;
  }
  if (args.AllConstant()) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
}

// The constants of tumble_start(ts, size, offset) and tumble_end().
struct TumbleData : duckdb::FunctionData {
  int64_t size_us = 0, offset_us = 0;
  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    auto copy = duckdb::make_uniq<TumbleData>();
    copy->size_us = size_us;
    copy->offset_us = offset_us;
    return copy;
  }
  bool Equals(const duckdb::FunctionData& other) const override {
    const auto& that = other.Cast<TumbleData>();
    return size_us == that.size_us && offset_us == that.offset_us;
  }
};

int64_t constant_microseconds(duckdb::ClientContext& context, const duckdb::Expression& argument, const char* what) {
  if (!argument.IsFoldable()) throw duckdb::BinderException(argument, "the %s of TUMBLE must be a constant", what);
  const duckdb::Value value =
      duckdb::ExpressionExecutor::EvaluateScalar(context, argument).DefaultCastAs(LogicalType::INTERVAL);
  if (value.IsNull()) throw duckdb::BinderException(argument, "the %s of TUMBLE is NULL", what);
  const auto interval = value.GetValue<duckdb::interval_t>();
  if (interval.months != 0) {
    throw duckdb::BinderException(argument, "the %s of TUMBLE has months or years, which have no fixed length", what);
  }
  return duckdb::Interval::GetMicro(interval);
}

duckdb::unique_ptr<duckdb::FunctionData> bind_tumble(
    duckdb::ClientContext& context, duckdb::ScalarFunction& function,
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& arguments) {
  function.return_type = check_time_argument(function, *arguments[0], 0, false);
  auto data = duckdb::make_uniq<TumbleData>();
  data->size_us = constant_microseconds(context, *arguments[1], "size");
  if (data->size_us <= 0) throw duckdb::BinderException(*arguments[1], "the size of TUMBLE must be positive");
  if (arguments.size() > 2) data->offset_us = constant_microseconds(context, *arguments[2], "offset");
  return data;
}

template <bool kEnd>
void tumble(duckdb::DataChunk& args, duckdb::ExpressionState& state, duckdb::Vector& result) {
  const auto& data = state.expr.Cast<duckdb::BoundFunctionExpression>().bind_info->Cast<TumbleData>();
  duckdb::UnaryExecutor::Execute<duckdb::timestamp_t, duckdb::timestamp_t>(
      args.data[0], result, args.size(), [&](duckdb::timestamp_t time) {
        if (!duckdb::Timestamp::IsFinite(time)) return time;
        return duckdb::timestamp_t(floor_to_window(time.value, data.size_us, data.offset_us) +
                                   (kEnd ? data.size_us : 0));
      });
}

void add_tumble(duckdb::ExtensionLoader& loader, const char* name, duckdb::scalar_function_t function) {
  duckdb::ScalarFunctionSet set(name);
  for (const bool with_offset : {false, true}) {
    duckdb::vector<LogicalType> arguments = {LogicalType::ANY, LogicalType::INTERVAL};
    if (with_offset) arguments.push_back(LogicalType::INTERVAL);
    set.AddFunction(duckdb::ScalarFunction(name, std::move(arguments), LogicalType::TIMESTAMP, function, bind_tumble));
  }
  loader.RegisterFunction(std::move(set));
}

}  // namespace

std::optional<TumbleConstants> tumble_constants(const duckdb::BoundFunctionExpression& call) {
  const auto* data = dynamic_cast<const TumbleData*>(call.bind_info.get());
  if (!data) return std::nullopt;
  return TumbleConstants{data->size_us, data->offset_us, call.function.name == "tumble_end"};
}

plan::WindowSpec window_spec(const duckdb::BoundFunctionExpression& call) {
  return call.bind_info->Cast<WindowListData>().spec;
}

void register_functions(duckdb::DatabaseInstance& database) {
  duckdb::ExtensionLoader loader(database, "laminar");
  const auto list_function = [&](const char* name, duckdb::scalar_function_t function) {
    loader.RegisterFunction(duckdb::ScalarFunction(
        name, {LogicalType::VARCHAR, LogicalType::ANY, LogicalType::BIGINT, LogicalType::BIGINT, LogicalType::BIGINT,
               LogicalType::VARCHAR, LogicalType::BOOLEAN},
        LogicalType::LIST(LogicalType::TIMESTAMP), function, bind_window_list));
  };
  list_function(kWindowStarts, window_list<false>);
  list_function(kWindowEnds, window_list<true>);
  add_tumble(loader, "tumble_start", tumble<false>);
  add_tumble(loader, "tumble_end", tumble<true>);
  register_join_markers(loader);
}

}  // namespace laminar::sql
