// A database with a manual clock and what tests of connectors ask of it.
//
// Threads: as the database.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "laminar/laminar.h"
#include "process.h"

namespace laminar::testing {

inline constexpr int64_t kSecond = 1'000'000;

// The rows of a query, "|" between columns and ";" behind each row; or the error.
inline std::string rows_text(Database& database, const std::string& sql) {
  std::string text;
  const Status status = database.connect()->execute(sql, [&](Rows& result, std::string_view) -> Status {
    for (;;) {
      auto more = result.next();
      if (!more.ok()) return more.status();
      if (!*more) return {};
      for (size_t c = 0; c < result.columns().size(); ++c) text += (c ? "|" : "") + (result.is_null(c) ? "NULL" : result.text(c));
      text += ";";
    }
  });
  return status.ok() ? text : status.error().code_text() + ": " + status.text();
}

// Until it holds; false after a minute. What a server does is waited for, never slept over.
inline bool until(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    pause();
  }
  return true;
}

class Engine {
 public:
  // In memory with a source s (k, n), or in a folder as that is.
  explicit Engine(std::string folder = {}) : folder_(std::move(folder)) {
    open();
    if (folder_.empty()) ok("CREATE SOURCE s (k BIGINT, n BIGINT) WITH (connector = 'memory')");
  }
  // Closes the database and opens its folder again.
  void reopen() {
    database_.reset();
    open();
  }
  void ok(const std::string& sql) {
    const Status status = database_->execute(sql);
    EXPECT_TRUE(status.ok()) << sql << "\n" << status.text();
  }
  std::string code(const std::string& sql) {
    const Status status = database_->execute(sql);
    return status.ok() ? "ok" : status.error().code_text();
  }
  std::string message(const std::string& sql) {
    const Status status = database_->execute(sql);
    return status.ok() ? "ok" : status.text();
  }
  void drain() {
    const Status status = database_->drain();
    EXPECT_TRUE(status.ok()) << status.text();
  }
  void advance_clock(int64_t us) {
    const Status status = database_->advance_clock(us);
    EXPECT_TRUE(status.ok()) << status.text();
  }
  std::string rows(const std::string& sql) { return rows_text(*database_, sql); }
  double metric(const std::string& name) {
    double value = 0;
    for (const Metric& metric : database_->metrics()) {
      if (metric.name == name) value += metric.value;
    }
    return value;
  }
  bool until(const std::function<bool()>& holds) { return testing::until(holds); }
  // Rows n = first..last with key n % keys (negative: a NULL key), one INSERT.
  void feed(int first, int last, int keys) {
    ok("INSERT INTO s SELECT i % " + std::to_string(keys) + ", i FROM range(" + std::to_string(first) + ", " + std::to_string(last + 1) + ") r(i)");
  }
  Database& database() { return *database_; }

 private:
  void open() {
    Database::Options options;
    options.manual_clock = true;
    options.manual_clock_start_us = 1'767'225'600 * kSecond;  // 2026-01-01: rows of the future move no watermark
    auto opened = Database::open(folder_, options);
    if (!opened.ok()) FAIL() << opened.status().text();
    database_ = opened.take();
  }

  const std::string folder_;
  std::unique_ptr<Database> database_;
};

}  // namespace laminar::testing
