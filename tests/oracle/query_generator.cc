#include "query_generator.h"

#include <algorithm>
#include <cctype>

#include "history.h"

namespace oracle {
namespace {

std::string us(int64_t value) { return "(" + std::to_string(value) + ")"; }
std::string floor_to(const std::string& x, int64_t step) {
  return "((" + x + ") - (((" + x + ") % " + us(step) + ") + " + us(step) + ") % " + us(step) + ")";
}
std::string interval(Random& random, int64_t value_us) {
  const int64_t seconds = value_us / kSecond;
  if (value_us % kSecond) return "INTERVAL '" + std::to_string(value_us / 1000) + " milliseconds'";
  switch (random.below(3)) {
    case 0: return "INTERVAL '" + std::to_string(seconds) + " seconds'";
    case 1: return "INTERVAL '" + std::to_string(seconds) + "' SECOND";
    default: return seconds % 60 == 0 ? "INTERVAL " + std::to_string(seconds / 60) + " MINUTE" : "INTERVAL " + std::to_string(seconds) + " SECOND";
  }
}
std::string join(const std::vector<std::string>& list, const char* separator) {
  std::string text;
  for (size_t i = 0; i < list.size(); ++i) text += (i ? separator : "") + list[i];
  return text;
}

class Generator {
 public:
  Generator(uint64_t seed, size_t index, const std::vector<View>& past) : random_(seed * 1000 + index + 17), past_(past), name_("v" + std::to_string(index)), index_(index) {}

  View make() {
    // Views over views with a chance that keeps cascades at two or three levels.
    switch (random_.below(15)) {
      case 0: case 1: return project();
      case 2: return unite();
      case 3: return distinct();
      case 4: case 5: return group();
      case 6: return top_n();
      case 7: return ranked();
      case 8: return assigned();
      case 9: return session();
      case 10: return newest();
      default: return windowed();
    }
  }

 private:
  // ---- inputs
  Relation source(int number) {
    Relation relation;
    relation.name = "s" + std::to_string(number);
    relation.columns = {{"id", Type::kBig}, {"k", Type::kBig}, {"i", Type::kInt}, {"v", Type::kBig}, {"x", Type::kDouble},
                        {"m", Type::kDecimal}, {"s", Type::kText}, {"b", Type::kBool}, {"d", Type::kDate}, {"ts", Type::kTime}};
    relation.batch = "(SELECT * FROM memory.s WHERE _src = " + std::to_string(number) + " AND _seq < $n)";
    relation.rows = relation.append_only = relation.total_order = true;
    relation.time = "ts";
    relation.watermark = "($w" + std::to_string(number) + ")";
    return relation;
  }
  Relation table() {
    Relation relation;
    relation.name = "t";
    relation.columns = {{"id", Type::kBig}, {"k", Type::kBig}, {"v", Type::kBig}, {"x", Type::kDouble}, {"m", Type::kDecimal}, {"s", Type::kText}, {"b", Type::kBool}};
    relation.batch = "memory.t";
    return relation;
  }
  template <class Wanted>
  Relation input(Wanted wanted, int table_percent = 20) {
    std::vector<const Relation*> fit;
    for (const View& view : past_)
      if (view.relation.fresh && view.relation.level < 3 && !view.relation.columns.empty() && wanted(view.relation)) fit.push_back(&view.relation);
    if (!fit.empty() && random_.chance(35)) return *random_.pick(fit);
    Relation from = random_.chance(table_percent) ? table() : source(random_.chance(80) ? 0 : 1);
    return wanted(from) ? from : source(0);
  }

