// Native kernels against DuckDB's executor: the same bound expression over random rows must give the same bits and fail
// on the same rows. LAMINAR_SEED repeats a run.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <random>
#include <set>

#include "base/seed_testing.h"
#include "duck/bound_pair_test.h"
#include "expr/program.h"

namespace laminar::duck {
namespace {

using data::Type;
using data::TypeKind;
using expr::Expr;
using expr::ExprKind;
using expr::Op;

std::shared_ptr<Database> database() {
  static std::shared_ptr<Database> db = Database::open({.threads = 1, .configure = {}}).take();
  return db;
}

// ---- random rows ----------------------------------------------------------------------------------------------------

class Rows {
 public:
  Rows(std::vector<Type> types, uint64_t salt, bool tame = false)
      : types_(std::move(types)), buffer_(types_), random_(test_seed() * 31 + salt), tame_(tame) {}

  data::Batch fill(uint32_t rows, int null_percent) {
    buffer_.clear();
    buffer_.rows = rows;
    for (uint32_t c = 0; c < types_.size(); ++c) {
      for (uint32_t r = 0; r < rows; ++r) {
        put(types_[c], buffer_.column(c), r);
        if (static_cast<int>(random_() % 100) < null_percent) data::set_null(buffer_.column(c).validity, r);
      }
    }
    return buffer_.view();
  }

 private:
  bool one_in(int n) { return random_() % n == 0; }

  // Near the ends, small, or of any length in bits.
  template <class T>
  T integer() {
    const int64_t near = static_cast<int64_t>(random_() % 7) - 3;
    if (!tame_ && one_in(16)) return static_cast<T>(std::numeric_limits<T>::min() + static_cast<T>(std::abs(near)));
    if (!tame_ && one_in(16)) return static_cast<T>(std::numeric_limits<T>::max() - static_cast<T>(std::abs(near)));
    if (one_in(3)) return static_cast<T>(near);
    const int bits =
        1 + static_cast<int>(random_() % (tame_ ? std::min<size_t>(30, sizeof(T) * 8 - 2) : sizeof(T) * 8 - 1));
    const uint64_t value = random_() >> (64 - bits);
    return static_cast<T>(std::is_signed_v<T> && one_in(2) ? -static_cast<int64_t>(value)
                                                           : static_cast<int64_t>(value));
  }

  __int128 wide() {
    __int128 value = integer<int64_t>();
    if (!tame_ && one_in(2)) value = value * integer<int64_t>();
    if (!tame_ && one_in(12))
      value = static_cast<__int128>(static_cast<unsigned __int128>(one_in(2) ? 1 : 0) << 127) - (one_in(2) ? 1 : 0);
    return value;
  }

  __int128 decimal(uint8_t width) {
    __int128 limit = 1;
    for (int i = 0; i < width; ++i) limit *= 10;
    if (one_in(10)) return (one_in(2) ? 1 : -1) * (limit - 1 - static_cast<int>(random_() % 3));
    __int128 value = limit;
    for (int cut = static_cast<int>(random_() % (width + 1)); cut > 0; --cut) value /= 10;
    if (value <= 0) value = 1;
    value = static_cast<__int128>((static_cast<unsigned __int128>(random_()) << 60 | random_() >> 4) %
                                  static_cast<unsigned __int128>(value));
    return one_in(2) ? -value : value;
  }

  template <class T>
  T real() {
    switch (random_() % (tame_ ? 4 : 12)) {
      case 0:
        return static_cast<T>(static_cast<int>(random_() % 200) - 100) / 2;
      case 1:
        return static_cast<T>(integer<int64_t>());
      case 2:
        return static_cast<T>(integer<int32_t>()) / 1000;
      case 3:
        return one_in(2) ? T{0} : -T{0};
      case 4:
        return std::numeric_limits<T>::quiet_NaN();
      case 5:
        return std::numeric_limits<T>::infinity();
      case 6:
        return -std::numeric_limits<T>::infinity();
      case 7:
        return std::numeric_limits<T>::max();
      case 8:
        return std::numeric_limits<T>::denorm_min();
      default:
        return static_cast<T>(std::ldexp(static_cast<double>(random_() >> 11), static_cast<int>(random_() % 120) - 90));
    }
  }

