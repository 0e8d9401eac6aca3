#include "sql/functions/time_zone.h"

#include <duckdb.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/function/function_binder.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <map>
#include <mutex>

namespace laminar::sql {
namespace {

using duckdb::LogicalType;

constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kFirstUs = -25'567 * kDayUs;  // 1900-01-01
constexpr int64_t kLastUs = 47'482 * kDayUs;    // 2100-01-01
// No zone has changed its clocks twice within a week and back.
constexpr int64_t kStepUs = 7 * kDayUs;

// timezone(name, instant), bound once.
class Clock {
 public:
  Clock(duckdb::ClientContext& context, const std::string& name) : context_(context) {
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> arguments;
    arguments.push_back(duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value(name)));
    arguments.push_back(duckdb::make_uniq<duckdb::BoundReferenceExpression>(LogicalType::TIMESTAMP_TZ, 0U));
    duckdb::FunctionBinder binder(context);
    duckdb::ErrorData error;
    call_ = binder.BindScalarFunction(DEFAULT_SCHEMA, "timezone", std::move(arguments), error);
    if (!call_) error.Throw();
    input_.Initialize(duckdb::Allocator::Get(context), {LogicalType::TIMESTAMP_TZ});
  }

  // The offset at each instant.
  std::vector<int64_t> offsets(const std::vector<int64_t>& instants) {
    std::vector<int64_t> result;
    result.reserve(instants.size());
    duckdb::ExpressionExecutor executor(context_, *call_);
    for (size_t begin = 0; begin < instants.size(); begin += STANDARD_VECTOR_SIZE) {
      const size_t count = std::min<size_t>(STANDARD_VECTOR_SIZE, instants.size() - begin);
      input_.Reset();
      auto* to = duckdb::FlatVector::GetData<duckdb::timestamp_tz_t>(input_.data[0]);
      for (size_t i = 0; i < count; ++i) to[i].value = instants[begin + i];
      input_.SetCardinality(count);
      duckdb::Vector local(LogicalType::TIMESTAMP);
      executor.ExecuteExpression(input_, local);
      local.Flatten(count);
      const auto* times = duckdb::FlatVector::GetData<duckdb::timestamp_t>(local);
      for (size_t i = 0; i < count; ++i) result.push_back(times[i].value - instants[begin + i]);
    }
    return result;
  }

 private:
  duckdb::ClientContext& context_;
  duckdb::unique_ptr<duckdb::Expression> call_;
  duckdb::DataChunk input_;
};

std::shared_ptr<const plan::TimeZone> read_zone(duckdb::ClientContext& context, const std::string& name) {
  Clock clock(context, name);
  std::vector<int64_t> instants;
  for (int64_t at = kFirstUs; at <= kLastUs; at += kStepUs) instants.push_back(at);
  const std::vector<int64_t> offsets = clock.offsets(instants);
  // Between two samples that differ lies one transition; all are narrowed down together.
  std::vector<int64_t> low, high, before, after;
  for (size_t i = 1; i < instants.size(); ++i) {
    if (offsets[i] == offsets[i - 1]) continue;
    low.push_back(instants[i - 1]);
    high.push_back(instants[i]);
    before.push_back(offsets[i - 1]);
    after.push_back(offsets[i]);
  }
  constexpr int64_t kSecondUs = 1'000'000;
  std::vector<int64_t> middle(low.size());
  for (int halvings = 0; halvings < 22; ++halvings) {  // a week has less than 2^20 seconds
    for (size_t i = 0; i < low.size(); ++i) middle[i] = low[i] + (high[i] - low[i]) / 2 / kSecondUs * kSecondUs;
    const std::vector<int64_t> found = clock.offsets(middle);
    for (size_t i = 0; i < low.size(); ++i) {
      if (middle[i] == low[i]) continue;
      (found[i] == before[i] ? low[i] : high[i]) = middle[i];
    }
  }
  std::vector<plan::TimeZone::Span> spans{{std::numeric_limits<int64_t>::min(), offsets.front()}};
  for (size_t i = 0; i < high.size(); ++i) spans.push_back({high[i], after[i]});
  return std::make_shared<plan::TimeZone>(name, std::move(spans));
}

}  // namespace

std::shared_ptr<const plan::TimeZone> find_time_zone(duckdb::ClientContext& context, const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const plan::TimeZone>> zones;
  {
    std::lock_guard lock(mutex);
    if (const auto found = zones.find(name); found != zones.end()) return found->second;
  }
  std::shared_ptr<const plan::TimeZone> zone = read_zone(context, name);
  std::lock_guard lock(mutex);
  return zones.emplace(name, std::move(zone)).first->second;
}

std::shared_ptr<const plan::TimeZone> find_calendar(duckdb::ClientContext& context, const std::string& zone) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const plan::TimeZone>> calendars;
  std::vector<plan::TimeZone::Span> spans{{std::numeric_limits<int64_t>::min(), 0}};
  if (!zone.empty()) spans = find_time_zone(context, zone)->spans();
  std::lock_guard lock(mutex);
  auto& calendar = calendars[zone];
  if (!calendar) calendar = std::make_shared<plan::TimeZone>(zone, std::move(spans), true);
  return calendar;
}

}  // namespace laminar::sql
