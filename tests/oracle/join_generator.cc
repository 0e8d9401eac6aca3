#include "join_generator.h"

#include <algorithm>

#include "history.h"

namespace oracle {
namespace {

std::string number(int64_t value) { return std::to_string(value); }
std::string join(const std::vector<std::string>& list, const char* separator) {
  std::string text;
  for (size_t i = 0; i < list.size(); ++i) text += (i ? separator : "") + list[i];
  return text;
}
std::string seconds(int64_t us) { return "INTERVAL '" + number(us / kSecond) + " seconds'"; }

constexpr size_t kBases = 7;

class JoinGenerator {
 public:
  JoinGenerator(uint64_t seed, size_t index, const std::vector<View>& past) : random_(seed * 1009 + index * 31 + 5), past_(past), name_("v" + number(static_cast<int64_t>(index))), index_(index) {}

  View make() {
    if (index_ < kBases) return base();
    switch (random_.below(12)) {
      case 0: case 1: case 2: case 3: return within_time();
      case 4: return windows();
      case 5: case 6: return subquery();
      case 7: return three();
      default: return content();
    }
  }

 private:
  // ---- what is joined
  Relation source(int n) {
    Relation relation;
    relation.name = "s" + number(n);
    relation.columns = {{"id", Type::kBig}, {"k", Type::kBig}, {"i", Type::kInt}, {"v", Type::kBig}, {"x", Type::kDouble},
                        {"m", Type::kDecimal}, {"s", Type::kText}, {"b", Type::kBool}, {"d", Type::kDate}, {"ts", Type::kTime}};
    relation.batch = "(SELECT * FROM memory.s WHERE _src = " + number(n) + " AND _seq < $n)";
    relation.watermark = "($w" + number(n) + ")";
    relation.time = "ts";
    return relation;
  }
  Relation table() {
    Relation relation;
    relation.name = "t";
    relation.columns = {{"id", Type::kBig}, {"k", Type::kBig}, {"v", Type::kBig}, {"x", Type::kDouble}, {"m", Type::kDecimal}, {"s", Type::kText}, {"b", Type::kBool}};
    relation.batch = "memory.t";
    return relation;
  }
  // Anything that holds its content.
  Relation held() {
    if (random_.chance(35)) return table();
    std::vector<const Relation*> fit;
    for (const View& view : past_)
      if (view.relation.level < 2) fit.push_back(&view.relation);
    return fit.empty() ? table() : *random_.pick(fit);
  }

  View start(const std::vector<const Relation*>& inputs) {
    View view;
    view.relation.name = name_;
    for (const Relation* from : inputs) {
      view.relation.level = std::max(view.relation.level, from->level + 1);
      for (size_t v : from->views)
        if (std::find(view.relation.views.begin(), view.relation.views.end(), v) == view.relation.views.end()) view.relation.views.push_back(v);
    }
    std::sort(view.relation.views.begin(), view.relation.views.end());
    view.relation.views.push_back(index_);
    return view;
  }
  // `query` with {0}, {1}, {2} for the inputs.
  void finish(View& view, const std::string& query, const std::vector<std::string>& ours, const std::vector<std::string>& batch, const std::string& clauses = {}) {
    const auto fill = [&](const std::vector<std::string>& with) {
      std::string text;
      for (size_t i = 0; i < query.size(); ++i) {
        if (query[i] == '{' && i + 2 < query.size() && query[i + 2] == '}') text += with[static_cast<size_t>(query[i + 1] - '0')], i += 2;
        else text += query[i];
      }
      return text;
    };
    view.create = "CREATE MATERIALIZED VIEW " + name_ + " AS " + fill(ours) + clauses;
    view.relation.batch = "(" + fill(batch) + ")";
    std::vector<std::string> list;
    for (const Column& column : view.relation.columns) list.push_back(column.name);
    view.select = "SELECT " + join(list, ", ") + " FROM " + view.relation.batch;
  }

