#include "history.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "random.h"

namespace oracle {
namespace {

constexpr int64_t kFutureSkew = 86'400 * kSecond;  // the setting's default
constexpr int64_t kIdleTimeout = 30 * kSecond;     // the setting's default

// What a union of the sources knows of time.
struct UnionTime {
  std::optional<int64_t> watermark;
  std::optional<int64_t> floors[kSources];  // a source that came back from idleness starts there
  int64_t last_row_us[kSources];
  bool idle[kSources] = {};

  void combine(const std::optional<int64_t>* watermarks) {
    std::optional<int64_t> combined;
    bool any_active = false;
    for (int s = 0; s < kSources; ++s) any_active |= !idle[s];
    for (int s = 0, first = 1; s < kSources; ++s) {
      if (any_active && idle[s]) continue;
      const std::optional<int64_t> own = std::max(watermarks[s], floors[s]);
      combined = first ? own : any_active ? std::min(combined, own) : std::max(combined, own);  // nothing is below all
      first = 0;
    }
    watermark = std::max(watermark, combined);
  }
  void clock(int64_t now_us, const std::optional<int64_t>* watermarks) {
    for (int s = 0; s < kSources; ++s) idle[s] |= now_us - last_row_us[s] >= kIdleTimeout;
    combine(watermarks);
  }
  void touch(int source, int64_t now_us) {
    last_row_us[source] = now_us;
    if (idle[source]) floors[source] = std::max(floors[source], watermark);
    idle[source] = false;
  }
};

std::string long_text(Random& random) {
  std::string text = random.text({"a rather long piece of text ", "ein längerer Text mit Umlauten ", "prefix-shared-by-all-"});
  const size_t n = random.below(3);
  for (size_t i = 0; i < n; ++i) text += random.text({"one", "two", "three", "  ", "ß"});
  return text;
}

template <class T>
std::optional<T> nullable(Random& random, int percent, T value) {
  return random.chance(percent) ? std::nullopt : std::optional<T>(value);
}

struct Shape {
  int nulls = 0, disorder = 0, far = 0, odd = 0;  // percent; odd: NaN, infinities, -0.0
  int64_t step_us, disorder_us;
  bool whole_seconds;
};

Row random_row(Random& random, const Shape& shape, int64_t now_us, int64_t id) {
  Row row;
  row.id = id;
  row.k = nullable<int64_t>(random, shape.nulls, random.between(0, 4));
  row.v = nullable<int64_t>(random, shape.nulls, random.chance(10) ? random.between(-1'000'000'000, 1'000'000'000) : random.between(-20, 20));
  row.i = nullable<int32_t>(random, shape.nulls, static_cast<int32_t>(random.between(-5, 9)));
  row.x = nullable<double>(random, shape.nulls, static_cast<double>(random.between(-4000, 4000)) * 0.25);
  if (random.chance(shape.odd)) row.x = random.pick<double>({std::nan(""), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), -0.0, 0.0});
  row.m = nullable<int64_t>(random, shape.nulls, random.between(-99'999, 99'999));
  row.d = nullable<int64_t>(random, shape.nulls, random.between(-3, 3) + (random.chance(5) ? -200'000 : 20'454));
  row.b = nullable<bool>(random, shape.nulls, random.chance(50));
  row.s = nullable<std::string>(random, shape.nulls,
                                random.chance(15) ? long_text(random) : random.text({"", "a", "b", "A", "abc", "a%c", "zz top", "12", "é", "exactly12byt"}));
  int64_t time = now_us;
  if (random.chance(shape.disorder)) time -= random.between(0, shape.disorder_us);
  if (shape.whole_seconds) time -= ((time % kSecond) + kSecond) % kSecond;
  if (random.chance(shape.far)) {
    time = random.pick<int64_t>({-62'135'596'800 * kSecond, -1, 0, 253'402'300'799 * kSecond, now_us + 2 * kFutureSkew, now_us - 3600 * kSecond});
  }
  row.ts = nullable<int64_t>(random, shape.far ? 3 : 0, time);
  return row;
}

std::string quoted(const std::string& text) { return "'" + text + "'"; }
template <class T>
std::string number(const std::optional<T>& value) {
  if (!value) return "NULL";
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(*value)) return "'nan'::DOUBLE";
    if (std::isinf(*value)) return *value > 0 ? "'inf'::DOUBLE" : "'-inf'::DOUBLE";
    if (*value == 0 && std::signbit(*value)) return "'-0.0'::DOUBLE";
  }
  return std::to_string(*value);
}
std::string time_text(const std::optional<int64_t>& us) { return us ? "make_timestamp(" + std::to_string(*us) + ")" : "NULL"; }

