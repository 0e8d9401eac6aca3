// Aggregates that keep the rows of a group in order: min, max, first, last, arg_min, arg_max where rows are taken back,
// and quantiles and string_agg always.
//
// Ties go to the row that is first in the total order. Where a row that is taken back comes with another place in it than
// it had, an entry is known by its values alone: ties are then broken by the values, so the result is a function of what
// is there.
#include "stream/operators/accumulator_rows.h"
#include "stream/state/ordered_multiset_io.h"
#include "stream/state/ordered_multiset.h"

namespace laminar::stream {

using data::Column;
using data::Physical;
using data::StringArena;
using data::StringRef;
using data::TypeKind;
using plan::AggregateKind;

namespace {

enum class Read : uint8_t { kFirst, kLast, kContinuous, kDiscrete, kConcatenated };

struct OrderedSpec {
  Read read = Read::kFirst;
  std::vector<uint32_t> columns;      // by part; kSequence: the place in the total order
  EntryOrder order;
  std::vector<bool> required;         // a row with NULL in such a part does not count
  size_t value = 0;                   // the part that is the result
  data::Type value_type, result_type;
  double fraction = 0.5;              // quantiles
  std::string separator;
  static constexpr uint32_t kSequence = ~0u;
};

double as_double(Physical physical, const Cell& cell) {
  return with_physical(physical, [&]<class T>() { return to_double(cell.as<T>()); });
}

class Ordered final : public Accumulator {
 public:
  explicit Ordered(OrderedSpec spec) : Accumulator(sizeof(OrderedMultiset)), spec_(std::move(spec)), cells_(spec_.columns.size()) {}

  bool holds_memory() const override { return true; }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) state<OrderedMultiset>(groups[i]).free(spec_.order, pool);
  }
  bool saves_state() const override { return true; }
  void save(const char* group, ByteWriter& out) const override {
    save_entries(state<OrderedMultiset>(group), spec_.order, out);
  }
  void load(char* group, ByteReader& in, StatePool& pool) override {
    load_entries(state<OrderedMultiset>(group), spec_.order, cells_, in, pool);
  }
  void update(const AggregateInput& in, StatePool& pool) override {
    for_rows(in, [&](uint32_t i, uint32_t row) {
      uint32_t nulls = 0;
      for (size_t p = 0; p < cells_.size(); ++p) {
        if (spec_.columns[p] == OrderedSpec::kSequence) {
          cells_[p] = Cell::of(in.sequence_of(row));
        } else if (in.columns[spec_.columns[p]].is_null(row)) {
          if (spec_.required[p]) return;
          nulls |= 1u << p;
        } else {
          cells_[p] = Cell::load(in.columns[spec_.columns[p]], row);
        }
      }
      state<OrderedMultiset>(in.groups[i]).add(spec_.order, cells_.data(), nulls, in.weight(row), pool);
    });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      OrderedMultiset& set = state<OrderedMultiset>(into[i]);
      state<OrderedMultiset>(from[i]).for_each([&](const OrderedMultiset::Node& node) {
        set.add(spec_.order, node.cells(), node.nulls, node.count, pool);
      });
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena& strings) override {
    for (uint32_t i = 0; i < count; ++i) {
      const OrderedMultiset& set = state<OrderedMultiset>(groups[i]);
      if (set.total() <= 0) store_null(out, at + i);
      else write(set, out, at + i, strings);
    }
  }