  View base() {
    switch (index_) {
      case 0: case 1: {
        const Relation from = source(index_ == 0 ? 0 : 1);
        View view = start({&from});
        view.relation.columns = {{"id", Type::kBig}, {"k", Type::kBig}, {"v", Type::kBig}, {"x", Type::kDouble}, {"s", Type::kText}, {"d", Type::kDate}, {"ts", Type::kTime}};
        finish(view, std::string("SELECT id, k, v, x, s, d, ts FROM {0}") + random_.text({"", " WHERE v % 3 <> 0", " WHERE k < 3"}), {from.name}, {from.batch});
        return view;
      }
      case 2: case 3: {
        const Relation from = index_ == 2 ? source(0) : table();
        View view = start({&from});
        view.relation.columns = {{"k", Type::kBig}, {"v", Type::kBig}, {"s", Type::kText}};
        finish(view, "SELECT k, count(*) AS v, max(s) AS s FROM {0} GROUP BY k", {from.name}, {from.batch});
        return view;
      }
      case 4: case 5: {
        const Relation from = source(index_ == 4 ? 0 : 1);
        const int64_t size = random_.pick<int64_t>({5, 10, 60}) * kSecond;
        View view = start({&from});
        view.relation.columns = {{"k", Type::kBig}, {"ts", Type::kTime}, {"v", Type::kBig}};
        finish(view, "SELECT k, " + std::string("ts, v FROM {0}"), {windowed(from.name, size)}, {windowed_batch(from, size)});
        return view;
      }
      default: {
        const Relation from = table();
        View view = start({&from});
        view.relation.columns = {{"id", Type::kBig}, {"k", Type::kBig}, {"v", Type::kBig}, {"s", Type::kText}, {"b", Type::kBool}};
        finish(view, "SELECT id, v % 3 AS k, k AS v, s, b FROM {0} WHERE id % 2 = 0", {from.name}, {from.batch});
        return view;
      }
    }
  }
  std::string windowed(const std::string& name, int64_t size) {
    return "(SELECT k, window_start AS ts, count(*) AS v FROM " + name + " GROUP BY k, TUMBLE(ts, " + seconds(size) + "))";
  }
  std::string windowed_batch(const Relation& from, int64_t size) {
    const std::string us = number(size), time = "epoch_us(ts)", begin = "(" + time + " - ((" + time + " % " + us + ") + " + us + ") % " + us + ")";
    return "(SELECT k, make_timestamp(" + begin + ") AS ts, count(*) AS v FROM " + from.batch + " WHERE ts IS NOT NULL AND (_wm IS NULL OR _wm < " + begin + " + " + us + ") GROUP BY k, " + begin + ")";
  }

  // ---- conditions between a and b
  std::vector<std::string> names(const Relation& from, Type type) {
    std::vector<std::string> list;
    for (const Column& column : from.columns)
      if (column.type == type) list.push_back(column.name);
    return list;
  }
  std::string equality(const Relation& a, const Relation& b, const std::string& an = "a", const std::string& bn = "b") {
    for (int tries = 0; tries < 8; ++tries) {
      const Column& left = random_.pick(a.columns);
      const auto fit = names(b, left.type);
      if (fit.empty()) continue;
      const std::string right = bn + "." + random_.pick(fit), l = an + "." + left.name;
      if (left.type == Type::kBig && random_.chance(20)) return "(" + l + " % 4) = (" + right + " % 3)";
      if (left.type == Type::kText && random_.chance(30)) return "upper(" + l + ") = upper(" + right + ")";
      return random_.chance(15) ? l + " IS NOT DISTINCT FROM " + right : random_.chance(50) ? l + " = " + right : right + " = " + l;
    }
    return an + ".k = " + bn + ".k";
  }
  std::string keys(const Relation& a, const Relation& b) {
    std::vector<std::string> list = {random_.chance(60) ? "a.k = b.k" : equality(a, b)};
    while (random_.chance(25)) list.push_back(equality(a, b));
    return join(list, " AND ");
  }
  std::string between(const Relation& a, const Relation& b) {
    const std::string l = "a." + random_.pick(names(a, Type::kBig)), r = "b." + random_.pick(names(b, Type::kBig));
    switch (random_.below(6)) {
      case 0: return l + " < " + r;
      case 1: return l + " <> " + r;
      case 2: return l + " + " + r + " > 2";
      case 3: return "(" + l + " > 1 OR " + r + " IS NULL)";
      case 4: return l + " BETWEEN " + r + " - 2 AND " + r + " + 5";
      default: return "coalesce(" + l + ", 0) % 2 = coalesce(" + r + ", 1) % 2";
    }
  }
  std::string one_sided(const Relation& a, const std::string& alias) {
    const std::string column = alias + "." + random_.pick(names(a, Type::kBig));
    return column + random_.text({" > 0", " IS NOT NULL", " % 2 = 0", " < 3"});
  }

