// count, sum, avg, bool_and, bool_or.
//
// Integers and decimals are summed exactly in 128 bits, so one form serves append-only and retracting inputs. Doubles
// are added plainly where the input is append-only; where it retracts, an ExactSum keeps every bit, and the result is
// the rounded true sum whatever came and went before.
#include "stream/operators/accumulator_rows.h"
#include "stream/state/exact_sum.h"

namespace laminar::stream {

using data::Column;
using data::Physical;
using data::StringArena;
using plan::AggregateKind;

namespace {

class CountStar final : public Accumulator {
 public:
  CountStar() : Accumulator(8) {}
  void update(const AggregateInput& in, StatePool&) override {
    if (!in.weights) {
      for (uint32_t i = 0; i < in.count; ++i) ++state<int64_t>(in.groups[i]);
    } else {
      for_rows(in, [&](uint32_t i, uint32_t row) { state<int64_t>(in.groups[i]) += in.weights[row]; });
    }
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool&) override {
    for (uint32_t i = 0; i < count; ++i) state<int64_t>(into[i]) += state<int64_t>(from[i]);
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) out.values<int64_t>()[at + i] = state<int64_t>(groups[i]);
  }
};

class Count final : public Accumulator {
 public:
  explicit Count(uint32_t column) : Accumulator(8), column_(column) {}
  void update(const AggregateInput& in, StatePool&) override {
    if (!in.weights) {
      for_values(in, in.columns[column_], [&](uint32_t i, uint32_t) { ++state<int64_t>(in.groups[i]); });
    } else {
      for_values(in, in.columns[column_], [&](uint32_t i, uint32_t row) { state<int64_t>(in.groups[i]) += in.weights[row]; });
    }
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool&) override {
    for (uint32_t i = 0; i < count; ++i) state<int64_t>(into[i]) += state<int64_t>(from[i]);
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) out.values<int64_t>()[at + i] = state<int64_t>(groups[i]);
  }

 private:
  uint32_t column_;
};

struct __attribute__((packed, aligned(8))) IntegerSum {
  int128 sum;
  int64_t count;
};

enum class SumResult : uint8_t { kSum, kAverage };

void store_sum(const Column& out, uint32_t row, int128 sum) {
  switch (out.physical) {
    case Physical::kI64: static_cast<int64_t*>(out.data)[row] = static_cast<int64_t>(sum); break;
    case Physical::kF64: static_cast<double*>(out.data)[row] = static_cast<double>(sum); break;
    default: std::memcpy(static_cast<char*>(out.data) + size_t{row} * 16, &sum, 16); break;
  }
}

template <class T>
class SumInteger final : public Accumulator {
 public:
  SumInteger(uint32_t column, SumResult result, double divisor)
      : Accumulator(sizeof(IntegerSum)), column_(column), result_(result), divisor_(divisor) {}

  void update(const AggregateInput& in, StatePool&) override {
    const Column& column = in.columns[column_];
    const T* values = column.values<T>();
    if constexpr (sizeof(T) == 16) {
      for_values(in, column, [&](uint32_t i, uint32_t row) {
        IntegerSum& s = state<IntegerSum>(in.groups[i]);
        const int64_t weight = in.weight(row);
        int128 value, sum;
        std::memcpy(&value, &values[row], 16);
        if (__builtin_mul_overflow(value, static_cast<int128>(weight), &value) || __builtin_add_overflow(s.sum, value, &sum)) {
          if (in.faults) in.faults->push_back({row, "sum is out of range of HUGEINT"});
          return;
        }
        s.sum = sum;
        s.count += weight;
      });
    } else if (!in.weights) {
      for_values(in, column, [&](uint32_t i, uint32_t row) {
        IntegerSum& s = state<IntegerSum>(in.groups[i]);
        s.sum += values[row];
        ++s.count;
      });
    } else {
      for_values(in, column, [&](uint32_t i, uint32_t row) {
        IntegerSum& s = state<IntegerSum>(in.groups[i]);
        s.sum += static_cast<int128>(values[row]) * in.weights[row];
        s.count += in.weights[row];
      });
    }
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool&) override {
    for (uint32_t i = 0; i < count; ++i) {
      IntegerSum& s = state<IntegerSum>(into[i]);
      const IntegerSum& f = state<IntegerSum>(from[i]);
      s.sum += f.sum;
      s.count += f.count;
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) {
      const IntegerSum& s = state<IntegerSum>(groups[i]);
      if (s.count == 0) {
        store_null(out, at + i);
      } else if (result_ == SumResult::kAverage) {
        out.values<double>()[at + i] =
            static_cast<double>(static_cast<long double>(s.sum) / (static_cast<long double>(s.count) * divisor_));
      } else {
        store_sum(out, at + i, s.sum);
      }
    }
  }

