// stddev and variance: Welford's method over append-only input; exact sums of x and x * x where rows are taken back, so
// that nothing of a row stays behind.
#include "stream/operators/accumulator_rows.h"
#include "stream/state/exact_sum.h"

namespace laminar::stream {

using data::Column;
using data::StringArena;
using plan::AggregateKind;

namespace {

// The result from the sum of squared distances from the mean; false: NULL.
bool finish_moments(AggregateKind kind, int64_t count, double squares, double* result) {
  const bool sample = kind == AggregateKind::kStddevSamp || kind == AggregateKind::kVarSamp;
  if (count < (sample ? 2 : 1)) return false;
  double variance = count == 1 ? 0 : squares / static_cast<double>(sample ? count - 1 : count);
  if (variance < 0) variance = 0;
  const bool root = kind == AggregateKind::kStddevSamp || kind == AggregateKind::kStddevPop;
  *result = root ? std::sqrt(variance) : variance;
  return true;
}

struct Welford {
  int64_t count;
  double mean, squares;
};

template <class T>
class Moments final : public Accumulator {
 public:
  Moments(AggregateKind kind, uint32_t column, double divisor)
      : Accumulator(sizeof(Welford)), kind_(kind), column_(column), divisor_(divisor) {}

  void update(const AggregateInput& in, StatePool&) override {
    const T* values = in.columns[column_].values<T>();
    for_values(in, in.columns[column_], [&](uint32_t i, uint32_t row) {
      Welford& s = state<Welford>(in.groups[i]);
      const double value = to_double(values[row]) / divisor_;
      const double delta = value - s.mean;
      s.mean += delta / static_cast<double>(++s.count);
      s.squares += delta * (value - s.mean);
    });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool&) override {
    for (uint32_t i = 0; i < count; ++i) {
      Welford& s = state<Welford>(into[i]);
      const Welford& f = state<Welford>(from[i]);
      if (f.count == 0) continue;
      const double n = static_cast<double>(s.count), m = static_cast<double>(f.count), delta = f.mean - s.mean;
      s.squares += f.squares + delta * delta * n * m / (n + m);
      s.mean += delta * m / (n + m);
      s.count += f.count;
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) {
      const Welford& s = state<Welford>(groups[i]);
      if (!finish_moments(kind_, s.count, s.squares, &out.values<double>()[at + i])) store_null(out, at + i);
    }
  }

 private:
  AggregateKind kind_;
  uint32_t column_;
  double divisor_;
};

struct ExactPair {
  ExactSum sum, squares;
};
struct ExactMoments {
  int64_t count;
  ExactPair* sums;
};

template <class T>
class MomentsExact final : public Accumulator {
 public:
  MomentsExact(AggregateKind kind, uint32_t column, double divisor)
      : Accumulator(sizeof(ExactMoments)), kind_(kind), column_(column), divisor_(divisor) {}

  bool holds_memory() const override { return true; }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      ExactMoments& s = state<ExactMoments>(groups[i]);
      if (s.sums) pool.free(s.sums, sizeof(ExactPair));
      s.sums = nullptr;
    }
  }
  bool saves_state() const override { return true; }
  void save(const char* group, ByteWriter& out) const override {
    const ExactMoments& s = state<ExactMoments>(group);
    out.put(s.count).put(s.sums != nullptr);
    if (s.sums) out.raw(s.sums, sizeof(ExactPair));
  }
  void load(char* group, ByteReader& in, StatePool& pool) override {
    state<ExactMoments>(group).count = in.get<int64_t>();
    if (!in.get<bool>()) return;
    ExactPair& sums = sums_of(group, pool);
    const std::string_view bytes = in.raw(sizeof sums);
    if (!bytes.empty()) std::memcpy(static_cast<void*>(&sums), bytes.data(), sizeof sums);
  }
  void update(const AggregateInput& in, StatePool& pool) override {
    const T* values = in.columns[column_].values<T>();
    for_values(in, in.columns[column_], [&](uint32_t i, uint32_t row) {
      ExactPair& sums = sums_of(in.groups[i], pool);
      const double value = to_double(values[row]) / divisor_;
      const double square = value * value, rest = std::isfinite(square) ? std::fma(value, value, -square) : 0;
      const int64_t weight = in.weight(row);
      sums.sum.add(value, weight);
      sums.squares.add(square, weight);
      sums.squares.add(rest, weight);
      state<ExactMoments>(in.groups[i]).count += weight;
    });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      const ExactMoments& f = state<ExactMoments>(from[i]);
      if (!f.sums) continue;
      ExactPair& sums = sums_of(into[i], pool);
      sums.sum.add(f.sums->sum);
      sums.squares.add(f.sums->squares);
      state<ExactMoments>(into[i]).count += f.count;
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) {
      const ExactMoments& s = state<ExactMoments>(groups[i]);
      double squares = 0;
      if (s.count > 0) {
        // The difference of two large sums: their leading digits cancel, so both are taken at 100 bits and more.
        double high, low;
        s.sums->sum.value(&high, &low);
        const __float128 sum = static_cast<__float128>(high) + low;
        s.sums->squares.value(&high, &low);
        squares = static_cast<double>(static_cast<__float128>(high) + low - sum * sum / s.count);
      }
      if (!finish_moments(kind_, s.count, squares, &out.values<double>()[at + i])) store_null(out, at + i);
    }
  }

 private:
  ExactPair& sums_of(char* group, StatePool& pool) {
    ExactMoments& s = state<ExactMoments>(group);
    if (!s.sums) s.sums = new (pool.allocate(sizeof(ExactPair))) ExactPair();
    return *s.sums;
  }
  AggregateKind kind_;
  uint32_t column_;
  double divisor_;
};

}  // namespace

Result<AccumulatorPtr> make_moments(const CallContext& context) {
  const plan::AggregateCall& call = context.call;
  const data::Type& type = context.arg_type(0);
  const data::Physical physical = type.physical();
  if (physical == data::Physical::kString || physical == data::Physical::kInterval || type.is_timestamp() ||
      call.type.physical() != data::Physical::kF64)
    return context.not_implemented("over " + type.text() + " has no streaming form");
  const double divisor = decimal_scale(type);
  return with_physical(physical, [&]<class T>() {
    return context.append_only ? AccumulatorPtr(new Moments<T>(call.kind, call.args[0], divisor))
                               : AccumulatorPtr(new MomentsExact<T>(call.kind, call.args[0], divisor));
  });
}

}  // namespace laminar::stream