  // Columns of the result from both sides.
  std::vector<std::string> outputs(View& view, const std::vector<std::pair<std::string, const Relation*>>& sides) {
    std::vector<std::string> list;
    for (const auto& [alias, from] : sides) {
      bool some = false;
      for (const Column& column : from->columns) {
        if (!(random_.chance(45) || (&column == &from->columns.back() && !some))) continue;
        some = true;
        const std::string name = "c" + number(static_cast<int64_t>(list.size()));
        list.push_back(alias + "." + column.name + " AS " + name);
        view.relation.columns.push_back({name, column.type});
      }
    }
    // What further joins look for.
    const auto& [alias, from] = random_.pick(sides);
    list.push_back(alias + ".k AS k");
    list.push_back("coalesce(" + sides[0].first + "." + names(*sides[0].second, Type::kBig).back() + ", 7) AS v");
    view.relation.columns.push_back({"k", Type::kBig});
    view.relation.columns.push_back({"v", Type::kBig});
    return list;
  }

  View content() {
    const Relation a = held(), b = random_.chance(15) ? a : held();
    View view = start({&a, &b});
    const bool equal = !random_.chance(15);
    std::vector<std::string> terms;
    if (equal) terms.push_back(keys(a, b));
    if (!equal || random_.chance(30)) terms.push_back(between(a, b));
    if (random_.chance(12)) terms.push_back(one_sided(a, "a"));
    if (random_.chance(12)) terms.push_back(one_sided(b, "b"));
    std::string on = join(terms, " AND ");
    if (equal && random_.chance(8)) on = "(" + on + ") OR a.k = 2";
    const std::string kind = random_.text({"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN", "JOIN", "LEFT JOIN"});
    const bool pairs = kind != "SEMI JOIN" && kind != "ANTI JOIN";
    std::string query;
    bool groups = false;
    if (!pairs && random_.chance(60)) {
      const auto list = outputs(view, {{"a", &a}});
      query = "SELECT " + join(list, ", ") + " FROM {0} a WHERE " + (kind == "SEMI JOIN" ? "" : "NOT ") + "EXISTS (SELECT 1 FROM {1} b WHERE " + on + ")";
    } else {
      const auto list = pairs ? outputs(view, {{"a", &a}, {"b", &b}}) : outputs(view, {{"a", &a}});
      query = "SELECT " + join(list, ", ") + " FROM {0} a " + kind + " {1} b ON " + on;
      if (pairs && random_.chance(12)) query += " WHERE " + one_sided(random_.chance(50) ? a : b, random_.chance(50) && a.name == b.name ? "a" : a.name == b.name ? "b" : "a");
      groups = pairs && random_.chance(20);
    }
    if (query.find(" WHERE a.") != std::string::npos && pairs) {
      // The column must be a's.
      const size_t at = query.find(" WHERE a.") + 9;
      const std::string column = query.substr(at, query.find(' ', at) - at);
      if (std::none_of(a.columns.begin(), a.columns.end(), [&](const Column& c) { return c.name == column; })) query = query.substr(0, at - 9);
    }
    if (groups) query = grouped(view, query);
    finish(view, query, {a.name, b.name}, {a.batch, b.batch}, random_.text({"", "", "", " EMIT CHANGES"}));
    return view;
  }
  std::string grouped(View& view, const std::string& query) {
    view.relation.columns = {{"k", Type::kBig}, {"n", Type::kBig}, {"v", Type::kBig}};
    return "SELECT k, count(*) AS n, max(v) AS v FROM (" + query + ") GROUP BY k";
  }