  // ---- expressions; the same text in both spellings
  std::vector<std::string> names(const Relation& from, Type type) {
    std::vector<std::string> list;
    for (const Column& column : from.columns)
      if (column.type == type) list.push_back(column.name);
    return list;
  }
  std::string leaf(const Relation& from, Type type) {
    const auto list = names(from, type);
    if (!list.empty() && random_.chance(85)) return random_.pick(list);
    switch (type) {
      case Type::kBig: return random_.text({"1::BIGINT", "7::BIGINT", "(-3)::BIGINT", "0::BIGINT", "NULL::BIGINT"});
      case Type::kInt: return random_.text({"1", "2", "(-5)", "NULL::INTEGER"});
      case Type::kDouble: return random_.text({"0.5::DOUBLE", "(-2.25)::DOUBLE", "1e3::DOUBLE"});
      case Type::kDecimal: return random_.text({"0.25::DECIMAL(10,2)", "(-12.50)::DECIMAL(10,2)", "3::DECIMAL(10,2)"});
      case Type::kText: return random_.text({"'a'", "''", "'abc'", "'exactly12byt'", "'a much longer literal'", "NULL::VARCHAR"});
      case Type::kBool: return random_.text({"true", "false", "NULL::BOOLEAN"});
      case Type::kTime: return random_.text({"TIMESTAMP '2026-01-01 00:00:30'", "TIMESTAMP '1969-12-31 23:59:59.5'"});
      case Type::kDate: return random_.text({"DATE '2026-01-01'", "DATE '1960-02-29'"});
      case Type::kOther: break;
    }
    return "1";
  }
  Type some_type() {
    static const std::vector<Type> types = {Type::kBig, Type::kInt, Type::kDouble, Type::kDecimal, Type::kText, Type::kBool, Type::kTime, Type::kDate};
    return random_.pick(types);
  }
  std::string expression(const Relation& from, Type type, int depth) {
    if (depth <= 0 || random_.chance(25)) return leaf(from, type);
    const auto e = [&](Type t) { return expression(from, t, depth - 1); };
    if (random_.chance(12)) return "CASE WHEN " + e(Type::kBool) + " THEN " + e(type) + (random_.chance(60) ? " ELSE " + e(type) : "") + " END";
    if (random_.chance(8)) return "coalesce(" + e(type) + ", " + e(type) + ")";
    if (random_.chance(5)) return "nullif(" + e(type) + ", " + leaf(from, type) + ")";
    if (random_.chance(4)) return random_.text({"greatest(", "least("}) + e(type) + ", " + e(type) + ")";
    switch (type) {
      case Type::kBig:
        switch (random_.below(11)) {
          case 0: return "(" + e(type) + " + " + e(type) + ")";
          case 1: return "(" + e(type) + " - " + e(type) + ")";
          case 2: return "(" + e(type) + " % 1000003 * " + random_.text({"2", "3", "-7"}) + ")";
          case 3: return "(" + e(type) + " % " + random_.text({"3", "7", "-4"}) + ")";
          case 4: return "abs(" + e(type) + ")";
          case 5: return "length(" + e(Type::kText) + ")";
          case 6: return "CAST(" + e(Type::kInt) + " AS BIGINT)";
          case 7: return "(" + e(type) + " // " + random_.text({"2", "3", "-5"}) + ")";
          case 8: return random_.text({"hour(", "minute(", "second(", "year(", "dayofweek("}) + e(Type::kTime) + ")";
          case 9: return "coalesce(TRY_CAST(" + e(Type::kText) + " AS BIGINT), -1)";
          default: return "(- " + e(type) + ")";
        }
      case Type::kInt:
        switch (random_.below(5)) {
          case 0: return "CAST(" + e(Type::kBig) + " % 1000 AS INTEGER)";
          case 1: return "CAST(" + e(Type::kBool) + " AS INTEGER)";
          case 2: return "(" + leaf(from, type) + " % 1000 + 3)";
          case 3: return "sign(" + e(Type::kBig) + ")::INTEGER";
          default: return leaf(from, type);
        }
      case Type::kDouble:
        switch (random_.below(7)) {
          case 0: return "(" + e(type) + " + " + e(type) + ")";
          case 1: return "(" + e(type) + " * 0.5::DOUBLE)";
          case 2: return "(" + e(type) + " / 4)";
          case 3: return "CAST(" + e(Type::kBig) + " AS DOUBLE)";
          case 4: return "abs(" + e(type) + ")";
          case 5: return "floor(" + e(type) + ")";
          default: return "CAST(" + e(Type::kInt) + " AS DOUBLE)";
        }
      case Type::kDecimal: {
        // One type throughout, so that branches agree: DECIMAL(12,2).
        const std::string a = "(" + e(type) + ")::DECIMAL(12,2)";
        switch (random_.below(4)) {
          case 0: return "(" + a + " + " + e(type) + ")::DECIMAL(12,2)";
          case 1: return "(" + a + " - 1.25)::DECIMAL(12,2)";
          case 2: return "CAST(" + e(Type::kBig) + " % 100000 AS DECIMAL(12,2))";
          default: return a;
        }
      }
      case Type::kText:
        switch (random_.below(9)) {
          case 0: return random_.text({"upper(", "lower(", "trim(", "reverse("}) + e(type) + ")";
          case 1: return "(" + e(type) + " || " + e(type) + ")";
          // No start before the text: there DuckDB gives another answer once its statistics say that a column is ASCII.
          case 2: return "substr(" + e(type) + ", " + random_.text({"1, 2", "2, 3", "0, 3", "3"}) + ")";
          case 3: return "CAST(" + e(random_.pick<Type>({Type::kBig, Type::kInt, Type::kBool, Type::kDecimal, Type::kDate, Type::kTime})) + " AS VARCHAR)";
          case 4: return "concat(" + e(type) + ", '-', " + leaf(from, Type::kBig) + ")";
          case 5: return "replace(" + e(type) + ", 'a', 'xyz')";
          case 6: return "left(" + e(type) + ", 3)";
          case 7: return "lpad(" + leaf(from, type) + ", 5, '*')";
          default: return leaf(from, type);
        }
      case Type::kBool:
        switch (random_.below(10)) {
          case 0: return "(" + e(type) + " AND " + e(type) + ")";
          case 1: return "(" + e(type) + " OR " + e(type) + ")";
          case 2: return "(NOT " + e(type) + ")";
          case 3: {
            const Type t = some_type();
            return "(" + e(t) + random_.text({" IS NULL)", " IS NOT NULL)"});
          }
          case 4: return "(" + e(Type::kText) + random_.text({" LIKE 'a%'", " LIKE '%b%'", " NOT LIKE '_'", " ILIKE 'A%'", " LIKE 'a\\%c' ESCAPE '\\'"}) + ")";
          case 5: return "(" + e(Type::kBig) + " IN (1, 2, 3, -4))";
          case 6: return "(" + e(Type::kText) + " IN ('a', 'abc', 'exactly12byt'))";
          case 7: return "(" + e(Type::kBig) + " BETWEEN -5 AND " + e(Type::kBig) + ")";
          default: {
            const Type t = some_type();
            return "(" + e(t) + random_.text({" = ", " <> ", " < ", " <= ", " > ", " >= ", " IS DISTINCT FROM ", " IS NOT DISTINCT FROM "}) + e(t) + ")";
          }
        }
      case Type::kTime:
        switch (random_.below(4)) {
          case 0: return "(" + leaf(from, type) + random_.text({" + INTERVAL '90 seconds')", " - INTERVAL 1 HOUR)", " + INTERVAL '1 day')"});
          case 1: return "date_trunc('minute', " + leaf(from, type) + ")";
          default: return leaf(from, type);
        }
      case Type::kDate: return random_.chance(50) ? "CAST(" + leaf(from, Type::kTime) + " AS DATE)" : leaf(from, type);
      case Type::kOther: break;
    }
    return leaf(from, type);
  }
  // An expression with a column in it: DuckDB takes literals in GROUP BY and ORDER BY for column numbers, or refuses them.
  Type key_type(const Relation& from, Type wanted) { return names(from, wanted).empty() ? random_.pick(from.columns).type : wanted; }
  std::string key(const Relation& from, Type type, int depth) {
    for (int tries = 0; tries < 4; ++tries) {
      const std::string text = expression(from, type, depth);
      for (const Column& column : from.columns)
        for (size_t at = text.find(column.name); at != std::string::npos; at = text.find(column.name, at + 1)) {
          const auto word = [&](size_t i) { return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_' || text[i] == '\''); };
          if (!word(at - 1) && !word(at + column.name.size())) return text;
        }
    }
    return random_.pick(names(from, type));
  }
  std::string condition(const Relation& from) { return expression(from, Type::kBool, 3); }
  std::string where(const Relation& from) { return random_.chance(45) ? " WHERE " + condition(from) : ""; }