 private:
  uint32_t column_;
  SumResult result_;
  long double divisor_;
};

struct DoubleSum {
  double sum;
  int64_t count;
};

template <class T>
class SumDouble final : public Accumulator {
 public:
  SumDouble(uint32_t column, SumResult result) : Accumulator(sizeof(DoubleSum)), column_(column), result_(result) {}

  void update(const AggregateInput& in, StatePool&) override {
    const T* values = in.columns[column_].values<T>();
    for_values(in, in.columns[column_], [&](uint32_t i, uint32_t row) {
      DoubleSum& s = state<DoubleSum>(in.groups[i]);
      s.sum += static_cast<double>(values[row]);
      ++s.count;
    });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool&) override {
    for (uint32_t i = 0; i < count; ++i) {
      state<DoubleSum>(into[i]).sum += state<DoubleSum>(from[i]).sum;
      state<DoubleSum>(into[i]).count += state<DoubleSum>(from[i]).count;
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) {
      const DoubleSum& s = state<DoubleSum>(groups[i]);
      if (s.count == 0) {
        store_null(out, at + i);
      } else {
        out.values<double>()[at + i] = result_ == SumResult::kAverage ? s.sum / static_cast<double>(s.count) : s.sum;
      }
    }
  }

 private:
  uint32_t column_;
  SumResult result_;
};

struct RetractableSum {
  ExactSum* sum;
  int64_t count;
};

// Sum of doubles over an input that retracts.
template <class T>
class SumDoubleExact final : public Accumulator {
 public:
  SumDoubleExact(uint32_t column, SumResult result) : Accumulator(sizeof(RetractableSum)), column_(column), result_(result) {}

  bool holds_memory() const override { return true; }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      RetractableSum& s = state<RetractableSum>(groups[i]);
      if (s.sum) pool.free(s.sum, sizeof(ExactSum));
      s.sum = nullptr;
    }
  }
  bool saves_state() const override { return true; }
  void save(const char* group, ByteWriter& out) const override {
    const RetractableSum& s = state<RetractableSum>(group);
    out.put(s.count).put(s.sum != nullptr);
    if (s.sum) out.raw(s.sum, sizeof(ExactSum));
  }
  void load(char* group, ByteReader& in, StatePool& pool) override {
    RetractableSum& s = state<RetractableSum>(group);
    s.count = in.get<int64_t>();
    if (!in.get<bool>()) return;
    s.sum = new (pool.allocate(sizeof(ExactSum))) ExactSum();
    const std::string_view bytes = in.raw(sizeof(ExactSum));
    if (!bytes.empty()) std::memcpy(static_cast<void*>(s.sum), bytes.data(), sizeof(ExactSum));
  }
  void update(const AggregateInput& in, StatePool& pool) override {
    const T* values = in.columns[column_].values<T>();
    for_values(in, in.columns[column_], [&](uint32_t i, uint32_t row) {
      RetractableSum& s = state<RetractableSum>(in.groups[i]);
      if (!s.sum) s.sum = new (pool.allocate(sizeof(ExactSum))) ExactSum();
      s.sum->add(static_cast<double>(values[row]), in.weight(row));
      s.count += in.weight(row);
    });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      RetractableSum& s = state<RetractableSum>(into[i]);
      const RetractableSum& f = state<RetractableSum>(from[i]);
      if (!f.sum) continue;
      if (!s.sum) s.sum = new (pool.allocate(sizeof(ExactSum))) ExactSum();
      s.sum->add(*f.sum);
      s.count += f.count;
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) {
      const RetractableSum& s = state<RetractableSum>(groups[i]);
      if (s.count == 0) {
        store_null(out, at + i);
        continue;
      }
      const double sum = s.sum->value();
      out.values<double>()[at + i] = result_ == SumResult::kAverage ? sum / static_cast<double>(s.count) : sum;
    }
  }

 private:
  uint32_t column_;
  SumResult result_;
};