  std::string text() {
    static const char* kPieces[] = {"a",
                                    "b",
                                    "ab",
                                    "%",
                                    "_",
                                    "\xc3\xa9",
                                    "\xe2\x82\xac",
                                    "\xf0\x9f\xa6\x86",
                                    "A",
                                    "x",
                                    "abc",
                                    " ",
                                    "0123456789abcdef"};
    std::string s;
    for (int n = one_in(6) ? 0 : static_cast<int>(random_() % 9); n > 0; --n)
      s += kPieces[random_() % std::size(kPieces)];
    return s;
  }

  int64_t time(int64_t unit) {
    if (!tame_ && one_in(30))
      return one_in(2) ? std::numeric_limits<int64_t>::max() : -std::numeric_limits<int64_t>::max();
    if (!tame_ && one_in(20))
      return one_in(2) ? std::numeric_limits<int64_t>::max() - 1 - static_cast<int64_t>(random_() % 100)
                       : -9223372022400000000 + static_cast<int64_t>(random_() % 100) * 1000;
    const int64_t around = static_cast<int64_t>(random_() % (uint64_t{400} * 365 * 86400)) - int64_t{200} * 365 * 86400;
    return around * unit + static_cast<int64_t>(random_() % static_cast<uint64_t>(unit));
  }

  template <class T>
  void set(data::Column& column, uint32_t row, T value) {
    std::memcpy(static_cast<char*>(column.data) + size_t{row} * sizeof(T), &value, sizeof(T));
  }