  // ---- expressions that fail for some rows, which are then in errors('view') and not in the view
  struct Failing {
    std::string text;
    Type type = Type::kBig;
    bool any() const { return !text.empty(); }
    std::string batch() const { return "TRY(" + text + ")"; }
    // A list is never NULL, whatever is in it.
    std::string failed() const { return "TRY([" + text + "]) IS NULL"; }
    std::string succeeded() const { return "TRY([" + text + "]) IS NOT NULL"; }
  };
  Failing failing(const Relation& from, int percent = 35) {
    if (!random_.chance(percent)) return {};
    const Type of = random_.pick<Type>({Type::kBig, Type::kBig, Type::kDouble, Type::kDecimal, Type::kText, Type::kText});
    const auto list = names(from, of);
    if (list.empty()) return {};
    const std::string column = random_.pick(list);
    switch (of) {
      case Type::kBig:
        switch (random_.below(5)) {
          case 0: return {"(" + column + " * 922337203685477580)", Type::kBig};
          case 1: return {"(" + column + " + 9223372036854775805)", Type::kBig};
          case 2: return {"CAST(CAST(" + column + " * 7 AS TINYINT) AS INTEGER)", Type::kInt};
          case 3: return {"ln(CAST(" + column + " AS DOUBLE))", Type::kDouble};  // DuckDB's executor evaluates it
          default: return {"CAST(CAST(" + column + " AS UTINYINT) AS BIGINT)", Type::kBig};
        }
      case Type::kDouble: return {"CAST(CAST(" + column + random_.text({"", " * 50"}) + " AS SMALLINT) AS INTEGER)", Type::kInt};
      case Type::kDecimal: return {"CAST(CAST(" + column + " AS DECIMAL(4,2)) AS DOUBLE)", Type::kDouble};
      default:
        switch (random_.below(4)) {
          case 0: return {"CAST(" + column + " AS BIGINT)", Type::kBig};
          case 1: return {"CAST(" + column + " || '1' AS INTEGER)", Type::kInt};
          case 2: return {"CAST(" + column + " AS BOOLEAN)", Type::kBool};
          default: return {"CAST('1' || left(" + column + ", 1) AS DOUBLE)", Type::kDouble};
        }
    }
  }
  // The batch's filter leaves the rows out that fail; errors_sql counts those that our filter lets through.
  std::string without_failed(View& view, const Relation& from, const std::string& filter, const Failing& fails) {
    if (!fails.any()) return filter;
    const std::string so_far = filter.empty() ? " WHERE " : filter + " AND ";
    view.may_fail = true;
    if (from.rows) view.errors_sql = "SELECT count(*) FROM " + from.batch + so_far + fails.failed();
    return so_far + fails.succeeded();
  }

  // ---- aggregates: the call in both spellings
  struct Call {
    std::string ours, batch;
    Type type;
  };
  Call aggregate(const Relation& from, bool in_window, bool mergeable_only) {
    const auto e = [&](Type t) { return expression(from, t, random_.chance(60) ? 0 : 2); };
    const auto same = [&](const std::string& text, Type type) { return Call{text, text, type}; };
    Call call;
    const Type any = some_type();
    // What orders the rows of a list, and ties: arrival, a table's key, or nothing but the values.
    const bool is_table = from.name == "t";
    switch (random_.below(23)) {
      case 18: {
        const Type type = random_.pick<Type>({Type::kBig, Type::kText, Type::kBool, Type::kTime});
        const std::string value = e(type), key = random_.chance(50) ? leaf(from, Type::kBig) + random_.text({" DESC, ", ", ", " NULLS FIRST, "}) : "";
        if (from.total_order) call = {"list(" + value + (key.empty() ? "" : " ORDER BY " + key.substr(0, key.size() - 2)) + ")", "list(" + value + " ORDER BY " + key + "_seq)", Type::kOther};
        else if (is_table) call = same("list(" + value + " ORDER BY " + key + "id)", Type::kOther);
        else call = same("list_sort(list(" + value + "))", Type::kOther);
        break;
      }
      case 19: call = same("histogram(" + e(random_.chance(50) ? Type::kBig : Type::kText) + ")", Type::kOther); break;
      case 20:
        call = random_.chance(50) ? same("quantile_disc(" + e(Type::kBig) + ", [0.25, 0.5, 1])", Type::kOther)
                                  : same("list_sort(list(DISTINCT " + e(random_.chance(50) ? Type::kBig : Type::kText) + "))", Type::kOther);
        break;
      case 21: call = same("median(" + e(random_.chance(50) ? Type::kTime : Type::kDate) + ")", Type::kOther); break;
      case 22:
        if (from.append_only) return aggregate(from, in_window, mergeable_only);
        call.batch = "(DISTINCT " + e(any) + ")";
        call = {"approx_count_distinct(" + call.batch.substr(10), "count" + call.batch, Type::kBig};
        break;
      case 0: call = same("count(*)", Type::kBig); break;
      case 1: call = same("count(" + e(any) + ")", Type::kBig); break;
      case 2: call = same("count(DISTINCT " + e(any) + ")", Type::kBig); break;
      case 3: case 4: call = same(random_.text({"sum(", "sum(", "sum(DISTINCT "}) + e(random_.chance(50) ? Type::kBig : Type::kInt) + ")", Type::kOther); break;
      case 5: call = same(random_.text({"sum(", "avg("}) + e(Type::kDouble) + ")", Type::kDouble); break;
      case 6: call = same(random_.text({"avg(", "avg(DISTINCT "}) + e(random_.chance(60) ? Type::kBig : Type::kDecimal) + ")", Type::kDouble); break;
      case 7: call = same("sum(" + e(Type::kDecimal) + ")", Type::kOther); break;
      case 8: case 9: call = same(random_.text({"min(", "max("}) + e(any) + ")", any == Type::kDecimal ? Type::kOther : any); break;
      case 10: call = same(random_.text({"stddev_samp(", "stddev_pop(", "var_samp(", "var_pop(", "stddev("}) + e(random_.chance(50) ? Type::kBig : Type::kDouble) + ")", Type::kDouble); break;
      case 11: call = same(random_.text({"bool_and(", "bool_or("}) + e(Type::kBool) + ")", Type::kBool); break;
      case 12: {
        if (is_table) {
          call = same(random_.text({"first(", "last(", "any_value("}) + e(any) + " ORDER BY " + leaf(from, Type::kBig) + random_.text({"", " DESC"}) + ", id)", any == Type::kDecimal ? Type::kOther : any);
          break;
        }
        if (!from.total_order || !in_window || from.time.empty()) return aggregate(from, in_window, mergeable_only);
        const std::string function = random_.text({"first", "last"}), value = e(any);
        call = {function + "(" + value + ")", function + "(" + value + " ORDER BY " + from.time + ", _seq)", any == Type::kDecimal ? Type::kOther : any};
        break;
      }
      case 13: {
        if (!from.total_order && !is_table) return aggregate(from, in_window, mergeable_only);
        // Ties: the row that came first.
        const std::string text = random_.text({"arg_max(", "arg_min("}) + e(any) + ", " + leaf(from, Type::kBig);
        call = {text + (is_table ? " ORDER BY id)" : ")"), text + (is_table ? " ORDER BY id)" : " ORDER BY _seq)"), any == Type::kDecimal ? Type::kOther : any};
        break;
      }
      case 14: call = same(random_.text({"median(", "quantile_cont("}) + e(random_.chance(50) ? Type::kBig : Type::kDouble), Type::kDouble);
        if (call.ours[0] == 'q') call.ours += random_.text({", 0.25", ", 0.9", ", 0"});
        call = same(call.ours + ")", Type::kDouble);
        break;
      case 15: call = same("quantile_disc(" + e(Type::kBig) + ", " + random_.text({"0.5", "0.1", "1"}) + ")", Type::kBig); break;
      case 16: {
        const std::string text = names(from, Type::kText).empty() ? "CAST(" + random_.pick(from.columns).name + " AS VARCHAR)" : key(from, Type::kText, 1);
        call = same("string_agg(" + text + ", ',' ORDER BY " + text + random_.text({"", " DESC"}) + ")", Type::kText);
        break;
      }
      default:
        call = same(random_.text({"bit_xor(", "bit_or(", "bit_and("}) + leaf(from, Type::kBig) + ")", Type::kBig);
        break;
    }
    if (random_.chance(20)) {
      const std::string filter = " FILTER (WHERE " + condition(from) + ")";
      call.ours += filter;
      call.batch += filter;
    }
    // Lists and maps as text: changes carry them packed.
    if (call.ours.rfind("list", 0) == 0 || call.ours.rfind("histogram", 0) == 0 || call.ours.find(", [0.25") != std::string::npos) {
      call.ours = "(" + call.ours + ")::VARCHAR";
      call.batch = "(" + call.batch + ")::VARCHAR";
    }
    return call;
  }