struct BoolCounts {
  int64_t trues, falses;
};

class Bool final : public Accumulator {
 public:
  Bool(uint32_t column, bool conjunction) : Accumulator(sizeof(BoolCounts)), column_(column), conjunction_(conjunction) {}
  void update(const AggregateInput& in, StatePool&) override {
    const uint8_t* values = in.columns[column_].values<uint8_t>();
    for_values(in, in.columns[column_], [&](uint32_t i, uint32_t row) {
      BoolCounts& s = state<BoolCounts>(in.groups[i]);
      (values[row] ? s.trues : s.falses) += in.weight(row);
    });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool&) override {
    for (uint32_t i = 0; i < count; ++i) {
      state<BoolCounts>(into[i]).trues += state<BoolCounts>(from[i]).trues;
      state<BoolCounts>(into[i]).falses += state<BoolCounts>(from[i]).falses;
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) {
      const BoolCounts& s = state<BoolCounts>(groups[i]);
      if (s.trues + s.falses == 0) store_null(out, at + i);
      else out.values<uint8_t>()[at + i] = conjunction_ ? s.falses == 0 : s.trues != 0;
    }
  }

 private:
  uint32_t column_;
  bool conjunction_;
};

}  // namespace

Result<AccumulatorPtr> make_sum(const CallContext& context) {
  const plan::AggregateCall& call = context.call;
  switch (call.kind) {
    case AggregateKind::kCountStar: return AccumulatorPtr(new CountStar());
    case AggregateKind::kCount:
      if (call.args.empty()) return AccumulatorPtr(new CountStar());
      return AccumulatorPtr(new Count(call.args[0]));
    case AggregateKind::kBoolAnd: return AccumulatorPtr(new Bool(call.args[0], true));
    case AggregateKind::kBoolOr: return AccumulatorPtr(new Bool(call.args[0], false));
    default: break;
  }
  const uint32_t column = call.args[0];
  const data::Type& type = context.arg_type(0);
  const SumResult result = call.kind == AggregateKind::kAvg ? SumResult::kAverage : SumResult::kSum;
  const Physical physical = type.physical(), out = call.type.physical();
  const bool numeric = physical != Physical::kInterval && physical != Physical::kString && !type.is_timestamp() &&
                       type.kind != data::TypeKind::kDate && type.kind != data::TypeKind::kTime && type.kind != data::TypeKind::kUuid &&
                       physical != Physical::kU128;
  const bool result_fits = result == SumResult::kAverage ? out == Physical::kF64
                                                         : out == Physical::kF64 || out == Physical::kI64 || out == Physical::kI128;
  if (!numeric || !result_fits) return context.not_implemented("over " + type.text() + " has no streaming form");
  if (physical == Physical::kF64 || physical == Physical::kF32) {
    if (out != Physical::kF64) return context.not_implemented("with a result of type " + call.type.text());
    if (context.append_only) {
      return physical == Physical::kF64 ? AccumulatorPtr(new SumDouble<double>(column, result))
                                        : AccumulatorPtr(new SumDouble<float>(column, result));
    }
    return physical == Physical::kF64 ? AccumulatorPtr(new SumDoubleExact<double>(column, result))
                                      : AccumulatorPtr(new SumDoubleExact<float>(column, result));
  }
  return with_physical(physical, [&]<class T>() -> AccumulatorPtr {
    if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, Interval> || std::is_same_v<T, data::StringRef> ||
                  std::is_same_v<T, unsigned __int128>) {
      return nullptr;
    } else {
      return AccumulatorPtr(new SumInteger<T>(column, result, decimal_scale(type)));
    }
  });
}

}  // namespace laminar::stream
