#include "asof_generator.h"

#include <optional>

#include "history.h"

namespace oracle {
namespace {

std::string number(int64_t value) { return std::to_string(value); }
std::string interval(int64_t us) {
  return us % kSecond ? "INTERVAL '" + number(us / 1000) + " milliseconds'" : "INTERVAL '" + number(us / kSecond) + " seconds'";
}
std::string join(const std::vector<std::string>& list, const char* separator) {
  std::string text;
  for (size_t i = 0; i < list.size(); ++i) text += (i ? separator : "") + list[i];
  return text;
}

constexpr size_t kBases = 2;  // windows over each source

// In stock SQL the one row is the first of all that match, in an order that is total: DuckDB's own ASOF joins leave rows of
// one time to chance and join NULLs in larger inputs.
class AsofGenerator {
 public:
  AsofGenerator(uint64_t seed, size_t index, const std::vector<View>& past)
      : random_(seed * 1013 + index * 37 + 11), past_(past), name_("v" + number(static_cast<int64_t>(index))), index_(index) {}

  View make() {
    view_.relation.name = name_;
    view_.relation.level = 1;
    view_.relation.views = {index_};
    view_.over_source = true;
    if (index_ < kBases) {
      windows();
    } else {
      switch (random_.below(10)) {
        case 0: table_versions(); break;
        case 1: current_rows(); break;
        case 2: over_windows(); break;
        default: streams();
      }
    }
    return view_;
  }

 private:
  enum Match { kBackward, kForward, kNearest };

  void column(const std::string& text, const char* name, Type type) {
    list_.push_back(text + " AS " + name);
    view_.relation.columns.push_back({name, type});
  }
  // The list of the left columns.
  void left_columns() {
    column("a.id", "id", Type::kBig);
    if (random_.chance(60)) column("a.k", "k", Type::kBig);
    if (random_.chance(40)) column("a.s", "s", Type::kText);
    if (random_.chance(40)) column("a.ts", "ts", Type::kTime);
  }
  void finish(const std::string& batch) {
    view_.relation.batch = "(" + batch + ")";
    std::vector<std::string> names;
    for (const Column& c : view_.relation.columns) names.push_back(c.name);
    view_.select = "SELECT " + join(names, ", ") + " FROM " + view_.relation.batch;
  }
  // Rows behind the watermark of their source take no part.
  static std::string accepted(int n, const std::string& filter) {
    return "(SELECT * FROM memory.s WHERE _src = " + number(n) + " AND _seq < $n" + (filter.empty() ? "" : " AND " + filter) +
           " AND (ts IS NULL OR _wm IS NULL OR epoch_us(ts) >= _wm))";
  }
  static std::string late(int n) {
    return "SELECT NULL::TIMESTAMP AS window_start, NULL::TIMESTAMP AS window_end FROM memory.s WHERE _src = " + number(n) +
           " AND _seq < $n AND ts IS NOT NULL AND _wm IS NOT NULL AND epoch_us(ts) < _wm";
  }
  static std::string ours_side(int n, const std::string& filter) {
    const std::string source = "s" + number(n);
    return filter.empty() ? source : "(SELECT * FROM " + source + " WHERE " + filter + ")";
  }
  std::string comparison(Match match, bool strict, const std::string& left, const std::string& right) {
    const char* less = strict ? " < " : " <= ";
    const char* greater = strict ? " > " : " >= ";
    if (match == kNearest) return "NEAREST(" + left + ", " + right + ")";
    if (match == kBackward) return random_.chance(50) ? left + greater + right : right + less + left;
    return random_.chance(50) ? left + less + right : right + greater + left;
  }
  Match any_match() { return random_.chance(60) ? kBackward : random_.chance(50) ? kForward : kNearest; }
  static std::string us_condition(Match match, bool strict, const std::string& probe, const std::string& right) {
    if (match == kNearest) return probe + " IS NOT NULL AND " + right + " IS NOT NULL";
    return match == kBackward ? right + (strict ? " < " : " <= ") + probe : right + (strict ? " > " : " >= ") + probe;
  }
  std::string final_emit() { return random_.text({" EMIT FINAL", " EMIT ON WINDOW CLOSE", " EMIT AFTER WATERMARK"}); }