  void put(const Type& type, data::Column& column, uint32_t row) {
    switch (type.kind) {
      case TypeKind::kBoolean:
        return set<uint8_t>(column, row, random_() & 1);
      case TypeKind::kInt8:
        return set(column, row, integer<int8_t>());
      case TypeKind::kInt16:
        return set(column, row, integer<int16_t>());
      case TypeKind::kInt32:
        return set(column, row, integer<int32_t>());
      case TypeKind::kInt64:
        return set(column, row, integer<int64_t>());
      case TypeKind::kUInt8:
        return set(column, row, integer<uint8_t>());
      case TypeKind::kUInt16:
        return set(column, row, integer<uint16_t>());
      case TypeKind::kUInt32:
        return set(column, row, integer<uint32_t>());
      case TypeKind::kUInt64:
        return set(column, row, integer<uint64_t>());
      case TypeKind::kInt128:
      case TypeKind::kUInt128:
      case TypeKind::kUuid:
        return set(column, row, wide());
      case TypeKind::kFloat:
        return set(column, row, real<float>());
      case TypeKind::kDouble:
        return set(column, row, real<double>());
      case TypeKind::kDecimal: {
        const __int128 value = decimal(type.width);
        std::memcpy(static_cast<char*>(column.data) + size_t{row} * data::physical_size(column.physical), &value,
                    data::physical_size(column.physical));
        return;
      }
      case TypeKind::kDate:
        if (!tame_ && one_in(20))
          return set(column, row,
                     one_in(2) ? std::numeric_limits<int32_t>::max() : -std::numeric_limits<int32_t>::max());
        if (!tame_ && one_in(10))
          return set(column, row,
                     static_cast<int32_t>(std::clamp<int64_t>(integer<int32_t>(), -2147483646, 2147483646)));
        return set(column, row, static_cast<int32_t>(random_() % 200000) - 100000);
      case TypeKind::kTime:
        return set(column, row, static_cast<int64_t>(random_() % 86'400'000'000u));
      case TypeKind::kTimestampS:
        return set(column, row, one_in(20) ? time(1000000) : time(1));
      case TypeKind::kTimestampMs:
        return set(column, row, one_in(20) ? time(1000000) : time(1000));
      case TypeKind::kTimestampNs:
        return set(column, row, one_in(2) ? time(1000000) : integer<int64_t>());
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampTz:
        return set(column, row, time(1000000));
      case TypeKind::kInterval: {
        struct {
          int32_t months, days;
          int64_t us;
        } v = {one_in(2) ? 0 : static_cast<int32_t>(random_() % 100) - 50,
               one_in(2) ? 0 : static_cast<int32_t>(random_() % 100) - 50,
               one_in(2) ? 0 : integer<int64_t>() >> (one_in(2) ? 0 : 20)};
        if (!tame_ && one_in(10)) v.months = integer<int32_t>();
        if (!tame_ && one_in(10)) v.days = integer<int32_t>();
        if (one_in(6)) v = {1, 0, 0};
        if (one_in(6)) v = {0, 30, 0};
        if (one_in(6)) v = {0, 29, 86'400'000'000};
        return set(column, row, v);
      }
      default:
        set(column, row, buffer_.strings().copy(text()));
    }
  }

  std::vector<Type> types_;
  data::BatchBuffer buffer_;
  std::mt19937_64 random_;
  bool tame_;
};

// ---- comparison -----------------------------------------------------------------------------------------------------

// What has been compared, as "op(types)".
std::set<std::string>& covered() {
  static std::set<std::string> names;
  return names;
}
std::string signature(const Expr& e) {
  std::string text =
      e.kind == ExprKind::kCast ? "cast to " + e.type.text() : "op " + std::to_string(static_cast<int>(e.op));
  for (const auto& arg : e.args)
    text += " " + std::to_string(static_cast<int>(arg->type.physical())) + "/" +
            std::to_string(static_cast<int>(arg->type.kind));
  return text;
}
void cover(const Expr& e) {
  if (e.kind == ExprKind::kCall || e.kind == ExprKind::kCast) covered().insert(signature(e));
  for (const auto& arg : e.args) cover(*arg);
}

bool same_value(const Type& type, const data::Column& a, const data::Column& b, uint32_t row) {
  if (a.is_null(row) || b.is_null(row)) return a.is_null(row) == b.is_null(row);
  if (type.is_string()) return a.values<data::StringRef>()[row].view() == b.values<data::StringRef>()[row].view();
  if (type.kind == TypeKind::kDouble && std::isnan(a.values<double>()[row])) return std::isnan(b.values<double>()[row]);
  if (type.kind == TypeKind::kFloat && std::isnan(a.values<float>()[row])) return std::isnan(b.values<float>()[row]);
  const uint32_t size = data::physical_size(type.physical());
  return std::memcmp(static_cast<const char*>(a.data) + size_t{row} * size,
                     static_cast<const char*>(b.data) + size_t{row} * size, size) == 0;
}

std::string row_text(const std::vector<Type>& types, const data::Batch& batch, uint32_t row) {
  std::string text;
  for (size_t c = 0; c < types.size(); ++c) {
    const data::Value value = data::Value::from_column(types[c], batch.columns[c], row);
    text += (c ? ", " : "") + expr::to_text(*expr::constant(value));
    if (!value.is_null && !types[c].is_string()) {
      int64_t low;
      std::memcpy(&low, value.bits, 8);
      text += " [" + std::to_string(low) + "]";
    }
  }
  return text;
}

class Comparison {
 public:
  Comparison(std::vector<std::string> names, std::vector<Type> types)
      : types_(types), binder_(database(), std::move(names), types) {}

  // Binds, demands kernels for all of it, and compares; false when it does not bind (some types have no such operator).
  bool check(const std::string& sql, bool tame = false) {
    BoundPair pair;
    try {
      pair = binder_.bind(sql);
    } catch (const std::exception& e) {
      return false;
    }
    EXPECT_TRUE(pair.native) << sql << ": no kernel for " << pair.missing;
    if (!pair.native) return true;
    cover(*pair.native);
    compare(sql, pair, tame);
    return true;
  }
  // The same where kernels need not exist.
  bool try_check(const std::string& sql, bool tame = false) {
    try {
      BoundPair pair = binder_.bind(sql);
      if (!pair.native) return false;
      cover(*pair.native);
      compare(sql, pair, tame);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

 private:
  void compare(const std::string& sql, const BoundPair& pair, bool tame) {
    SCOPED_TRACE(sql + " as " + expr::to_text(*pair.native));
    auto native = expr::Program::compile({pair.native}, types_);
    auto foreign = expr::Program::compile({pair.foreign}, types_);
    ASSERT_TRUE(native.ok()) << native.status().text();
    ASSERT_TRUE(foreign.ok()) << foreign.status().text();
    Rows rows(types_, std::hash<std::string>()(sql), tame);
    for (const auto& [count, nulls] : {std::pair{1, 0}, {64, 0}, {700, 15}, {2048, 0}, {77, 100}}) {
      const data::Batch batch = rows.fill(static_cast<uint32_t>(count), nulls);
      if (!compare_batch(pair, **native, **foreign, batch)) return;
    }
  }

  bool compare_batch(const BoundPair& pair, expr::Program& native, expr::Program& foreign, const data::Batch& batch) {
    expr::RowErrors ours, theirs;
    const data::Column a = native.evaluate(batch, ours)[0];
    const data::Column b = foreign.evaluate(batch, theirs)[0];
    std::set<uint32_t> failed_a, failed_b;
    for (const auto& item : ours.items) failed_a.insert(item.row);
    for (const auto& item : theirs.items) failed_b.insert(item.row);
    for (uint32_t row = 0; row < batch.rows; ++row) {
      const bool fails_a = failed_a.contains(row), fails_b = failed_b.contains(row);
      const bool same = fails_a == fails_b && (fails_a || same_value(pair.native->type, a, b, row));
      if (same) continue;
      auto side = [&](const data::Column& column, bool failed) {
        return failed ? std::string("error")
                      : row_text({pair.native->type}, {.rows = batch.rows, .columns = {&column, 1}}, row);
      };
      ADD_FAILURE() << "row " << row << " of " << batch.rows << ": (" << row_text(types_, batch, row) << "): ours "
                    << side(a, fails_a) << ", DuckDB " << side(b, fails_b) << (fails_b ? *theirs.items[0].message : "");
      return false;
    }
    if (pair.native->type.kind == TypeKind::kBoolean) compare_select(native, batch, a, failed_a);
    return true;
  }

  void compare_select(expr::Program& native, const data::Batch& batch, const data::Column& truth,
                      const std::set<uint32_t>& failed) {
    std::vector<uint32_t> expected, selection(batch.rows);
    for (uint32_t row = 0; row < batch.rows; ++row) {
      if (!failed.contains(row) && !truth.is_null(row) && truth.values<uint8_t>()[row]) expected.push_back(row);
    }
    expr::RowErrors errors;
    selection.resize(native.select(batch, selection.data(), errors));
    EXPECT_EQ(selection, expected);
    for (const auto& item : errors.items) EXPECT_TRUE(failed.contains(item.row));
  }

  std::vector<Type> types_;
  ExpressionBinder binder_;
};

const std::vector<std::string>& number_types() {
  static const std::vector<std::string> kTypes = {
      "TINYINT",       "SMALLINT",      "INTEGER",       "BIGINT",       "HUGEINT",       "UTINYINT",
      "USMALLINT",     "UINTEGER",      "UBIGINT",       "UHUGEINT",     "FLOAT",         "DOUBLE",
      "DECIMAL(3,1)",  "DECIMAL(4,2)",  "DECIMAL(8,3)",  "DECIMAL(9,2)", "DECIMAL(17,4)", "DECIMAL(18,3)",
      "DECIMAL(18,0)", "DECIMAL(25,6)", "DECIMAL(38,10)"};
  return kTypes;
}
const std::vector<std::string>& ordered_types() {
  static const std::vector<std::string> kTypes = [] {
    std::vector<std::string> all = number_types();
    for (const char* type : {"BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS",
                             "TIMESTAMPTZ", "INTERVAL", "VARCHAR", "BLOB", "UUID"})
      all.push_back(type);
    return all;
  }();
  return kTypes;
}
Type type_of(const std::string& text);

TEST(Kernels, Arithmetic) {
  for (const std::string& text : number_types()) {
    if (text == "UHUGEINT") continue;  // DuckDB's own
    SCOPED_TRACE(text);
    Comparison comparison({"a", "b"}, {type_of(text), type_of(text)});
    for (const char* op : {"+", "-", "*", "//", "%"}) {
      comparison.check(std::string("a ") + op + " b");
      comparison.check(std::string("a ") + op + " b", true);
      comparison.check(std::string("a ") + op + " 7::" + text);
      comparison.check(std::string("7::") + text + " " + op + " a");
    }
    for (const char* constant : {"1", "2", "3", "16", "100", "123"}) {
      for (const char* op : {"//", "%", "*", "+"})
        comparison.check(std::string("a ") + op + " TRY_CAST(" + constant + " AS " + text + ")");
      comparison.check(std::string("a % TRY_CAST(") + constant + " AS " + text + ") = 0");
      comparison.check(std::string("a % TRY_CAST(") + constant + " AS " + text + ") <> 0");
    }
    comparison.check("a // 0::" + text);
    comparison.check("a % 0::" + text);
    if (text.front() != 'U') comparison.check("-a");
    comparison.check("abs(a)");
    if (text == "FLOAT" || text == "DOUBLE") comparison.check("a / b");
    comparison.check("(a + b) * (a - b)", true);
  }
}

TEST(Kernels, DecimalOfBigint) {
  Comparison comparison({"a", "d"}, {type_of("BIGINT"), type_of("INTEGER")});
  comparison.check("a * 0.908");
  comparison.check("0.908 * a");
  comparison.check("d * 0.908");
  comparison.check("a * 123456.789");
  comparison.check("a * 0.5 + d * 1.25");
  comparison.check("a * 0.908 > 100");
}

TEST(Kernels, Comparisons) {
  for (const std::string& text : ordered_types()) {
    SCOPED_TRACE(text);
    Comparison comparison({"a", "b"}, {type_of(text), type_of(text)});
    for (const char* op : {"=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"})
      comparison.check(std::string("a ") + op + " b");
    const std::string constant = text == "INTERVAL"              ? "INTERVAL '1 month'"
                                 : text == "VARCHAR"             ? "'ab'"
                                 : text == "BLOB"                ? "'ab'::BLOB"
                                 : text == "UUID"                ? "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID"
                                 : text == "DATE"                ? "DATE '1970-01-05'"
                                 : text == "TIME"                ? "TIME '12:00:00'"
                                 : text.starts_with("TIMESTAMP") ? "TIMESTAMP '1980-01-01'::" + text
                                                                 : "1::" + text;
    for (const char* op : {"=", "<>", "<", "<=", ">", ">="}) {
      comparison.check(std::string("a ") + op + " " + constant);
      comparison.check(constant + " " + op + " a");
    }
    comparison.check("a IS NULL");
    comparison.check("a IS NOT NULL");
    comparison.check("a IN (" + constant + ", " + constant + ")");
    comparison.check("a IN (" + constant + ", NULL)");
    comparison.check("coalesce(a, b)");
    comparison.check("coalesce(a, b, " + constant + ")");
    comparison.check("CASE WHEN a = b THEN a WHEN a > b THEN b ELSE NULL END");
    comparison.check("CASE WHEN a < " + constant + " THEN b ELSE a END");
    comparison.check("a > " + constant + " AND b > " + constant);
    comparison.check("a > " + constant + " OR b > a");
    comparison.check("NOT (a > b) AND (b IS NULL OR a <> b)");
  }
}

TEST(Kernels, InLists) {
  for (const char* text : {"TINYINT", "INTEGER", "BIGINT", "UBIGINT", "DOUBLE", "DECIMAL(9,2)"}) {
    Comparison comparison({"a", "b"}, {type_of(text), type_of(text)});
    std::string list;
    for (int i = 0; i < 40; ++i) list += (i ? ", " : "") + std::to_string(i * 3 % 100) + "::" + text;
    comparison.check("a IN (" + list + ")");
    comparison.check("a NOT IN (" + list + ", NULL)");
    comparison.check("a IN (1::" + std::string(text) + ", 2, 3)");
  }
  Comparison strings({"s"}, {type_of("VARCHAR")});
  strings.check("s IN ('a', 'ab', '', 'x', '0123456789abcdef')");
  strings.check("s NOT IN ('a', NULL)");
}

TEST(Kernels, Strings) {
  Comparison comparison({"s", "t", "i", "n"},
                        {type_of("VARCHAR"), type_of("VARCHAR"), type_of("BIGINT"), type_of("BIGINT")});
  for (const char* pattern : {"a%", "%a", "%ab%", "a%b", "_", "__", "%_", "_%_", "a_c%", "", "%", "%%", "a", "%a%b%",
                              "_\xc3\xa9%", "ab%ab", "%\xe2\x82\xac_%"}) {
    comparison.check(std::string("s LIKE '") + pattern + "'");
    comparison.check(std::string("s NOT LIKE '") + pattern + "'");
  }
  for (const char* function : {"starts_with", "ends_with", "contains", "prefix", "suffix"}) {
    comparison.check(std::string(function) + "(s, t)");
    for (const char* part : {"", "a", "ab", "0123456789abcdef", "\xc3\xa9"})
      comparison.check(std::string(function) + "(s, '" + part + "')");
  }
  comparison.check("s || t");
  comparison.check("s || 'x' || t || s");
  comparison.check("length(s)");
  comparison.check("length(s || t)");
  comparison.check("substring(s, i, n)");
  comparison.check("substring(s, i)");
  comparison.check("substring(s, i % 12, n % 12)");
  for (int offset = -9; offset <= 9; ++offset) {
    for (int length = -5; length <= 6; ++length) {
      comparison.check("substring(s, " + std::to_string(offset) + ", " + std::to_string(length) + ")");
    }
    comparison.check("substring(s, " + std::to_string(offset) + ")");
  }
  comparison.check("CASE WHEN length(s) > 4 THEN substring(s, 2, 3) || t ELSE t || '-' END");
}

TEST(Kernels, Times) {
  Comparison comparison({"t", "u", "d", "e", "v", "w", "i"},
                        {type_of("TIMESTAMP"), type_of("TIMESTAMP"), type_of("DATE"), type_of("DATE"),
                         type_of("INTERVAL"), type_of("INTERVAL"), type_of("INTEGER")});
  for (bool tame : {false, true}) {
    for (const char* sql : {"t + v",   "t - v",     "v + t",     "d + v",  "d - v",    "v + d",  "t - u",
                            "d - e",   "d + i",     "d - i",     "i + d",  "v + w",    "v - w",  "epoch_us(t)",
                            "hour(t)", "minute(t)", "second(t)", "day(t)", "month(t)", "year(t)"}) {
      comparison.check(sql, tame);
    }
    for (const char* interval : {"5 seconds", "1 day", "3 months", "1 month 2 days 3 hours", "-7 days", "400 years",
                                 "1 microsecond", "100000 days"}) {
      for (const char* column : {"t", "d"}) {
        comparison.check(std::string(column) + " + INTERVAL '" + interval + "'", tame);
        comparison.check(std::string(column) + " - INTERVAL '" + interval + "'", tame);
      }
    }
  }
}

TEST(Kernels, TumbleStart) {
  const std::vector<Type> types = {type_of("TIMESTAMP")};
  ExpressionBinder binder(database(), {"t"}, types);
  for (const int64_t size : std::vector<int64_t>{1, 7, 1000, 10'000'000, 3'600'000'000, 86'400'000'000}) {
    for (const int64_t offset : std::vector<int64_t>{0, 3, 5'000'000}) {
      const std::string sql = "time_bucket(to_microseconds(" + std::to_string(size) +
                              "), t, TIMESTAMP '1970-01-01' + to_microseconds(" + std::to_string(offset) + "))";
      BoundPair pair = binder.bind(sql);
      auto ours =
          expr::call(Op::kTumbleStart, types[0],
                     {expr::column_ref(0, types[0]), expr::constant(data::Value::of(Type::of(TypeKind::kInt64), size)),
                      expr::constant(data::Value::of(Type::of(TypeKind::kInt64), offset))});
      ASSERT_TRUE(expr::has_kernel(*ours));
      cover(*ours);
      auto programs = expr::Program::compile({ours}, types), foreign = expr::Program::compile({pair.foreign}, types);
      Rows rows(types, static_cast<uint64_t>(size + offset), true);
      const data::Batch batch = rows.fill(2048, 10);
      expr::RowErrors errors;
      const data::Column a = (*programs)->evaluate(batch, errors)[0], b = (*foreign)->evaluate(batch, errors)[0];
      for (uint32_t row = 0; row < batch.rows; ++row)
        ASSERT_TRUE(same_value(types[0], a, b, row)) << sql << ": " << row_text(types, batch, row);
    }
  }
}

TEST(Kernels, Casts) {
  std::vector<std::string> types = number_types();
  for (const char* text : {"BOOLEAN", "DECIMAL(2,2)", "DECIMAL(18,18)", "DECIMAL(38,0)", "VARCHAR"})
    types.push_back(text);
  int compared = 0;
  for (const std::string& from : types) {
    if (from == "VARCHAR") continue;
    Comparison comparison({"a"}, {type_of(from)});
    for (const std::string& to : types) {
      if (from == to) continue;
      compared += comparison.try_check("CAST(a AS " + to + ")");
      compared += comparison.try_check("TRY_CAST(a AS " + to + ")");
    }
  }
  std::cout << compared << " casts compared\n";
  EXPECT_GT(compared, 800);
  for (const auto& [from, to] : {std::pair{"DATE", "TIMESTAMP"},
                                 {"TIMESTAMP", "DATE"},
                                 {"TIMESTAMP", "TIMESTAMP_S"},
                                 {"TIMESTAMP", "TIMESTAMP_MS"},
                                 {"TIMESTAMP", "TIMESTAMP_NS"},
                                 {"TIMESTAMP_S", "TIMESTAMP"},
                                 {"TIMESTAMP_MS", "TIMESTAMP"},
                                 {"TIMESTAMP_NS", "TIMESTAMP"}}) {
    Comparison comparison({"a"}, {type_of(from)});
    comparison.check(std::string("CAST(a AS ") + to + ")");
  }
}

TEST(Kernels, Logic) {
  Comparison comparison({"a", "b", "c"}, {type_of("BOOLEAN"), type_of("BOOLEAN"), type_of("BOOLEAN")});
  for (const char* sql : {"a", "NOT a", "a AND b", "a OR b", "a AND b AND c", "a OR b OR c", "a AND (b OR NOT c)",
                          "(a IS NULL) OR b", "a = b AND c", "CASE WHEN a THEN b WHEN b THEN c ELSE a OR c END",
                          "CASE WHEN a THEN b END", "coalesce(a, b, c)", "true AND a", "a IN (true, NULL)"}) {
    comparison.check(sql);
  }
}

TEST(Kernels, BranchesNotTakenDoNotFail) {
  Comparison comparison({"a", "b"}, {type_of("BIGINT"), type_of("BIGINT")});
  comparison.check("CASE WHEN abs(a // 2) < 1000000 AND abs(b // 2) < 1000000 THEN a * b ELSE 0 END");
  comparison.check("CASE WHEN a > 9223372036854775800 THEN 1 ELSE a + 5 END");
  comparison.check("coalesce(CASE WHEN a < 100 THEN a END, a - 100)");
}

// Every operator and type that has_kernel() accepts has been compared by the tests above.
TEST(Kernels, AllCovered) {
  std::vector<Type> types;
  for (const char* text :
       {"TINYINT",       "SMALLINT",       "INTEGER",     "BIGINT",   "HUGEINT", "UTINYINT",     "USMALLINT",
        "UINTEGER",      "UBIGINT",        "UHUGEINT",    "FLOAT",    "DOUBLE",  "DECIMAL(4,2)", "DECIMAL(9,2)",
        "DECIMAL(18,3)", "DECIMAL(38,10)", "BOOLEAN",     "DATE",     "TIME",    "TIMESTAMP",    "TIMESTAMP_S",
        "TIMESTAMP_MS",  "TIMESTAMP_NS",   "TIMESTAMPTZ", "INTERVAL", "VARCHAR", "BLOB",         "UUID"})
    types.push_back(type_of(text));
  int kernels = 0;
  std::string missing;
  auto ask = [&](const Expr& e) {
    if (!expr::has_kernel(e)) return;
    if (e.args.size() == 1 && (e.op == Op::kAnd || e.op == Op::kOr || e.op == Op::kCoalesce)) return;
    ++kernels;
    if (!covered().contains(signature(e)))
      missing += "  " + signature(e) + ": " + expr::to_text(e) + " [" + e.type.text() + "]\n";
  };
  for (int op = 1; op <= static_cast<int>(Op::kTumbleStart); ++op) {
    for (const Type& a : types) {
      for (const Type& result : types) {
        if (result.kind == TypeKind::kDecimal && a.kind == TypeKind::kDecimal && result != a) continue;
        ask(*expr::call(static_cast<Op>(op), result, {expr::column_ref(0, a)}));
        for (const Type& b : types)
          ask(*expr::call(static_cast<Op>(op), result, {expr::column_ref(0, a), expr::column_ref(1, b)}));
      }
    }
  }
  std::cout << kernels << " kernels by operator and argument types\n";
  EXPECT_EQ(missing, "");
}

Type type_of(const std::string& text) {
  auto rows = query_to_batches(database(), "SELECT NULL::" + text + " AS x");
  EXPECT_TRUE(rows.ok()) << rows.status().text();
  return rows->schema[0].type;
}

}  // namespace
}  // namespace laminar::duck
