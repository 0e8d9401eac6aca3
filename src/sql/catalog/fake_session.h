// A session over a FakeBackend, and results as text: cells joined by `|`, a line per row.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sql/catalog/fake_backend.h"
#include "sql/session.h"

namespace laminar::sql {

inline std::string text_of(Rows& rows) {
  std::string result;
  TextRows text;
  while (true) {
    const Result<bool> more = rows.next(text);
    if (!more.ok()) return result + "error: " + more.status().text();
    if (!*more) return result;
    for (uint32_t row = 0; row < text.rows; ++row) {
      for (uint32_t column = 0; column < text.columns; ++column) {
        if (column > 0) result += "|";
        result += text.is_null(row, column) ? "NULL" : text.cell(row, column);
      }
      result += "\n";
    }
  }
}

struct StartsWith {
  std::string part;
};
struct HasSubstr {
  std::string part;
};
struct Contains {
  std::string word;
};
inline testing::AssertionResult matches(const std::string& text, const StartsWith& start) {
  if (text.starts_with(start.part)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "starts otherwise: " << text << "\nexpected: " << start.part;
}
inline testing::AssertionResult matches(const std::string& text, const HasSubstr& middle) {
  if (text.find(middle.part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "does not hold it: " << text << "\nexpected: " << middle.part;
}
inline testing::AssertionResult matches(const std::vector<std::string>& words, const Contains& one) {
  testing::AssertionResult failure = testing::AssertionFailure() << one.word << " is not among:";
  for (const std::string& word : words) {
    if (word == one.word) return testing::AssertionSuccess();
    failure << " [" << word << "]";
  }
  return failure;
}
#define EXPECT_MATCH(text, pattern) EXPECT_TRUE(matches(text, pattern))

class FakeSession {
 public:
  FakeSession() : backend(std::make_shared<FakeBackend>()) {
    auto opened = Engine::open(backend, {.threads = 2, .duckdb_settings = {}});
    EXPECT_TRUE(opened.ok()) << opened.status().text();
    engine = opened.take();
    session = engine->connect();
  }

  // Results of all statements, one behind the other.
  std::string run(const std::string& script) { return run_on(*session, script); }
  static std::string run_on(Session& session, const std::string& script) {
    std::string result;
    const Status status = session.execute(script, [&](Rows& rows, std::string_view) -> Status {
      result += text_of(rows);
      return {};
    });
    if (!status.ok()) result += "error: " + status.text();
    return result;
  }
  // "LDB-2004 1:15 message".
  std::string fail(const std::string& script) {
    const Status status = session->execute(script);
    if (status.ok()) return "no error";
    const TextPosition place = position_of(script, status.error().offset);
    return status.error().code_text() + " " + std::to_string(place.line) + ":" + std::to_string(place.column) + " " +
           status.error().message;
  }

  std::shared_ptr<FakeBackend> backend;
  std::shared_ptr<Engine> engine;
  std::unique_ptr<Session> session;
};

}  // namespace laminar::sql