  // ---- shapes
  View start(const Relation& from) {
    View view;
    view.relation.name = name_;
    view.relation.level = from.level + 1;
    view.relation.views = from.views;
    view.relation.views.push_back(index_);
    view.relation.fresh = from.fresh;
    view.over_source = from.rows;
    return view;
  }
  void finish(View& view, const std::string& ours, const std::string& clauses = {}) {
    view.create = "CREATE MATERIALIZED VIEW " + name_ + " AS " + ours + clauses;
    std::vector<std::string> list;
    for (const Column& column : view.relation.columns) list.push_back(column.name);
    view.select = "SELECT " + join(list, ", ") + " FROM " + view.relation.batch;
  }
  // EVERY and CHANGES fit every view.
  std::string plain_emit(View& view) {
    switch (random_.below(10)) {
      case 0: return " EMIT CHANGES";
      case 1: return " EMIT ON UPDATE";
      case 2:
        view.relation.fresh = false;
        view.relation.append_only = false;
        return " EMIT EVERY " + interval(random_, random_.between(1, kEveryMax / kSecond) * kSecond);
      default: return "";
    }
  }

  View project() {
    const Relation from = input([](const Relation&) { return true; });
    View view = start(from);
    Relation& to = view.relation;
    std::vector<std::string> list;
    std::string hidden;
    if (!from.time.empty() && random_.chance(85)) {
      const int64_t shift = random_.chance(25) ? random_.between(-40, 40) * kSecond : 0;
      const std::string time = shift ? from.time + (shift > 0 ? " + " : " - ") + interval(random_, std::abs(shift)) : from.time;
      to.time = "ts";
      to.watermark = "(" + from.watermark + " + " + us(shift) + ")";
      to.columns.push_back({"ts", Type::kTime});
      list.push_back(time + " AS ts");
      if (from.rows) hidden = ", _seq, _wm + " + us(shift) + " AS _wm";
    } else if (from.rows) {
      hidden = ", _seq, NULL::BIGINT AS _wm";
    }
    if (from.name == "t" || from.name[0] == 's') {
      to.columns.push_back({"id", Type::kBig});
      list.push_back("id");
    }
    const size_t n = 1 + random_.below(4);
    for (size_t i = 0; i < n; ++i) {
      const Type type = some_type();
      to.columns.push_back({"c" + std::to_string(i), type == Type::kDecimal ? Type::kOther : type});
      list.push_back(expression(from, type, 3) + " AS c" + std::to_string(i));
    }
    const std::string filter = where(from);
    const Failing fails = failing(from);
    std::vector<std::string> batch_list = list;
    std::string ours_filter = filter, batch_filter = without_failed(view, from, filter, fails);
    if (fails.any() && random_.chance(30)) {
      const std::string holds = "::VARCHAR LIKE '%1%'";
      ours_filter = (filter.empty() ? " WHERE " : filter + " AND ") + fails.text + holds;
      batch_filter += " AND " + fails.batch() + holds;
      if (!filter.empty()) view.errors_sql.clear();  // which of the two is asked first is open
    } else if (fails.any()) {
      to.columns.push_back({"f", fails.type});
      list.push_back(fails.text + " AS f");
      batch_list.push_back(fails.batch() + " AS f");
    }
    to.batch = "(SELECT " + join(batch_list, ", ") + hidden + " FROM " + from.batch + batch_filter + ")";
    to.rows = from.rows;
    to.append_only = from.append_only;
    to.total_order = from.total_order;
    const std::string emit = plain_emit(view);
    if (!to.fresh) to.rows = false;
    finish(view, "SELECT " + join(list, ", ") + " FROM " + from.name + ours_filter, emit);
    return view;
  }

  View unite() {
    const bool over_sources = random_.chance(70);
    const Relation a = over_sources ? source(0) : table(), b = over_sources ? source(random_.chance(70) ? 1 : 0) : table();
    View view = start(a);
    Relation& to = view.relation;
    std::vector<std::string> list = over_sources ? std::vector<std::string>{"ts", "id", "k", "v", "x", "s", "b"} : std::vector<std::string>{"id", "k", "v", "x", "s", "b"};
    for (const std::string& name : list) {
      for (const Column& column : a.columns)
        if (column.name == name) to.columns.push_back(column);
    }
    to.columns.push_back({"c0", Type::kBig});
    const std::string ea = expression(a, Type::kBig, 2), eb = expression(b, Type::kBig, 2), columns = join(list, ", ");
    std::string wa = where(a), wb = where(b);
    // A branch whose filter is never true would leave the plan, and its source the watermark of the union.
    for (std::string* filter : {&wa, &wb})
      if (over_sources && !filter->empty()) *filter = " WHERE (" + filter->substr(7) + ") OR id = -7";
    const std::string hidden = !over_sources ? "" : a.name != b.name ? ", _seq, _uw AS _wm" : ", _seq, _wm";
    to.batch = "(SELECT " + columns + ", " + ea + " AS c0" + hidden + " FROM " + a.batch + wa + " UNION ALL SELECT " + columns + ", " + eb + hidden + " FROM " + b.batch + wb + ")";
    // The same source twice: a row would stand twice under one _seq.
    to.rows = over_sources && a.name != b.name;
    to.append_only = over_sources;
    if (to.rows) {
      to.time = "ts";
      to.watermark = "($u)";
    }
    finish(view, "SELECT " + columns + ", " + ea + " AS c0 FROM " + a.name + wa + " UNION ALL SELECT " + columns + ", " + eb + " FROM " + b.name + wb);
    return view;
  }