  void streams() {
    const int first = random_.chance(75) ? 0 : 1;
    const int second = random_.chance(75) ? 1 - first : first;
    const Match match = any_match();
    const bool strict = match != kNearest && random_.chance(35), left = random_.chance(50);
    const bool temporal = match == kBackward && !strict && random_.chance(20);
    std::vector<std::string> keys;
    for (const char* key : {"k", "s", "i"})
      if (random_.chance(key[0] == 'k' ? 80 : 15)) keys.push_back(key);
    if (temporal && keys.empty()) keys.push_back("k");
    std::vector<int64_t> horizons;
    if (!temporal && match == kBackward && random_.chance(20)) {
      for (const int64_t us : {int64_t{0}, kSecond, 10 * kSecond, -2 * kSecond, int64_t{300'000}})
        if (horizons.empty() || random_.chance(50)) horizons.push_back(us);
    }
    std::optional<int64_t> tolerance;
    if (!temporal && random_.chance(40)) tolerance = random_.pick<int64_t>({0, 1, 3, 10, 60}) * kSecond + (random_.chance(30) ? 500'000 : 0);
    const int64_t lag = !temporal && horizons.empty() && match != kNearest && random_.chance(15) ? random_.pick<int64_t>({1, 5}) * kSecond : 0;
    const std::string fa = random_.chance(20) ? "v > -5" : "", fb = random_.chance(20) ? "k <> 1" : "";
    const std::string where = random_.chance(20) ? random_.text({"b.v % 2 = 0", "b.v IS NULL", "a.v < 3", "b.k = 2"}) : "";
    const bool waits = !horizons.empty() || random_.chance(40);

    left_columns();
    column("b.id", "other", Type::kBig);
    if (random_.chance(50)) column("b.s", "t", Type::kText);
    if (random_.chance(40)) column("b.ts", "u", Type::kTime);
    if (random_.chance(40)) column("b.x", "x", Type::kDouble);
    if (!horizons.empty()) column("a.ts + a.horizon", "then_", Type::kTime);

    // ---- ours
    std::vector<std::string> terms;
    for (const std::string& key : keys) terms.push_back(random_.chance(50) ? "a." + key + " = b." + key : "b." + key + " = a." + key);
    const std::string shifted = lag ? "a.ts - " + interval(lag) : "a.ts";
    if (!temporal) terms.push_back(comparison(match, strict, shifted, "b.ts"));
    std::string ours = "SELECT " + join(list_, ", ") + " FROM " + ours_side(first, fa) + " a ";
    const std::string outer = left ? "LEFT " : "";
    if (temporal) {
      ours += outer + "JOIN s" + number(second) + random_.text({" FOR SYSTEM_TIME AS OF a.ts AS b", " b FOR SYSTEM_TIME AS OF a.ts"});
    } else {
      ours += "ASOF " + outer + "JOIN " + ours_side(second, fb) + " b";
    }
    ours += " ON " + join(terms, " AND ");
    std::string horizon_text;
    for (const int64_t us : horizons) horizon_text += (horizon_text.empty() ? "" : ", ") + interval(us);
    const std::string horizon_clause = horizons.empty() ? "" : " HORIZON (" + horizon_text + ")";
    const std::string tolerance_clause = tolerance ? " TOLERANCE " + interval(*tolerance) : "";
    ours += random_.chance(50) ? horizon_clause + tolerance_clause : tolerance_clause + horizon_clause;
    if (!where.empty()) ours += " WHERE " + where;
    std::string emit = random_.text({"", "", " EMIT CHANGES"});
    if (waits && horizons.empty()) emit = final_emit();
    view_.create = "CREATE MATERIALIZED VIEW " + name_ + " AS " + ours + emit;

    // ---- stock SQL
    std::string a = accepted(first, fa);
    if (!horizons.empty()) a = "(SELECT *, unnest([" + horizon_text + "]) AS horizon FROM " + a + ")";
    const std::string probe = horizons.empty() ? "(epoch_us(a.ts) - " + number(lag) + ")" : "epoch_us(a.ts + a.horizon)", right = "epoch_us(b.ts)";
    std::vector<std::string> on;
    for (const std::string& key : keys) on.push_back("a." + key + " = b." + key);
    on.push_back(us_condition(match, strict, probe, right));
    if (tolerance) on.push_back("abs(" + probe + " - " + right + ") <= " + number(*tolerance));
    const std::string order = match == kBackward ? "b.ts DESC, b._seq DESC" : match == kForward ? "b.ts, b._seq" : "abs(" + probe + " - " + right + "), b.ts, b._seq";
    std::string inner = "SELECT a._seq, " + join(list_, ", ") + (where.empty() ? "" : ", " + where + " AS _where") + ", " + probe + " AS _probe, " + right + " AS _right, a.ts IS NULL";
    for (const std::string& key : keys) inner += " OR a." + key + " IS NULL";
    inner += " AS _alone FROM " + a + " a " + outer + "JOIN " + accepted(second, temporal ? "" : fb) + " b ON " + join(on, " AND ") +
             " QUALIFY row_number() OVER (PARTITION BY a._seq" + (horizons.empty() ? "" : ", a.horizon") + " ORDER BY " + order + ") = 1";
    std::string batch = "SELECT * FROM (" + inner + ") WHERE " + (where.empty() ? "true" : "_where");
    if (waits) {
      // Above which watermark of the right side the row is final.
      const std::string without = tolerance ? "_probe + " + number(*tolerance) : "NULL";
      std::string deadline = "_probe - " + number(strict ? 1 : 0);
      if (match == kForward) deadline = "coalesce(_right, " + without + ")";
      if (match == kNearest) deadline = "coalesce(_probe + abs(_probe - _right), " + without + ")";
      batch += " AND (_alone OR " + deadline + " < $w" + number(second) + ")";
    }
    finish(batch);
    view_.only_grows = waits;
    // A condition on one side may be checked before the time.
    if (fa.empty() && fb.empty() && where.empty() && horizons.empty()) {
      view_.has_late = true;
      view_.late_sql = late(first) + " UNION ALL " + late(second);
    }
  }

  // Windows are taken back and given anew while they are open.
  void windows() {
    const int64_t size = random_.pick<int64_t>({2, 5, 10}) * kSecond;
    const std::string us = number(size), time = "epoch_us(ts)", begin = "(" + time + " - ((" + time + " % " + us + ") + " + us + ") % " + us + ")";
    const std::string source = "s" + number(static_cast<int64_t>(index_));
    view_.relation.columns = {{"k", Type::kBig}, {"ts", Type::kTime}, {"v", Type::kBig}};
    view_.create = "CREATE MATERIALIZED VIEW " + name_ + " AS SELECT k, window_start AS ts, count(*) AS v FROM " + source + " GROUP BY k, TUMBLE(ts, " + interval(size) + ")";
    finish("SELECT k, make_timestamp(" + begin + ") AS ts, count(*) AS v FROM memory.s WHERE _src = " + number(static_cast<int64_t>(index_)) +
           " AND _seq < $n AND ts IS NOT NULL AND (_wm IS NULL OR _wm < " + begin + " + " + us + ") GROUP BY k, " + begin);
  }
  void over_windows() {
    const size_t first = random_.below(kBases), second = random_.below(kBases);
    const View &a = past_[first], &b = past_[second];
    view_.relation.views = first == second ? std::vector<size_t>{first, index_} : std::vector<size_t>{0, 1, index_};
    view_.relation.level = 2;
    const Match match = any_match();
    const bool strict = match != kNearest && random_.chance(35), left = random_.chance(50);
    std::optional<int64_t> tolerance;
    if (random_.chance(40)) tolerance = random_.pick<int64_t>({0, 2, 10, 60}) * kSecond;
    column("a.k", "k", Type::kBig);
    column("a.ts", "ts", Type::kTime);
    if (random_.chance(50)) column("a.v", "v", Type::kBig);
    column("b.ts", "u", Type::kTime);
    if (random_.chance(70)) column("b.v", "w", Type::kBig);
    const std::string outer = left ? "LEFT " : "", where = random_.chance(20) ? random_.text({" WHERE b.v % 2 = 0", " WHERE a.v < 3"}) : "";
    view_.create = "CREATE MATERIALIZED VIEW " + name_ + " AS SELECT " + join(list_, ", ") + " FROM " + a.relation.name + " a ASOF " + outer + "JOIN " + b.relation.name +
                   " b ON a.k = b.k AND " + comparison(match, strict, "a.ts", "b.ts") + (tolerance ? " TOLERANCE " + interval(*tolerance) : "") + where;
    const std::string probe = "epoch_us(a.ts)", right = "epoch_us(b.ts)";
    const std::string order = match == kBackward ? "b.ts DESC" : match == kForward ? "b.ts" : "abs(" + probe + " - " + right + "), b.ts";
    std::string on = "a.k = b.k AND " + us_condition(match, strict, probe, right);
    if (tolerance) on += " AND abs(" + probe + " - " + right + ") <= " + number(*tolerance);
    const std::string chosen = "SELECT a.k AS ak, a.ts AS at_, a.v AS av, b.k AS bk, b.ts AS bt, b.v AS bv FROM " + a.relation.batch + " a " + outer + "JOIN " +
                               b.relation.batch + " b ON " + on + " QUALIFY row_number() OVER (PARTITION BY a.k, a.ts ORDER BY " + order + ") = 1";
    finish("SELECT " + join(list_, ", ") + " FROM (SELECT {'k': ak, 'ts': at_, 'v': av} AS a, {'k': bk, 'ts': bt, 'v': bv} AS b FROM (" + chosen + "))" + where);
  }

  // ---- memory.versions holds the table after each of its changes, memory.snapshots when that was (check.cc)
  std::string table_key() { return random_.text({"a.k", "a.v", "(a.id % 30)"}); }
  void table_columns() {
    left_columns();
    column("b.id", "other", Type::kBig);
    if (random_.chance(60)) column("b.v", "v", Type::kBig);
    if (random_.chance(50)) column("b.s", "t", Type::kText);
    if (random_.chance(30)) column("b.x", "x", Type::kDouble);
  }
  void table_versions() {
    const int source = static_cast<int>(random_.below(kSources));
    const std::string key = table_key(), outer = random_.chance(50) ? "LEFT " : "", filter = random_.chance(20) ? "v > -5" : "";
    const bool waits = random_.chance(40);
    table_columns();
    view_.create = "CREATE MATERIALIZED VIEW " + name_ + " AS SELECT " + join(list_, ", ") + " FROM " + ours_side(source, filter) + " a " + outer +
                   "JOIN t FOR SYSTEM_TIME AS OF a.ts AS b ON " + key + " = b.id" + (waits ? final_emit() : random_.text({"", " EMIT CHANGES"}));
    const std::string snapshot = "(SELECT max(n) FROM memory.snapshots WHERE clock <= epoch_us(a.ts))";
    std::string batch = "SELECT " + join(list_, ", ") + " FROM (SELECT *, " + snapshot + " AS _n FROM " + accepted(source, filter) + " a) a " + outer +
                        "JOIN memory.versions b ON b.n = a._n AND a.ts IS NOT NULL AND " + key + " = b.id";
    if (waits) batch += " WHERE a.ts IS NULL OR " + key + " IS NULL OR epoch_us(a.ts) < $c";
    finish(batch);
    view_.only_grows = waits;
    if (filter.empty()) {
      view_.has_late = true;
      view_.late_sql = late(source);
    }
  }
  void current_rows() {
    const int source = static_cast<int>(random_.below(kSources));
    const std::string key = table_key(), outer = random_.chance(50) ? "LEFT " : "", filter = random_.chance(20) ? "v > -5" : "";
    table_columns();
    view_.create = "CREATE MATERIALIZED VIEW " + name_ + " AS SELECT " + join(list_, ", ") + " FROM " + ours_side(source, filter) + " a " + outer +
                   "JOIN t FOR SYSTEM_TIME AS OF PROCTIME() AS b ON " + key + " = b.id";
    const std::string rows = "(SELECT s.*, _changes FROM memory.s JOIN memory.arrivals USING (_seq) WHERE _src = " + number(source) + " AND _seq < $n" +
                             (filter.empty() ? "" : " AND " + filter) + ")";
    finish("SELECT " + join(list_, ", ") + " FROM " + rows + " a " + outer + "JOIN memory.versions b ON b.n = a._changes AND " + key + " = b.id");
    view_.only_grows = true;
  }

  Random random_;
  const std::vector<View>& past_;
  std::string name_;
  size_t index_;
  View view_;
  std::vector<std::string> list_;
};

}  // namespace

std::vector<View> make_asof_views(uint64_t seed, size_t count) {
  std::vector<View> views;
  for (size_t i = 0; i < count; ++i) views.push_back(AsofGenerator(seed, i, views).make());
  return views;
}

}  // namespace oracle