  View three() {
    // The second and the third are small, so that the result is.
    const Relation a = held(), b = random_.chance(50) ? table() : past_[2].relation, c = past_[3].relation;
    View view = start({&a, &b, &c});
    const auto list = outputs(view, {{"a", &a}, {"b", &b}, {"c", &c}});
    const std::string first = random_.text({"JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"}), second = random_.text({"JOIN", "LEFT JOIN", "FULL JOIN"});
    std::string query = "SELECT " + join(list, ", ") + " FROM {0} a " + first + " {1} b ON " + keys(a, b) + " " + second + " {2} c ON ";
    query += random_.chance(50) ? equality(a, c, "a", "c") : equality(b, c, "b", "c");
    if (random_.chance(30)) query += " AND a.k = c.k";
    finish(view, query, {a.name, b.name, c.name}, {a.batch, b.batch, c.batch});
    return view;
  }

  // Streams: a row behind the watermark of its source takes no part.
  std::string accepted(const Relation& from, const std::string& filter) {
    return "(SELECT * FROM " + from.batch + " WHERE " + (filter.empty() ? "true" : filter) + " AND (ts IS NULL OR _wm IS NULL OR epoch_us(ts) >= _wm))";
  }
  std::string late(const Relation& from, const std::string& filter) {
    return "SELECT NULL::TIMESTAMP AS window_start, NULL::TIMESTAMP AS window_end FROM " + from.batch + " WHERE " + (filter.empty() ? "true" : filter) + " AND ts IS NOT NULL AND _wm IS NOT NULL AND epoch_us(ts) < _wm";
  }
  View within_time() {
    const int first = random_.chance(75) ? 0 : 1;
    const Relation a = source(first), b = source(random_.chance(75) ? 1 - first : first);
    View view = start({&a, &b});
    const std::string fa = random_.chance(25) ? "v > -5" : "", fb = random_.chance(25) ? "k <> 1" : "";
    const int64_t lower = random_.pick<int64_t>({0, -2, -10, 3, -30, -1}) * kSecond;
    const int64_t upper = lower + random_.pick<int64_t>({0, 1, 5, 10, 40}) * kSecond;
    const auto shift = [](int64_t us) { return us == 0 ? std::string() : (us < 0 ? " - " : " + ") + seconds(us < 0 ? -us : us); };
    std::string time;
    bool retention = false;
    int64_t strict = 0;
    switch (random_.below(6)) {
      case 0: time = "b.ts >= a.ts" + shift(lower) + " AND b.ts <= a.ts" + shift(upper); break;
      case 1: time = "a.ts <= b.ts" + shift(-lower) + " AND a.ts >= b.ts" + shift(-upper); break;
      case 2: strict = lower == upper ? 0 : 1; time = lower == upper ? "b.ts" + shift(-lower) + " = a.ts" : "b.ts > a.ts" + shift(lower) + " AND b.ts < a.ts" + shift(upper); break;
      case 3: retention = true; time = "b.ts BETWEEN a.ts - " + seconds(std::max<int64_t>(upper - lower, kSecond)) + " AND a.ts + " + seconds(std::max<int64_t>(upper - lower, kSecond)); break;
      default: time = "b.ts BETWEEN a.ts" + shift(lower) + " AND a.ts" + shift(upper);
    }
    // An equality of shifted times is a key, which bounds nothing.
    if (time.find(" = ") != std::string::npos && lower != 0) time = "b.ts BETWEEN a.ts" + shift(lower) + " AND a.ts" + shift(upper);
    std::vector<std::string> terms = {random_.chance(92) ? keys(a, b) : "true"};
    if (random_.chance(30)) terms.push_back(between(a, b));
    if (retention && random_.chance(40)) terms.push_back(random_.text({"b.ts >= a.ts", "b.ts < a.ts + INTERVAL '3 seconds'", "a.ts <= b.ts + INTERVAL '1 second'"}));
    bool sided = terms[0] == "true";
    if (random_.chance(12)) terms.push_back(one_sided(a, "a")), sided = true;
    if (random_.chance(12)) terms.push_back(one_sided(b, "b")), sided = true;
    // Two keys of one column make a condition on the other side.
    sided |= terms[0].find(" AND ") != std::string::npos;
    if (terms[0].find(".ts") != std::string::npos) retention = false;
    const std::string kind = random_.text({"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"});
    const bool pairs = kind != "SEMI JOIN" && kind != "ANTI JOIN";
    const auto list = pairs ? outputs(view, {{"a", &a}, {"b", &b}}) : outputs(view, {{"a", &a}});
    const bool outer = kind != "JOIN" && kind != "SEMI JOIN";
    std::string clauses = random_.text({"", "", " EMIT CHANGES"});
    const bool waits = outer && !retention && random_.chance(45);
    if (waits && terms[0] != "true") terms[0] = "a.k = b.k";
    if (waits) clauses = random_.text({" EMIT ON WINDOW CLOSE", " EMIT AFTER WATERMARK", " EMIT FINAL"});
    if (retention) clauses = " WITH (retention = '" + number(std::max<int64_t>(upper - lower, kSecond) / kSecond) + " seconds')";
    const std::string ours_on = join(terms, " AND ") + (retention ? "" : " AND " + time), batch_on = join(terms, " AND ") + " AND " + time;
    const auto query = [&](const std::string& on) { return "SELECT " + join(list, ", ") + " FROM {0} a " + kind + " {1} b ON " + on; };
    const auto side = [](const Relation& from, const std::string& filter) { return filter.empty() ? from.name : "(SELECT * FROM " + from.name + " WHERE " + filter + ")"; };
    finish(view, query(batch_on), {a.name, b.name}, {accepted(a, fa), accepted(b, fb)});
    const View batch = view;
    finish(view, query(ours_on), {side(a, fa), side(b, fb)}, {a.batch, b.batch}, clauses);
    view.relation.batch = batch.relation.batch;
    view.select = batch.select;
    view.relation.time.clear();
    if (waits) {
      wait(view, list, kind, batch_on, a, b, fa, fb, lower + strict, upper - strict);
    }
    // One-sided conditions may be checked before lateness, and one on k is passed on to the other side.
    if (!sided && fb.empty()) {
      view.has_late = true;
      view.late_sql = late(a, fa) + " UNION ALL " + late(b, fb);
    }
    return view;
  }
  // Rows without a match stand there once the other watermark is above all that they could meet; those that can meet
  // nothing, for they lack the key or a time, at once.
  void wait(View& view, const std::vector<std::string>& list, const std::string& kind, const std::string& on, const Relation& a, const Relation& b, const std::string& fa,
            const std::string& fb, int64_t lower, int64_t upper) {
    const std::string no_key = on.find("a.k = b.k") == 0 ? ".k IS NULL OR " : ".ts IS NULL OR ";
    const std::string ra = "(a" + no_key + "a.ts IS NULL OR " + b.watermark + " - (" + number(upper) + ") > epoch_us(a.ts))", rb = "(b" + no_key + "b.ts IS NULL OR " + a.watermark + " + (" + number(lower) + ") > epoch_us(b.ts))";
    std::string query = "SELECT " + join(list, ", ") + " FROM " + accepted(a, fa) + " a " + kind + " " + accepted(b, fb) + " b ON " + on;
    if (kind == "ANTI JOIN") query += " WHERE " + ra;
    else query += " WHERE (a._seq IS NOT NULL AND b._seq IS NOT NULL) OR (b._seq IS NULL AND " + ra + ") OR (a._seq IS NULL AND " + rb + ")";
    view.relation.batch = "(" + query + ")";
    std::vector<std::string> names;
    for (const Column& column : view.relation.columns) names.push_back(column.name);
    view.select = "SELECT " + join(names, ", ") + " FROM " + view.relation.batch;
  }