 private:
  void write(const OrderedMultiset& set, Column& out, uint32_t row, StringArena& strings) {
    switch (spec_.read) {
      case Read::kFirst: write_node(set.first(), out, row, strings); break;
      case Read::kLast: write_node(set.last(), out, row, strings); break;
      case Read::kConcatenated: concatenate(set, out, row, strings); break;
      case Read::kDiscrete: {
        const double n = static_cast<double>(set.total());
        const double q = std::fabs(spec_.fraction);
        const int64_t rank = std::max<int64_t>(1, set.total() - static_cast<int64_t>(std::floor(n - q * n))) - 1;
        write_node(ranked(set, rank), out, row, strings);
        break;
      }
      case Read::kContinuous: {
        const double place = static_cast<double>(set.total() - 1) * std::fabs(spec_.fraction);
        const auto low = static_cast<int64_t>(std::floor(place)), high = static_cast<int64_t>(std::ceil(place));
        interpolate(ranked(set, low)->cells()[0], ranked(set, high)->cells()[0], place - std::floor(place), out, row);
        break;
      }
    }
  }
  void write_node(const OrderedMultiset::Node* node, Column& out, uint32_t row, StringArena& strings) {
    if (!node || (node->nulls >> spec_.value & 1)) store_null(out, row);
    else store_cell(node->cells()[spec_.value], out, row, strings);
  }
  // A negative fraction counts from the greatest value down.
  const OrderedMultiset::Node* ranked(const OrderedMultiset& set, int64_t rank) const {
    return set.at(std::signbit(spec_.fraction) ? set.total() - 1 - rank : rank);
  }
  void interpolate(const Cell& low, const Cell& high, double part, Column& out, uint32_t row) {
    const Physical physical = spec_.value_type.physical();
    if (out.physical == Physical::kF64) {
      const double scale = decimal_scale(spec_.value_type);
      const double a = as_double(physical, low) / scale, b = as_double(physical, high) / scale;
      out.values<double>()[row] = part == 0 ? a : a * (1 - part) + b * part;
      return;
    }
    // Dates become timestamps; all else stays in its own units.
    const int64_t unit = spec_.value_type.kind == TypeKind::kDate && spec_.result_type.is_timestamp() ? 86'400'000'000 : 1;
    with_physical(out.physical, [&]<class T>() {
      if constexpr (std::is_arithmetic_v<T> || sizeof(T) == 16) {
        if constexpr (!std::is_same_v<T, StringRef> && !std::is_same_v<T, Interval>) {
          with_physical(physical, [&]<class S>() {
            if constexpr (!std::is_same_v<S, StringRef> && !std::is_same_v<S, Interval>) {
              const T a = static_cast<T>(static_cast<T>(low.as<S>()) * static_cast<T>(unit));
              const T b = static_cast<T>(static_cast<T>(high.as<S>()) * static_cast<T>(unit));
              const T result = static_cast<T>(a + static_cast<T>(static_cast<double>(b - a) * part));
              std::memcpy(static_cast<char*>(out.data) + size_t{row} * sizeof(T), &result, sizeof(T));
            }
          });
        }
      }
    });
  }
  void concatenate(const OrderedMultiset& set, Column& out, uint32_t row, StringArena& strings) {
    text_.clear();
    bool any = false;
    set.for_each([&](const OrderedMultiset::Node& node) {
      const StringRef value = node.cells()[spec_.value].as<StringRef>();
      for (int64_t i = 0; i < node.count; ++i) {
        if (any) text_ += spec_.separator;
        text_ += value.view();
        any = true;
      }
    });
    out.values<StringRef>()[row] = strings.copy(std::string_view(text_));
  }

  OrderedSpec spec_;
  std::vector<Cell> cells_;
  std::string text_;
};

// The fraction of a quantile, -1 .. 1.
Result<double> fraction_of(const CallContext& context) {
  const plan::AggregateCall& call = context.call;
  if (call.kind == AggregateKind::kMedian) return 0.5;
  if (call.params.size() != 1 || call.params[0].is_null) return context.not_implemented("needs one fraction");
  const data::Value& value = call.params[0];
  if (value.type.physical() == Physical::kString) return context.not_implemented("with a list of fractions has no streaming form");
  Cell cell;
  std::memcpy(cell.words, value.bits, 16);
  const double fraction = as_double(value.type.physical(), cell) / decimal_scale(value.type);
  if (!(std::fabs(fraction) <= 1)) return Status(ErrorCode::kBindError, call.text + " has a fraction outside 0 .. 1", call.offset);
  return fraction;
}

}  // namespace

