#include "run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace oracle {
namespace {

constexpr char kSeparator = '\x1f';

std::string int128_text(__int128 value) {
  const bool negative = value < 0;
  unsigned __int128 rest = negative ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  std::string digits;
  do digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  while (rest /= 10);
  return (negative ? "-" : "") + digits;
}
std::string with_point(std::string digits, int scale) {
  if (scale == 0) return digits;
  const bool negative = digits[0] == '-';
  if (negative) digits.erase(0, 1);
  while (static_cast<int>(digits.size()) <= scale) digits.insert(digits.begin(), '0');
  digits.insert(digits.size() - static_cast<size_t>(scale), ".");
  return (negative ? "-" : "") + digits;
}
std::string date_text(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t doe = days - era * 146'097, yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153, day = doy - (153 * mp + 2) / 5 + 1;
  const int64_t month = mp < 10 ? mp + 3 : mp - 9, year = yoe + era * 400 + (month <= 2);
  char text[48];
  std::snprintf(text, sizeof text, "%04lld-%02d-%02d%s", static_cast<long long>(year > 0 ? year : 1 - year), static_cast<int>(month), static_cast<int>(day), year > 0 ? "" : " (BC)");
  return text;
}
std::string timestamp_text(int64_t us) {
  int64_t days = us / 86'400'000'000, rest = us % 86'400'000'000;
  if (rest < 0) {
    rest += 86'400'000'000;
    --days;
  }
  std::string result = date_text(days);
  const int64_t seconds = rest / 1'000'000, micros = rest % 1'000'000;
  char text[32];
  std::snprintf(text, sizeof text, " %02d:%02d:%02d", static_cast<int>(seconds / 3600), static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  result += text;
  if (micros) {
    std::snprintf(text, sizeof text, ".%06d", static_cast<int>(micros));
    result += text;
    while (result.back() == '0') result.pop_back();
  }
  return result;
}

void add_cell(ResultRow& row, const laminar::ColumnInfo& info, const laminar::ColumnView& column, size_t i) {
  using laminar::ColumnLayout;
  if (column.is_null(i)) {
    row.exact += std::string("NULL") + kSeparator;
    return;
  }
  const auto integer = [&]() -> __int128 {
    switch (info.layout) {
      case ColumnLayout::kInt8: return column.value<int8_t>(i);
      case ColumnLayout::kInt16: return column.value<int16_t>(i);
      case ColumnLayout::kInt32: return column.value<int32_t>(i);
      case ColumnLayout::kInt64: return column.value<int64_t>(i);
      case ColumnLayout::kUInt8: return column.value<uint8_t>(i);
      case ColumnLayout::kUInt16: return column.value<uint16_t>(i);
      case ColumnLayout::kUInt32: return column.value<uint32_t>(i);
      case ColumnLayout::kUInt64: return column.value<uint64_t>(i);
      case ColumnLayout::kInt128: return column.value<__int128>(i);
      default: return 0;
    }
  };
  switch (info.layout) {
    case ColumnLayout::kBool: row.exact += column.value<uint8_t>(i) ? "true" : "false"; break;
    case ColumnLayout::kString: row.exact += column.string(i); break;
    case ColumnLayout::kDouble: row.doubles.push_back(column.value<double>(i)); return;
    case ColumnLayout::kFloat: row.doubles.push_back(column.value<float>(i)); return;
    default:
      if (info.type == "TIMESTAMP") row.exact += timestamp_text(column.value<int64_t>(i));
      else if (info.type == "DATE") row.exact += date_text(column.value<int32_t>(i));
      else if (info.type.rfind("DECIMAL", 0) == 0) row.exact += with_point(int128_text(integer()), std::atoi(info.type.c_str() + info.type.find(',') + 1));
      else row.exact += int128_text(integer());
  }
  row.exact += kSeparator;
}

bool close(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  if (std::isinf(a) || std::isinf(b)) return false;
  return std::fabs(a - b) <= 1e-9 * std::max(std::fabs(a), std::fabs(b)) || std::fabs(a - b) < 1e-9;
}
std::string shown(const ResultRow& row) {
  std::string text = row.exact;
  std::replace(text.begin(), text.end(), kSeparator, '|');
  for (double value : row.doubles) {
    char number[40];
    std::snprintf(number, sizeof number, " %.17g", value);
    text += number;
  }
  return text;
}
bool before(const ResultRow& a, const ResultRow& b) {
  if (a.exact != b.exact) return a.exact < b.exact;
  return std::lexicographical_compare(a.doubles.begin(), a.doubles.end(), b.doubles.begin(), b.doubles.end(), [](double x, double y) {
    if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
    return x < y && !close(x, y);
  });
}

}  // namespace

laminar::Status read_rows(laminar::Connection& connection, const std::string& sql, Content& rows) {
  rows.clear();
  auto result = connection.query(sql);
  if (!result.ok()) return result.status();
  const std::vector<laminar::ColumnInfo> columns = (*result)->columns();
  for (;;) {
    auto more = (*result)->next();
    if (!more.ok()) return more.status();
    if (!*more) return {};
    ResultRow row;
    for (size_t c = 0; c < columns.size(); ++c) {
      if ((*result)->is_null(c)) row.exact += "NULL";
      else if (columns[c].type == "DOUBLE" || columns[c].type == "FLOAT") {
        row.doubles.push_back(std::strtod((*result)->text(c).c_str(), nullptr));
        continue;
      } else {
        row.exact += (*result)->text(c);
      }
      row.exact += kSeparator;
    }
    rows.push_back(std::move(row));
  }
}

std::string difference(Content actual, Content expected) {
  std::sort(actual.begin(), actual.end(), before);
  std::sort(expected.begin(), expected.end(), before);
  std::string text;
  size_t shown_rows = 0, a = 0, e = 0;
  const auto show = [&](const char* sign, const ResultRow& row) {
    if (++shown_rows <= 12) text += std::string(sign) + shown(row) + "\n";
  };
  while (a < actual.size() || e < expected.size()) {
    if (e == expected.size() || (a < actual.size() && before(actual[a], expected[e]))) show("  have   ", actual[a++]);
    else if (a == actual.size() || before(expected[e], actual[a])) show("  expect ", expected[e++]);
    else ++a, ++e;
  }
  if (shown_rows == 0) return {};
  return text + "  " + std::to_string(shown_rows) + " rows differ; " + std::to_string(actual.size()) + " there, " + std::to_string(expected.size()) + " expected\n";
}

int cores = 1;

Run::Run(const History& history, const std::vector<View>& views, const std::set<size_t>& wanted, Options options)
    : history_(history), views_(views), wanted_(wanted), options_(std::move(options)) {}

bool Run::failed(const laminar::Status& status, const std::string& what) {
  if (status.ok()) return false;
  error = what + ": " + status.error().code_text() + ": " + status.text();
  return true;
}

bool Run::create() {
  laminar::Database::Options options;
  options.manual_clock = true;
  options.manual_clock_start_us = history_.start_us;
  options.query_threads = 1;
  auto database = laminar::Database::open("", options);
  if (!database.ok()) return !failed(database.status(), "open");
  database_ = database.take();
  connection_ = database_->connect();
  if (cores > 1) {
    const std::string sql = "SET cores = " + std::to_string(cores) + "; SET core_wait = 'spin'; SET core_rows = 0";
    if (failed(connection_->execute(sql), sql)) return false;
  }
  for (int i = 0; i < kSources; ++i) {
    const std::string sql = "CREATE SOURCE s" + std::to_string(i) + " (" + source_columns() + ", WATERMARK FOR ts AS ts - INTERVAL '" +
                            std::to_string(history_.delays_us[i] / kSecond) + " seconds') WITH (connector = 'memory')";
    if (failed(connection_->execute(sql), sql)) return false;
  }
  const std::string table = std::string("CREATE TABLE t (") + table_columns() + ")";
  if (failed(connection_->execute(table), table)) return false;
  for (size_t i : wanted_) {
    const auto waits = [&](size_t v) { return waiting_.count(v) != 0; };
    const std::vector<size_t>& inputs = views_[i].relation.views;
    if (std::any_of(inputs.begin(), inputs.end(), waits) || (options_.created_late && !views_[i].over_source && options_.created_late(i))) {
      waiting_.insert(i);
    } else if (!create_view(i)) {
      return false;
    }
  }
  for (int i = 0; i < kSources; ++i) {
    auto appender = database_->appender("s" + std::to_string(i));
    if (!appender.ok()) return !failed(appender.status(), "appender");
    appenders_[i] = appender.take();
  }
  return true;
}

bool Run::create_view(size_t index) {
  const View& view = views_[index];
  if (std::any_of(view.relation.views.begin(), view.relation.views.end(), [&](size_t v) { return refused_.count(v); })) {
    refused_[index] = "its input was refused";
    return true;
  }
  const laminar::Status status = connection_->execute(view.create);
  if (!status.ok()) {
    refused_[index] = status.error().code_text() + ": " + status.text();
    return true;
  }
  return !options_.subscribed || !options_.subscribed(index) || follow(index);
}

bool Run::follow(size_t view) {
  auto subscription = database_->subscribe(views_[view].relation.name, true);
  if (!subscription.ok()) return !failed(subscription.status(), "subscribe " + views_[view].relation.name);
  following_[view].subscription = subscription.take();
  following_[view].closes = views_[view].closes;
  following_[view].only_grows = views_[view].only_grows;
  return true;
}

bool Run::go(const std::function<void(const Event&, bool)>& at_check) {
  if (!create()) return false;
  size_t checks = 0, seen = 0;
  for (const Event& event : history_.events) checks += event.kind == Event::Kind::kCheck;
  for (const Event& event : history_.events) {
    if (!apply(event)) return false;
    if (event.kind != Event::Kind::kCheck) continue;
    if (seen == 0) {
      for (size_t view : waiting_)
        if (!create_view(view)) return false;
      waiting_.clear();
    }
    if (!poll()) return false;
    at_check(event, ++seen == checks);
    if (seen > 1 || !options_.subscribed_late) continue;
    for (size_t view : wanted_)
      if (!refused_.count(view) && !follows(view) && options_.subscribed_late(view) && !follow(view)) return false;
  }
  return true;
}

bool Run::apply(const Event& event) {
  if (event.kind != Event::Kind::kRow && !flush()) return false;
  switch (event.kind) {
    case Event::Kind::kRow: {
      const Row& row = event.row;
      laminar::Appender& to = *appenders_[event.source];
      const auto add = [&](const auto& value) { value ? to.add(*value) : to.add_null(); };
      const auto add_integer = [&](const auto& value) { value ? to.add(static_cast<int64_t>(*value)) : to.add_null(); };
      to.add(row.id);
      add(row.k);
      add_integer(row.i);
      add(row.v);
      add(row.x);
      add(row.m);
      row.s ? to.add(std::string_view(*row.s)) : to.add_null();
      add_integer(row.b);
      add(row.d);
      add(row.ts);
      if (failed(to.end_row(), "append")) return false;
      ++pending_[event.source];
      size_t pending = 0;
      for (size_t n : pending_) pending += n;
      return pending == options_.cut ? flush() : true;
    }
    case Event::Kind::kWatermark: return !failed(appenders_[event.source]->advance_watermark(event.time_us), "watermark");
    case Event::Kind::kTable: {
      std::string sql = event.sql;
      for (size_t at = sql.find("{t}"); at != std::string::npos; at = sql.find("{t}")) sql.replace(at, 3, "t");
      return !failed(connection_->execute(sql), sql);
    }
    case Event::Kind::kClock: return !failed(database_->advance_clock(event.time_us), "clock");
    case Event::Kind::kCheck: return true;
  }
  return true;
}

bool Run::flush() {
  for (int i = 0; i < kSources; ++i) {
    if (pending_[i] == 0) continue;
    pending_[i] = 0;
    if (failed(appenders_[i]->flush(), "flush")) return false;
  }
  return true;
}

bool Run::poll() {
  for (auto& [index, following] : following_) {
    const std::vector<laminar::ColumnInfo>& columns = following.subscription->columns();
    for (;;) {
      laminar::TickChanges changes;
      auto more = following.subscription->poll(changes);
      if (!more.ok()) return !failed(more.status(), "poll " + views_[index].relation.name);
      if (!*more) break;
      const auto wrong = [&, tick = changes.tick](const std::string& what, const ResultRow& row) {
        if (following.fault.empty()) following.fault = "tick " + std::to_string(tick) + ": " + what + ": " + shown(row) + "\n";
      };
      following.log += "tick " + std::to_string(changes.tick) + " watermark " + std::to_string(changes.watermark_us) + "\n";
      std::set<std::string> touched;
      for (const laminar::ChangeBatch& batch : changes.batches) {
        for (size_t i = 0; i < batch.rows; ++i) {
          ResultRow row;
          for (size_t c = 0; c < columns.size(); ++c) add_cell(row, columns[c], batch.columns[c], i);
          const int64_t weight = batch.weights[i];
          const std::string key = shown(row);
          following.log += std::to_string(weight) + " " + key + "\n";
          if (weight == 0) wrong("a change of weight 0", row);
          if (following.only_grows && weight < 0) wrong("weight " + std::to_string(weight) + " in a view that only grows", row);
          if (following.closes && weight != 1) wrong("weight " + std::to_string(weight) + " in an append-only view", row);
          auto [at, added] = following.rows.try_emplace(key, row, 0);
          if (!added && following.closes) wrong("a row of a closed window came twice", row);
          at->second.second += weight;
          touched.insert(key);
        }
      }
      for (const std::string& key : touched) {
        auto at = following.rows.find(key);
        if (at->second.second < 0) wrong("weight " + std::to_string(at->second.second) + " after the tick", at->second.first);
        if (at->second.second == 0) following.rows.erase(at);
      }
    }
  }
  return true;
}

Content Run::folded(size_t view) const {
  Content rows;
  for (const auto& [key, row] : following_.at(view).rows)
    for (int64_t i = 0; i < row.second; ++i) rows.push_back(row.first);
  return rows;
}

}  // namespace oracle