  View distinct() {
    const Relation from = input([](const Relation&) { return true; });
    View view = start(from);
    Relation& to = view.relation;
    std::vector<std::string> list;
    const size_t n = 1 + random_.below(3);
    for (size_t i = 0; i < n; ++i) {
      const Type type = some_type();
      to.columns.push_back({"c" + std::to_string(i), type == Type::kDecimal ? Type::kOther : type});
      list.push_back(expression(from, type, 1) + " AS c" + std::to_string(i));
    }
    std::vector<std::string> batch_list = list;
    const Failing fails = failing(from);
    if (fails.any()) {
      to.columns.push_back({"f", fails.type});
      list.push_back(fails.text + " AS f");
      batch_list.push_back(fails.batch() + " AS f");
    }
    const std::string filter = where(from);
    to.batch = "(SELECT DISTINCT " + join(batch_list, ", ") + " FROM " + from.batch + without_failed(view, from, filter, fails) + ")";
    finish(view, "SELECT DISTINCT " + join(list, ", ") + " FROM " + from.name + filter, plain_emit(view));
    return view;
  }

  // GROUP BY: keys and calls as lists of items in both spellings.
  struct Grouping {
    std::vector<std::string> ours, batch, keys, batch_keys;
    std::string having;
  };
  // A key or an argument that fails for some rows.
  void add_failing(Grouping& g, Relation& to, const Failing& fails) {
    if (!fails.any()) return;
    if (random_.chance(35)) {
      g.keys.push_back(fails.text);
      g.batch_keys.push_back(fails.batch());
      g.ours.push_back(fails.text + " AS kf");
      g.batch.push_back(fails.batch() + " AS kf");
      to.columns.push_back({"kf", fails.type});
      return;
    }
    const std::string call = fails.type == Type::kBool ? "bool_or(" : random_.text({"max(", "min(", "count("});
    g.ours.push_back(call + fails.text + ") AS af");
    g.batch.push_back(call + fails.batch() + ") AS af");
    to.columns.push_back({"af", call == "count(" ? Type::kBig : fails.type});
  }
  Grouping grouping(const Relation& from, Relation& to, size_t keys_max, bool in_window, bool mergeable_only = false) {
    Grouping g;
    const size_t keys = random_.below(keys_max + 1);
    for (size_t i = 0; i < keys; ++i) {
      const Type type = key_type(from, random_.chance(60) ? Type::kBig : some_type());
      const std::string key = this->key(from, type, random_.chance(70) ? 0 : 2), name = "k" + std::to_string(i);
      // A literal in GROUP BY is a column's number.
      g.keys.push_back("(" + key + ")");
      g.batch_keys.push_back(g.keys.back());
      g.ours.push_back("(" + key + ") AS " + name);
      g.batch.push_back("(" + key + ") AS " + name);
      to.columns.push_back({name, type == Type::kDecimal ? Type::kOther : type});
    }
    const size_t calls = 1 + random_.below(4);
    for (size_t i = 0; i < calls; ++i) {
      const Call call = aggregate(from, in_window, mergeable_only);
      const std::string name = "a" + std::to_string(i);
      g.ours.push_back(call.ours + " AS " + name);
      g.batch.push_back(call.batch + " AS " + name);
      to.columns.push_back({name, call.type});
    }
    if (random_.chance(20)) g.having = " HAVING " + random_.text({"count(*) > 1", "count(*) % 2 = 1", "max(k) >= 2"});
    if (g.having.find("max(k)") != std::string::npos && std::none_of(from.columns.begin(), from.columns.end(), [](const Column& c) { return c.name == "k"; })) g.having.clear();
    return g;
  }

  View group() {
    const Relation from = input([](const Relation&) { return true; }, 40);
    View view = start(from);
    Relation& to = view.relation;
    Grouping g = grouping(from, to, 2, false);
    const Failing fails = failing(from);
    add_failing(g, to, fails);
    const std::string filter = where(from), by = g.keys.empty() ? "" : " GROUP BY " + join(g.keys, ", ");
    const std::string batch_by = g.keys.empty() ? "" : " GROUP BY " + join(g.batch_keys, ", ");
    to.batch = "(SELECT " + join(g.batch, ", ") + " FROM " + from.batch + without_failed(view, from, filter, fails) + batch_by + g.having + ")";
    finish(view, "SELECT " + join(g.ours, ", ") + " FROM " + from.name + filter + by + g.having, plain_emit(view));
    return view;
  }