std::string values_of(const Row& row) {
  return std::to_string(row.id) + ", " + number(row.k) + ", " + number(row.i) + ", " + number(row.v) + ", " + number(row.x) + ", " +
         (row.m ? std::to_string(*row.m) + " * 0.01::DECIMAL(10,2)" : "NULL") + ", " + (row.s ? quoted(*row.s) : "NULL") + ", " +
         (row.b ? (*row.b ? "true" : "false") : "NULL") + ", " + (row.d ? "DATE '1970-01-01' + " + std::to_string(*row.d) : "NULL") + ", " +
         time_text(row.ts);
}

std::string one_table_change(Random& random) {
  const auto row = [&](int64_t id) {
    const auto value = [&](int64_t lo, int64_t hi) { return random.chance(12) ? std::string("NULL") : std::to_string(random.between(lo, hi)); };
    return "(" + std::to_string(id) + ", " + value(0, 3) + ", " + value(-15, 15) + ", " + value(-300, 300) + " * 0.5, " + value(-999, 999) + " * 0.25, " +
           (random.chance(10) ? "NULL" : quoted(random.chance(15) ? long_text(random) : random.text({"", "a", "b", "abc", "B"}))) + ", " +
           random.text({"true", "false", "NULL"}) + ")";
  };
  const std::string id = std::to_string(random.between(0, 30));
  switch (random.below(7)) {
    case 0: return "DELETE FROM {t} WHERE id = " + id;
    case 1: return "DELETE FROM {t} WHERE k = " + std::to_string(random.between(0, 3)) + " AND v < 0";
    case 2: return "UPDATE {t} SET v = v + 1 WHERE k = " + std::to_string(random.between(0, 3));
    case 3: return "UPDATE {t} SET k = " + random.text({"0", "1", "NULL"}) + ", s = s || '!' WHERE id = " + id;
    default: {
      std::string rows;
      const int64_t first = random.between(0, 26);
      const size_t n = 1 + random.below(4);
      for (size_t i = 0; i < n; ++i) rows += (i ? ", " : "") + row(first + static_cast<int64_t>(i));
      return "INSERT OR REPLACE INTO {t} VALUES " + rows;
    }
  }
}

// Sometimes two in a transaction, which reads what was there before it and changes a row once: of different rows.
std::string table_change(Random& random) {
  const std::string change = one_table_change(random);
  if (!random.chance(20) || change.rfind("INSERT", 0) != 0) return change;
  const size_t first = change.find('(') + 1;
  const int id = std::atoi(change.c_str() + first);
  const std::string other = std::to_string(id >= 10 ? random.between(0, id - 1) : random.between(id + 4, 30));
  return "BEGIN; " + random.text({"DELETE FROM {t}", "UPDATE {t} SET v = v - 1"}) + " WHERE id = " + other + "; " + change + "; COMMIT";
}

}  // namespace

const char* source_columns() {
  return "id BIGINT, k BIGINT, i INTEGER, v BIGINT, x DOUBLE, m DECIMAL(10,2), s VARCHAR, b BOOLEAN, d DATE, ts TIMESTAMP";
}
const char* table_columns() { return "id BIGINT PRIMARY KEY, k BIGINT, v BIGINT, x DOUBLE, m DECIMAL(10,2), s VARCHAR, b BOOLEAN"; }