Result<AccumulatorPtr> make_ordered(const CallContext& context) {
  const plan::AggregateCall& call = context.call;
  OrderedSpec spec;
  auto add_part = [&](uint32_t column, bool descending, bool nulls_first, bool required) {
    spec.columns.push_back(column);
    const Physical physical = column == OrderedSpec::kSequence ? Physical::kU64 : context.types[column].physical();
    spec.order.parts.push_back({physical, descending, nulls_first});
    spec.required.push_back(required);
  };
  auto add_order_by = [&] {
    for (const plan::SortKey& key : call.order_by) add_part(key.column, key.descending, key.nulls_first, false);
  };
  auto add_sequence = [&] {
    if (context.has_order && !call.distinct) add_part(OrderedSpec::kSequence, false, false, false);
  };
  const uint32_t value = call.args[0];
  spec.value_type = context.types[value];
  spec.result_type = call.type;
  switch (call.kind) {
    case AggregateKind::kMin: case AggregateKind::kMax:
      spec.read = call.kind == AggregateKind::kMin ? Read::kFirst : Read::kLast;
      add_part(value, false, false, true);
      break;
    case AggregateKind::kArgMin: case AggregateKind::kArgMax:
      spec.read = Read::kFirst;
      add_part(call.args[1], call.kind == AggregateKind::kArgMax, false, true);
      add_order_by();
      add_sequence();
      add_part(value, false, false, true);
      break;
    case AggregateKind::kFirst: case AggregateKind::kLast:
      spec.read = call.kind == AggregateKind::kFirst ? Read::kFirst : Read::kLast;
      add_order_by();
      add_sequence();
      add_part(value, false, false, call.ignore_nulls);
      break;
    case AggregateKind::kQuantileCont: case AggregateKind::kQuantileDisc: case AggregateKind::kMedian: {
      ASSIGN_OR_RETURN(spec.fraction, fraction_of(context));
      const Physical physical = spec.value_type.physical();
      const bool numeric = physical != Physical::kString && physical != Physical::kInterval && physical != Physical::kBool;
      if (call.type.kind == TypeKind::kBoxed || (!numeric && call.kind == AggregateKind::kQuantileCont))
        return context.not_implemented("over " + spec.value_type.text() + " has no streaming form");
      spec.read = call.kind == AggregateKind::kQuantileDisc || !numeric ? Read::kDiscrete : Read::kContinuous;
      const bool same = call.type.physical() == physical;
      const bool date = spec.value_type.kind == TypeKind::kDate && call.type.is_timestamp();
      if (!same && (spec.read == Read::kDiscrete || (call.type.physical() != Physical::kF64 && !date)))
        return context.not_implemented("with a result of type " + call.type.text() + " has no streaming form");
      add_part(value, false, false, true);
      break;
    }
    case AggregateKind::kStringAgg:
      if (spec.value_type.kind != TypeKind::kVarchar) return context.not_implemented("over " + spec.value_type.text());
      spec.read = Read::kConcatenated;
      spec.separator = call.params.empty() || call.params[0].is_null ? "," : call.params[0].text;
      add_order_by();
      add_sequence();
      add_part(value, false, false, true);
      break;
    default:
      return Status(ErrorCode::kInternal, "no ordered form of " + call.text, call.offset);
  }
  spec.value = spec.columns.size() - 1;
  // The last part only tells rows apart, except where it is what is compared.
  const bool value_compared = call.kind == AggregateKind::kMin || call.kind == AggregateKind::kMax || call.kind == AggregateKind::kQuantileDisc;
  for (size_t p = 0; p + !value_compared < spec.columns.size(); ++p)
    if (const uint32_t column = spec.columns[p]; column != OrderedSpec::kSequence && context.types[column].kind == TypeKind::kBoxed)
      return context.not_implemented("compares " + context.types[column].text() + ", which has no order here");
  if (spec.columns.size() > 32) return context.not_implemented("has more than 30 ORDER BY keys");
  return AccumulatorPtr(new Ordered(std::move(spec)));
}

}  // namespace laminar::stream