  struct Window {
    std::string function;   // TUMBLE, HOP, CUMULATE
    std::string arguments;  // behind the time
    int64_t size = 0, slide = 0, offset = 0;
  };
  Window window() {
    Window w;
    switch (random_.below(4)) {
      case 0: case 1:
        w.function = "TUMBLE";
        w.size = w.slide = random_.pick<int64_t>({1, 5, 10, 30, 60, 7}) * kSecond;
        w.arguments = interval(random_, w.size);
        if (random_.chance(30)) {
          w.offset = random_.pick<int64_t>({1, 3, 4}) * kSecond;
          w.arguments += ", " + interval(random_, w.offset);
        }
        break;
      case 2:
        w.function = "HOP";
        w.slide = random_.pick<int64_t>({2, 3, 5, 10}) * kSecond;
        w.size = random_.chance(70) ? w.slide * random_.between(1, 5) : w.slide + random_.between(1, 17) * kSecond;
        if (random_.chance(10)) w.size = std::max<int64_t>(kSecond, w.slide - kSecond);  // gaps between windows
        w.arguments = interval(random_, w.slide) + ", " + interval(random_, w.size);
        break;
      default:
        w.function = "CUMULATE";
        w.slide = random_.pick<int64_t>({2, 5, 10}) * kSecond;
        w.size = w.slide * random_.between(1, 5);
        w.arguments = interval(random_, w.slide) + ", " + interval(random_, w.size);
    }
    return w;
  }
  // Rows by the windows that hold them, the columns window_start and window_end added.
  std::string assigned_batch(const Relation& from, const Window& w, const std::string& filter) {
    const std::string time = "epoch_us(" + from.time + ")";
    std::string rows = "(SELECT * FROM " + from.batch + filter + ")";
    std::string starts, ends;
    if (w.function == "CUMULATE") {
      starts = floor_to(time, w.size);
      ends = starts + " + _n * " + us(w.slide);
    } else {
      starts = floor_to("(" + time + " - " + us(w.offset) + ")", w.slide) + " + " + us(w.offset) + " - (_n - 1) * " + us(w.slide);
      ends = starts + " + " + us(w.size);
    }
    const int64_t n = w.function == "TUMBLE" ? 1 : (w.size + w.slide - 1) / w.slide;
    return "(SELECT *, make_timestamp(_ws) AS window_start, make_timestamp(_we) AS window_end FROM (SELECT *, " + starts + " AS _ws, " + ends +
           " AS _we FROM " + rows + " AS q, (SELECT unnest(generate_series(1, " + std::to_string(n) + ")) AS _n) AS nn WHERE " + from.time +
           " IS NOT NULL) WHERE " + time + " < _we AND " + time + " >= _ws)";
  }

  struct Emission {
    std::string clauses, when;  // when: condition on _we (us), or empty
    int64_t lateness = 0;
    bool closes = false, every = false, changes = true;
  };
  Emission emission(const Relation& from) {
    Emission e;
    if (random_.chance(45)) e.lateness = random_.pick<int64_t>({0, 2, 5, 20}) * kSecond;
    std::string emit, lateness = e.lateness ? " ALLOW LATENESS " + interval(random_, e.lateness) : "";
    const std::string closed = "_we + " + us(e.lateness) + " <= " + from.watermark;
    switch (random_.below(8)) {
      case 0: emit = " EMIT ON UPDATE"; break;
      case 1: emit = " EMIT CHANGES"; break;
      case 2: case 3:
        emit = random_.text({" EMIT ON WINDOW CLOSE", " EMIT FINAL"});
        e.when = closed;
        e.closes = true;
        break;
      case 4: case 5:
        emit = " EMIT AFTER WATERMARK";
        e.when = "_we <= " + from.watermark;
        break;
      case 6:
        if (random_.chance(50)) {
          emit = " EMIT EVERY " + interval(random_, random_.between(1, kEveryMax / kSecond) * kSecond);
          e.every = true;
        }
        break;
      default: break;
    }
    if (random_.chance(15) && from.rows) {
      lateness += " LATE DATA TO late_" + name_;
    }
    e.clauses = random_.chance(50) ? emit + lateness : lateness + emit;
    return e;
  }
  void judge(View& view, const Relation& from, const Emission& e, const std::string& assigned, std::string& accepted) {
    accepted = assigned;
    if (from.rows) {
      const std::string late = "_wm IS NOT NULL AND _wm >= _we + " + us(e.lateness);
      accepted = "(SELECT * FROM " + assigned + " WHERE NOT (" + late + "))";
      view.late_sql = "SELECT window_start, window_end FROM " + assigned + " WHERE " + late;
      view.has_late = true;
    }
    if (!e.when.empty()) accepted = "(SELECT * FROM " + accepted + " WHERE " + e.when + ")";
    view.closes = e.closes;
    if (e.every) view.relation.fresh = false;
  }

  View windowed() {
    const Relation from = input([](const Relation& r) { return !r.time.empty(); }, 0);
    View view = start(from);
    Relation& to = view.relation;
    Window w = window();
    const bool table_form = random_.chance(35);
    to.columns = {{"window_start", Type::kTime}, {"window_end", Type::kTime}};
    // The input's own windows would hide these.
    Relation inner = from;
    if (std::any_of(from.columns.begin(), from.columns.end(), [](const Column& c) { return c.name == "window_start"; })) return rewindowed(from, w);
    Grouping g = grouping(inner, to, 2, true);
    const Failing fails = failing(from);
    add_failing(g, to, fails);
    const std::string filter = where(from), batch_filter = without_failed(view, from, filter, fails);
    const Emission e = emission(from);
    const std::string assigned = assigned_batch(from, w, batch_filter);
    std::string accepted;
    judge(view, from, e, assigned, accepted);
    if (from.rows) view.null_time_sql = "SELECT count(*) FROM " + from.batch + (batch_filter.empty() ? " WHERE " : batch_filter + " AND ") + from.time + " IS NULL";
    const std::string keys = g.keys.empty() ? "" : join(g.keys, ", ") + ", ", batch_keys = g.keys.empty() ? "" : join(g.batch_keys, ", ") + ", ";
    to.batch = "(SELECT window_start, window_end, " + join(g.batch, ", ") + " FROM " + accepted + " GROUP BY " + batch_keys + "window_start, window_end" + g.having + ")";
    std::string ours = "SELECT window_start, window_end, " + join(g.ours, ", ") + " FROM ";
    if (table_form) {
      ours += w.function + "(TABLE " + from.name + ", DESCRIPTOR(" + from.time + "), " + w.arguments + ")" + filter + " GROUP BY " + keys + "window_start, window_end" + g.having;
    } else {
      ours += from.name + filter + " GROUP BY " + keys + w.function + "(" + from.time + ", " + w.arguments + ")" + g.having;
    }
    set_time(to, from, w, e);
    if (random_.chance(20)) {
      const std::string top = random_.text({" QUALIFY rank()", " QUALIFY dense_rank()"}) + " OVER (PARTITION BY window_start, window_end ORDER BY a0" +
                              random_.text({" DESC", "", " DESC NULLS LAST"}) + ") <= " + std::to_string(random_.between(1, 3));
      ours = "SELECT * FROM (" + ours + ")" + top;
      to.batch = "(SELECT * FROM " + to.batch + top + ")";
    }
    finish(view, ours, e.clauses);
    return view;
  }
  // Windows over window_start of a view of windows.
  View rewindowed(const Relation& from, const Window& w) {
    View view = start(from);
    Relation& to = view.relation;
    to.columns = {{"ws", Type::kTime}, {"we", Type::kTime}};
    Relation inner = from;
    inner.columns.erase(std::remove_if(inner.columns.begin(), inner.columns.end(), [](const Column& c) { return c.type == Type::kTime; }), inner.columns.end());
    const Grouping g = grouping(inner, to, 1, true);
    const Emission e = emission(from);
    std::string columns;
    for (const Column& column : from.columns)
      if (column.name != "window_start" && column.name != "window_end") columns += ", " + column.name;
    Relation renamed = from;
    renamed.time = "_time";
    renamed.batch = "(SELECT " + from.time + " AS _time" + columns + " FROM " + from.batch + ")";
    const std::string assigned = assigned_batch(renamed, w, "");
    std::string accepted;
    judge(view, from, e, assigned, accepted);
    const std::string keys = g.keys.empty() ? "" : join(g.keys, ", ") + ", ", call = w.function + "(" + from.time + ", " + w.arguments + ")";
    to.batch = "(SELECT window_start AS ws, window_end AS we, " + join(g.batch, ", ") + " FROM " + accepted + " GROUP BY " + keys + "window_start, window_end" + g.having + ")";
    const std::string ours = "SELECT " + w.function + "_START(" + from.time + ", " + w.arguments + ") AS ws, " + w.function + "_END(" + from.time + ", " + w.arguments + ") AS we, " +
                             join(g.ours, ", ") + " FROM " + from.name + " GROUP BY " + keys + call + g.having;
    finish(view, ours, e.clauses);
    to.append_only = e.closes;
    return view;
  }
  void set_time(Relation& to, const Relation& from, const Window& w, const Emission& e) {
    to.append_only = e.closes;
    if (w.function == "CUMULATE" || e.every) return;
    // The first window still open starts where the watermark stands.
    const std::string time = from.watermark + " - " + us(e.lateness);
    to.time = "window_start";
    to.watermark = w.function == "TUMBLE" ? "(" + floor_to(time + " - " + us(w.offset), w.size) + " + " + us(w.offset) + ")"
                                          : "(" + floor_to(time + " - " + us(w.size), w.slide) + " + " + us(w.slide) + ")";
    if (w.size < w.slide) to.time.clear();
  }