History make_history(uint64_t seed, bool quiet) {
  Random random(seed);
  History history;
  history.start_us = random.pick<int64_t>({1'767'225'600, 1'767'225'600, 0, -123'456, 200'000'000'000}) * kSecond;
  for (int64_t& delay : history.delays_us) delay = random.pick<int64_t>({0, 1, 5, 20}) * kSecond;
  Shape shape;
  shape.nulls = random.pick<int>({0, 8, 30});
  shape.disorder = random.pick<int>({0, 30, 60});
  shape.far = random.pick<int>({0, 0, 2, 4});
  shape.odd = random.pick<int>({0, 0, 0, 8});
  shape.step_us = random.pick<int64_t>({100'000, 1'000'000, 3'000'000});
  shape.disorder_us = random.pick<int64_t>({4, 15, 60}) * kSecond;
  shape.whole_seconds = random.chance(50);

  const size_t rows_max = random.pick<size_t>({30, 150, 400});
  const int changes = random.pick<int>({0, 5, 15});
  int64_t now = history.start_us, clock = history.start_us;
  std::optional<int64_t> watermarks[kSources];
  UnionTime united;
  std::fill(std::begin(united.last_row_us), std::end(united.last_row_us), clock);
  std::vector<Row> past;
  size_t rows = 0;
  const int quiet_chance = random.pick<int>({0, 1, 4});
  int quiet_source = 0;
  size_t quiet_rows = 0;  // left to come of the other source
  const auto step_clock = [&](int64_t by_us) {
    Event event;
    event.kind = Event::Kind::kClock;
    event.time_us = by_us;
    clock += by_us;
    history.events.push_back(event);
    united.clock(clock, watermarks);
  };
  const auto check = [&](bool settled) {
    if (settled) step_clock(kEveryMax);
    Event event;
    event.kind = Event::Kind::kCheck;
    event.rows = rows;
    std::copy(std::begin(watermarks), std::end(watermarks), event.watermarks);
    event.union_watermark = united.watermark;
    event.settled = settled;
    history.events.push_back(event);
  };
  const size_t check_every = rows_max / 3 + 1;
  while (rows < rows_max) {
    Event event;
    bool comes_back = false;
    if (random.chance(changes)) {
      event.kind = Event::Kind::kTable;
      event.sql = table_change(random);
    } else if (random.chance(1)) {
      event.kind = Event::Kind::kWatermark;
      event.source = static_cast<int>(random.below(kSources));
      event.time_us = now - random.between(-10, 20) * kSecond;
      std::optional<int64_t>& watermark = watermarks[event.source];
      watermark = std::max(watermark.value_or(event.time_us), event.time_us);
      united.touch(event.source, clock);
      united.combine(watermarks);
    } else {
      if (quiet && quiet_rows == 0 && random.chance(quiet_chance)) {
        step_clock(kIdleTimeout * 2 / 3);
        quiet_source = static_cast<int>(random.below(kSources));
        quiet_rows = 1 + random.below(12);
      }
      event.source = random.chance(70) ? 0 : 1;
      if (quiet_rows > 0) event.source = 1 - quiet_source;
      // The tick that brings an idle source back is part of the history: it has one of its own.
      comes_back = united.idle[event.source];
      if (comes_back) step_clock(0);
      now += random.between(0, shape.step_us);
      event.row = !past.empty() && random.chance(5) ? random.pick(past) : random_row(random, shape, now, static_cast<int64_t>(rows));
      past.push_back(event.row);
      std::optional<int64_t>& watermark = watermarks[event.source];
      event.watermark_before = watermark;
      united.touch(event.source, clock);
      event.union_before = std::max(watermark, united.floors[event.source]);
      if (event.row.ts && *event.row.ts <= clock + kFutureSkew) {
        const int64_t time = *event.row.ts - history.delays_us[event.source];
        watermark = std::max(watermark.value_or(time), time);
      }
      united.combine(watermarks);
      ++rows;
    }
    history.events.push_back(event);
    if (comes_back) step_clock(0);
    if (event.kind == Event::Kind::kRow && quiet_rows > 0 && --quiet_rows == 0) step_clock(kIdleTimeout / 3 + kSecond);
    if (rows % check_every == check_every - 1 && event.kind == Event::Kind::kRow) check(rows > rows_max / 2);
  }
  check(true);
  // Everything closes.
  for (int source = 0; source < kSources; ++source) {
    Event event;
    event.kind = Event::Kind::kWatermark;
    event.source = source;
    event.time_us = now + 600 * kSecond;
    watermarks[source] = std::max(watermarks[source].value_or(event.time_us), event.time_us);
    united.touch(source, clock);
    united.combine(watermarks);
    history.events.push_back(event);
  }
  check(true);
  clock = history.start_us;
  size_t table_changes = 0;
  for (Event& event : history.events) {
    event.clock_us = clock;
    event.table_changes = table_changes;
    if (event.kind == Event::Kind::kClock) clock += event.time_us;
    table_changes += event.kind == Event::Kind::kTable;
  }
  return history;
}

std::string batch_tables() {
  return std::string("CREATE OR REPLACE TABLE memory.s (") + source_columns() + ", _seq BIGINT, _src INTEGER, _wm BIGINT, _uw BIGINT); CREATE OR REPLACE TABLE memory.t (" +
         table_columns() + ")";
}

std::string batch_arrivals(const History& history) {
  std::string sql = "CREATE OR REPLACE TABLE memory.arrivals AS SELECT * FROM (VALUES (-1, 0)";
  size_t seq = 0;
  for (const Event& event : history.events) {
    if (event.kind == Event::Kind::kRow) sql += ", (" + std::to_string(seq++) + ", " + std::to_string(event.table_changes) + ")";
  }
  return sql + ") a(_seq, _changes)";
}

std::vector<std::string> batch_inserts(const History& history) {
  std::vector<std::string> list;
  std::string sql;
  size_t seq = 0;
  for (const Event& event : history.events) {
    if (event.kind != Event::Kind::kRow) continue;
    sql += (sql.empty() ? "INSERT INTO memory.s VALUES (" : ", (") + values_of(event.row) + ", " + std::to_string(seq++) + ", " +
           std::to_string(event.source) + ", " + number(event.watermark_before) + ", " + number(event.union_before) + ")";
    if (seq % 200 == 0) {
      list.push_back(sql);
      sql.clear();
    }
  }
  if (!sql.empty()) list.push_back(sql);
  return list;
}

}  // namespace oracle