  // Windows of two streams joined inside one view: state is released by the watermark.
  View windows() {
    Relation a = source(0), b = source(random_.chance(70) ? 1 : 0);
    View view = start({&a, &b});
    const int64_t size = random_.pick<int64_t>({2, 5, 10, 30}) * kSecond;
    const std::string ours_a = windowed(a.name, size), ours_b = windowed(b.name, size), batch_a = windowed_batch(a, size), batch_b = windowed_batch(b, size);
    a.columns = b.columns = {{"k", Type::kBig}, {"ts", Type::kTime}, {"v", Type::kBig}};
    std::string on = "a.k = b.k AND a.ts = b.ts";
    if (random_.chance(30)) on += " AND a.v <= b.v";
    const std::string kind = random_.text({"JOIN", "LEFT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"});
    const bool pairs = kind != "SEMI JOIN" && kind != "ANTI JOIN";
    const auto list = pairs ? outputs(view, {{"a", &a}, {"b", &b}}) : outputs(view, {{"a", &a}});
    finish(view, "SELECT " + join(list, ", ") + " FROM {0} a " + kind + " {1} b ON " + on, {ours_a, ours_b}, {batch_a, batch_b});
    return view;
  }

  View subquery() {
    const Relation a = held(), b = held();
    View view = start({&a, &b});
    const std::string l = "a." + random_.pick(names(a, Type::kBig)), r = "b." + random_.pick(names(b, Type::kBig)), filter = random_.chance(40) ? " WHERE " + one_sided(b, "b") : "";
    const std::string correlated = " WHERE " + (random_.chance(50) ? std::string("a.k = b.k") : equality(a, b)) + (random_.chance(20) ? " AND " + between(a, b) : "");
    const auto list = outputs(view, {{"a", &a}});
    const auto value = [&](const std::string& text, Type type) {
      view.relation.columns.push_back({"q", type});
      return "SELECT " + join(list, ", ") + ", " + text + " AS q FROM {0} a";
    };
    const auto where = [&](const std::string& text) { return "SELECT " + join(list, ", ") + " FROM {0} a WHERE " + text; };
    const std::string inner = random_.chance(50) ? filter : correlated;
    std::string query;
    switch (random_.below(9)) {
      case 0: query = where(l + " IN (SELECT " + r + " FROM {1} b" + inner + ")"); break;
      case 1: query = where(l + " NOT IN (SELECT " + r + " FROM {1} b" + inner + ")"); break;
      case 2: query = value(l + random_.text({" IN", " NOT IN"}) + " (SELECT " + r + " FROM {1} b" + inner + ")", Type::kBool); break;
      case 3: query = value(l + random_.text({" > ANY", " <= ANY", " < ALL", " >= ALL", " <> ALL", " = ALL"}) + " (SELECT " + r + " FROM {1} b" + inner + ")", Type::kBool); break;
      case 4: query = value(std::string(random_.text({"", "NOT "})) + "EXISTS (SELECT 1 FROM {1} b" + inner + ")", Type::kBool); break;
      case 5: query = value("(SELECT " + random_.text({"max(", "min(", "count("}) + r + ") FROM {1} b" + inner + ")", Type::kBig); break;
      case 6: query = where(l + " < (SELECT avg(" + r + ") FROM {1} b" + inner + ")"); break;
      case 7: query = where(random_.text({"", "NOT "}) + "EXISTS (SELECT 1 FROM {1} b" + inner + ") OR " + one_sided(a, "a")); break;
      default:
        view.relation.columns.push_back({"q", Type::kBig});
        query = "SELECT " + join(list, ", ") + ", l.n AS q FROM {0} a, LATERAL (SELECT count(*) AS n FROM {1} b" + correlated + ") l";
    }
    finish(view, query, {a.name, b.name}, {a.batch, b.batch});
    return view;
  }

  Random random_;
  const std::vector<View>& past_;
  std::string name_;
  size_t index_;
};

}  // namespace

std::vector<View> make_join_views(uint64_t seed, size_t count) {
  std::vector<View> views;
  for (size_t i = 0; i < count; ++i) {
    views.push_back(JoinGenerator(seed, i, views).make());
    // Some side of nearly every one goes back to a source: created later, views would miss rows.
    views.back().over_source = true;
  }
  return views;
}

}  // namespace oracle