  View assigned() {
    const Relation from = input([](const Relation& r) { return !r.time.empty() && r.rows; }, 0);
    View view = start(from);
    Relation& to = view.relation;
    const Window w = window();
    to.columns = {{"window_start", Type::kTime}, {"window_end", Type::kTime}};
    std::vector<std::string> list = {"window_start", "window_end"};
    for (const Column& column : from.columns) {
      if (!random_.chance(50)) continue;
      to.columns.push_back(column);
      list.push_back(column.name);
    }
    const std::string accepted_text = "SELECT " + join(list, ", ") + " FROM ";
    Emission e;
    std::string accepted;
    judge(view, from, e, assigned_batch(from, w, ""), accepted);
    to.batch = "(" + accepted_text + accepted + ")";
    to.append_only = from.append_only;
    finish(view, accepted_text + w.function + "(TABLE " + from.name + ", DESCRIPTOR(" + from.time + "), " + w.arguments + ")");
    return view;
  }

  // Sessions over an input that takes rows back are a function of its rows.
  View session_of_changes(const Relation& from) {
    View view = start(from);
    Relation& to = view.relation;
    to.columns = {{"ws", Type::kTime}, {"we", Type::kTime}};
    Relation inner = from;
    inner.columns.erase(std::remove_if(inner.columns.begin(), inner.columns.end(), [](const Column& c) { return c.type == Type::kTime; }), inner.columns.end());
    const Grouping g = grouping(inner, to, 2, true, true);
    const std::string filter = where(inner);
    const Emission e = emission(from);
    const int64_t gap = random_.pick<int64_t>({1, 3, 10, 30}) * kSecond;
    const std::string time = "epoch_us(" + from.time + ")", by = g.keys.empty() ? "" : "PARTITION BY " + join(g.keys, ", ");
    const std::string comma = by.empty() ? "PARTITION BY " : by + ", ";
    std::string rows = "(SELECT *, " + time + " AS _t FROM " + from.batch + filter + (filter.empty() ? " WHERE " : " AND ") + from.time + " IS NOT NULL)";
    rows = "(SELECT *, CASE WHEN _t - lag(_t) OVER (" + by + " ORDER BY _t) <= " + us(gap) + " THEN 0 ELSE 1 END AS _new FROM " + rows + ")";
    rows = "(SELECT *, sum(_new) OVER (" + by + " ORDER BY _t RANGE UNBOUNDED PRECEDING) AS _sid FROM " + rows + ")";
    rows = "(SELECT *, min(_t) OVER (" + comma + "_sid) AS _ws, max(_t) OVER (" + comma + "_sid) + " + us(gap) + " AS _we FROM " + rows + ")";
    if (e.closes) rows = "(SELECT * FROM " + rows + " WHERE _we + " + us(gap + e.lateness) + " <= " + from.watermark + ")";
    else if (!e.when.empty()) rows = "(SELECT * FROM " + rows + " WHERE " + e.when + ")";
    view.closes = e.closes;
    if (e.every) to.fresh = false;
    const std::string keys = g.keys.empty() ? "" : join(g.keys, ", ") + ", ", call = "SESSION(" + from.time + ", " + interval(random_, gap) + ")";
    to.batch = "(SELECT make_timestamp(_ws) AS ws, make_timestamp(_we) AS we, " + join(g.batch, ", ") + " FROM " + rows + " GROUP BY " + keys + "_ws, _we" + g.having + ")";
    to.append_only = e.closes;
    finish(view, "SELECT " + call_bound(call, "START") + " AS ws, " + call_bound(call, "END") + " AS we, " + join(g.ours, ", ") + " FROM " + from.name + filter + " GROUP BY " + keys + call + g.having, e.clauses);
    return view;
  }
  // SESSION(...) as SESSION_START(...).
  static std::string call_bound(const std::string& call, const char* bound) { return call.substr(0, call.find('(')) + "_" + bound + call.substr(call.find('(')); }

