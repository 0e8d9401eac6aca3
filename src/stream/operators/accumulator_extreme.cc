// min, max, arg_min, arg_max over append-only input: the best value so far.
#include "stream/operators/accumulator_rows.h"
#include "stream/state/cell_io.h"

namespace laminar::stream {

using data::Column;
using data::StringArena;
using data::StringRef;
using plan::AggregateKind;

namespace {

template <class T, bool kMax>
bool better(const T& a, const T& b) {
  if constexpr (std::is_integral_v<T>) {
    return kMax ? a > b : a < b;
  } else {
    const int c = compare_values(a, b);
    return kMax ? c > 0 : c < 0;
  }
}

template <class T>
struct Best {
  uint64_t words[(sizeof(T) + 7) / 8];  // rows are 8-byte aligned, 128-bit integers would want 16
  uint64_t set;

  T value() const {
    T value;
    std::memcpy(&value, words, sizeof value);
    return value;
  }
  void put(const T& value) {
    std::memcpy(words, &value, sizeof value);
    set = 1;
  }
};

template <class T, bool kMax>
class Extreme final : public Accumulator {
 public:
  explicit Extreme(uint32_t column) : Accumulator(sizeof(Best<T>)), column_(column) {}

  bool holds_memory() const override { return std::is_same_v<T, StringRef>; }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override {
    if constexpr (std::is_same_v<T, StringRef>) {
      for (uint32_t i = 0; i < count; ++i) {
        Best<T>& s = state<Best<T>>(groups[i]);
        pool.free_string(s.value());
        s = Best<T>();
      }
    }
  }
  bool saves_state() const override { return true; }
  void save(const char* group, ByteWriter& out) const override {
    const Best<T>& s = state<Best<T>>(group);
    out.put(s.set);
    if constexpr (std::is_same_v<T, StringRef>) out.text(s.value().view());
    else out.raw(s.words, sizeof s.words);
  }
  void load(char* group, ByteReader& in, StatePool& pool) override {
    Best<T>& s = state<Best<T>>(group);
    const uint64_t set = in.get<uint64_t>();
    if constexpr (std::is_same_v<T, StringRef>) {
      const std::string_view text = in.text();
      s.put(pool.copy_string(StringRef(text.data(), static_cast<uint32_t>(text.size()))));
    } else {
      const std::string_view bytes = in.raw(sizeof s.words);
      if (!bytes.empty()) std::memcpy(s.words, bytes.data(), sizeof s.words);
    }
    s.set = set;
  }
  void update(const AggregateInput& in, StatePool& pool) override {
    const T* values = in.columns[column_].values<T>();
    for_values(in, in.columns[column_], [&](uint32_t i, uint32_t row) { offer(state<Best<T>>(in.groups[i]), values[row], pool); });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      const Best<T>& f = state<Best<T>>(from[i]);
      if (f.set) offer(state<Best<T>>(into[i]), f.value(), pool);
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena& strings) override {
    for (uint32_t i = 0; i < count; ++i) {
      const Best<T>& s = state<Best<T>>(groups[i]);
      if (!s.set) {
        store_null(out, at + i);
      } else if constexpr (std::is_same_v<T, StringRef>) {
        out.values<T>()[at + i] = strings.copy(s.value());
      } else {
        out.values<T>()[at + i] = s.value();
      }
    }
  }

 private:
  void offer(Best<T>& s, const T value, StatePool& pool) {
    const T held = s.value();
    if constexpr (std::is_same_v<T, StringRef>) {
      if (s.set && !better<T, kMax>(value, held)) return;
      s.put(pool.copy_string(value));
      pool.free_string(held);
    } else {
      s.put(s.set && !better<T, kMax>(value, held) ? held : value);
    }
  }
  uint32_t column_;
};

struct BestRow {
  Cell value, by;
  uint64_t sequence;
  uint64_t set;
};

// arg_min and arg_max: rows with a NULL on either side are skipped, ties go to the row that is first in the total order.
class ExtremeRow final : public Accumulator {
 public:
  ExtremeRow(uint32_t value, data::Physical value_type, uint32_t by, data::Physical by_type, bool max)
      : Accumulator(sizeof(BestRow)), value_(value), by_(by), value_type_(value_type), by_type_(by_type), max_(max) {}