  View session() {
    const Relation from = input([](const Relation& r) { return !r.time.empty() && (r.rows || !r.append_only); }, 0);
    if (!from.append_only) return session_of_changes(from);
    View view = start(from);
    Relation& to = view.relation;
    to.columns = {{"window_start", Type::kTime}, {"window_end", Type::kTime}};
    const Grouping g = grouping(from, to, 2, true, true);
    const std::string filter = where(from);
    const Emission e = emission(from);
    SessionModel model;
    model.table = "sessions" + std::to_string(index_);
    model.gap_us = random_.pick<int64_t>({1, 3, 10, 30}) * kSecond;
    model.lateness_us = e.lateness;
    const std::string rows = "(SELECT * FROM " + from.batch + filter + ")";
    std::string key = "[''";
    for (const std::string& k : g.keys) key += ", " + k + "::VARCHAR";
    model.rows_sql = "SELECT _seq, (" + key + "])::VARCHAR, epoch_us(" + from.time + "), _wm FROM " + rows + " WHERE " + from.time + " IS NOT NULL ORDER BY _seq";
    const std::string assigned = "(SELECT *, epoch_us(window_end) AS _we FROM " + rows + " JOIN memory." + model.table + " USING (_seq))";
    std::string accepted = assigned;
    if (!e.when.empty()) accepted = "(SELECT * FROM " + accepted + " WHERE " + e.when + ")";
    view.closes = e.closes;
    if (e.every) to.fresh = false;
    const std::string time = "epoch_us(" + from.time + ")", end = time + " + " + us(model.gap_us);
    view.late_sql = "SELECT " + from.time + " AS window_start, make_timestamp(" + end + ") AS window_end FROM " + rows + " WHERE " + from.time +
                    " IS NOT NULL AND _wm >= " + end + " + " + us(e.lateness);
    view.null_time_sql = "SELECT count(*) FROM " + rows + " WHERE " + from.time + " IS NULL";
    view.has_late = true;
    view.session = model;
    const std::string keys = g.keys.empty() ? "" : join(g.keys, ", ") + ", ", call = "SESSION(" + from.time + ", " + interval(random_, model.gap_us) + ")";
    to.batch = "(SELECT window_start, window_end, " + join(g.batch, ", ") + " FROM " + accepted + " GROUP BY " + keys + "window_start, window_end" + g.having + ")";
    to.append_only = e.closes;
    finish(view, "SELECT window_start, window_end, " + join(g.ours, ", ") + " FROM " + from.name + filter + " GROUP BY " + keys + call + g.having, e.clauses);
    return view;
  }

  // ORDER BY over random columns; rows that arrive count ties by arrival, others by all columns.
  struct Order {
    std::string ours, batch;
  };
  Order order(const Relation& from, bool total) {
    std::vector<std::string> list;
    const size_t n = 1 + random_.below(2);
    for (size_t i = 0; i < n; ++i) {
      const Type type = key_type(from, random_.pick<Type>({Type::kBig, Type::kBig, Type::kDouble, Type::kText, Type::kTime}));
      // A literal would be a column's number, so a column or a call.
      list.push_back("(" + key(from, type, random_.chance(70) ? 0 : 2) + ")" + random_.text({"", " DESC", " ASC"}) + random_.text({"", "", " NULLS FIRST", " NULLS LAST"}));
    }
    Order result;
    result.ours = join(list, ", ");
    if (total && !(from.rows && from.total_order)) {
      for (const Column& column : from.columns) result.ours += ", " + column.name;
    }
    result.batch = result.ours + (total && from.rows && from.total_order ? ", _seq" : "");
    return result;
  }
  void take_columns(const Relation& from, Relation& to, std::vector<std::string>& list) {
    for (const Column& column : from.columns) {
      if (!random_.chance(60)) continue;
      to.columns.push_back(column);
      list.push_back(column.name);
    }
    if (!list.empty()) return;
    to.columns.push_back(from.columns[0]);
    list.push_back(from.columns[0].name);
  }
  View top_n() {
    const Relation from = input([](const Relation&) { return true; }, 40);
    View view = start(from);
    Relation& to = view.relation;
    std::vector<std::string> list;
    take_columns(from, to, list);
    const Order by = order(from, true);
    const std::string text = "SELECT " + join(list, ", ") + " FROM ", filter = where(from);
    const std::string limit = " LIMIT " + std::to_string(random_.between(1, 12)) + (random_.chance(35) ? " OFFSET " + std::to_string(random_.between(0, 6)) : "");
    to.batch = "(" + text + from.batch + filter + " ORDER BY " + by.batch + limit + ")";
    finish(view, text + from.name + filter + " ORDER BY " + by.ours + limit, plain_emit(view));
    return view;
  }
  // DISTINCT ON: one row of each key.
  View newest() {
    const Relation from = input([](const Relation&) { return true; }, 40);
    View view = start(from);
    Relation& to = view.relation;
    std::vector<std::string> list;
    take_columns(from, to, list);
    const Order by = order(from, true);
    const std::string on = random_.pick(from.columns).name, text = "SELECT DISTINCT ON (" + on + ") " + join(list, ", ") + " FROM ", filter = where(from);
    to.batch = "(" + text + from.batch + filter + " ORDER BY " + on + ", " + by.batch + ")";
    finish(view, text + from.name + filter + " ORDER BY " + on + ", " + by.ours, plain_emit(view));
    return view;
  }
  View ranked() {
    const Relation from = input([](const Relation&) { return true; }, 40);
    View view = start(from);
    Relation& to = view.relation;
    std::vector<std::string> list;
    take_columns(from, to, list);
    const std::string function = random_.text({"row_number", "rank", "dense_rank"});
    const Order by = order(from, function == "row_number");
    const std::string partition = random_.chance(80) ? "PARTITION BY " + random_.pick(from.columns).name + " " : "";
    const auto call = [&](const std::string& keys) { return function + "() OVER (" + partition + "ORDER BY " + keys + ")"; };
    const std::string bound = std::to_string(random_.between(1, 4)), filter = where(from), text = "SELECT " + join(list, ", ");
    const bool show = random_.chance(50);
    const std::string rank = "r" + std::to_string(index_);  // an input's own r would win over the alias
    if (show) to.columns.push_back({rank, Type::kBig});
    const auto query = [&](const std::string& relation, const std::string& keys) {
      const std::string condition = show ? rank + " <= " + bound : call(keys) + (random_.chance(30) ? " < " + bound + " + 1" : " <= " + bound);
      return text + (show ? ", " + call(keys) + " AS " + rank : "") + " FROM " + relation + filter + " QUALIFY " + condition;
    };
    to.batch = "(" + query(from.batch, by.batch) + ")";
    finish(view, query(from.name, by.ours), plain_emit(view));
    return view;
  }

  Random random_;
  const std::vector<View>& past_;
  std::string name_;
  size_t index_;
};

}  // namespace

std::vector<View> make_views(uint64_t seed, size_t count) {
  std::vector<View> views;
  for (size_t i = 0; i < count; ++i) views.push_back(Generator(seed, i, views).make());
  return views;
}

}  // namespace oracle