  bool holds_memory() const override { return value_type_ == data::Physical::kString || by_type_ == data::Physical::kString; }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) release(state<BestRow>(groups[i]), pool);
  }
  bool saves_state() const override { return true; }
  void save(const char* group, ByteWriter& out) const override {
    const BestRow& s = state<BestRow>(group);
    out.put(s.set);
    if (!s.set) return;
    out.put(s.sequence);
    put_cell(value_type_, s.value, out);
    put_cell(by_type_, s.by, out);
  }
  void load(char* group, ByteReader& in, StatePool& pool) override {
    if (!in.get<uint64_t>()) return;
    const uint64_t sequence = in.get<uint64_t>();
    const Cell value = get_cell(value_type_, in), by = get_cell(by_type_, in);
    replace(state<BestRow>(group), value, by, sequence, pool);
  }
  void update(const AggregateInput& in, StatePool& pool) override {
    const Column& value = in.columns[value_];
    const Column& by = in.columns[by_];
    with_physical(by_type_, [&]<class T>() {
      const T* keys = by.values<T>();
      for_values(in, by, [&](uint32_t i, uint32_t row) {
        if (value.is_null(row)) return;
        BestRow& s = state<BestRow>(in.groups[i]);
        const uint64_t sequence = in.sequence_of(row);
        if (s.set) {
          const int c = compare_values(keys[row], s.by.as<T>());
          if (c == 0 ? sequence >= s.sequence : (c > 0) != max_) return;
        }
        replace(s, Cell::load(value, row), Cell::load(by, row), sequence, pool);
      });
    });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      BestRow& s = state<BestRow>(into[i]);
      const BestRow& f = state<BestRow>(from[i]);
      if (!f.set) continue;
      if (s.set) {
        const int c = compare_cells(by_type_, f.by, s.by);
        if (c == 0 ? f.sequence >= s.sequence : (c > 0) != max_) continue;
      }
      replace(s, f.value, f.by, f.sequence, pool);
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena& strings) override {
    for (uint32_t i = 0; i < count; ++i) {
      const BestRow& s = state<BestRow>(groups[i]);
      if (s.set) store_cell(s.value, out, at + i, strings);
      else store_null(out, at + i);
    }
  }

 private:
  void release(BestRow& s, StatePool& pool) {
    if (!s.set) return;
    if (value_type_ == data::Physical::kString) pool.free_string(s.value.as<StringRef>());
    if (by_type_ == data::Physical::kString) pool.free_string(s.by.as<StringRef>());
    s = BestRow();
  }
  void replace(BestRow& s, Cell value, Cell by, uint64_t sequence, StatePool& pool) {
    if (value_type_ == data::Physical::kString) value = Cell::of(pool.copy_string(value.as<StringRef>()));
    if (by_type_ == data::Physical::kString) by = Cell::of(pool.copy_string(by.as<StringRef>()));
    release(s, pool);
    s = BestRow{value, by, sequence, 1};
  }
  uint32_t value_, by_;
  data::Physical value_type_, by_type_;
  bool max_;
};

}  // namespace

Result<AccumulatorPtr> make_extreme(const CallContext& context) {
  const plan::AggregateCall& call = context.call;
  const bool max = call.kind == AggregateKind::kMax || call.kind == AggregateKind::kArgMax;
  const bool by_other = call.kind == AggregateKind::kArgMin || call.kind == AggregateKind::kArgMax;
  const data::Type& ordered = context.arg_type(by_other ? 1 : 0);
  if (ordered.kind == data::TypeKind::kBoxed) return context.not_implemented("compares " + ordered.text() + ", which has no order here");
  if (by_other) {
    return AccumulatorPtr(new ExtremeRow(call.args[0], context.arg_type(0).physical(), call.args[1], ordered.physical(), max));
  }
  return with_physical(ordered.physical(), [&]<class T>() {
    return max ? AccumulatorPtr(new Extreme<T, true>(call.args[0])) : AccumulatorPtr(new Extreme<T, false>(call.args[0]));
  });
}

}  // namespace laminar::stream
