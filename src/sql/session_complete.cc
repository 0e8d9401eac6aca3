#include <algorithm>
#include <array>
#include <cctype>

#include "duckdb/main/client_context.hpp"
#include "duckdb/main/materialized_query_result.hpp"
#include "duckdb/parser/keyword_helper.hpp"
#include "sql/session_impl.h"

// Completion: our own statements from the phrases below, everything else from DuckDB.

namespace laminar::sql {
namespace {

// A phrase is offered word by word. Names in <> stand for objects; * is any one word. Phrases with `clause` may begin
// anywhere in a statement, the others only at its start.
struct Phrase {
  std::string_view words;
  bool clause = false;
};
constexpr auto kPhrases = std::to_array<Phrase>({
    {"CREATE SOURCE IF NOT EXISTS"},
    {"CREATE LOOKUP TABLE IF NOT EXISTS"},
    {"CREATE MATERIALIZED VIEW IF NOT EXISTS"},
    {"CREATE MATERIALIZED VIEW * AS SELECT"},
    {"CREATE OR REPLACE MATERIALIZED VIEW"},
    {"CREATE STREAM IF NOT EXISTS"},
    {"CREATE STREAM * AS SELECT"},
    {"CREATE SINK IF NOT EXISTS"},
    {"CREATE SINK * FROM <readable> WITH"},
    {"DROP SOURCE <source>"},
    {"DROP MATERIALIZED VIEW <view>"},
    {"DROP STREAM <stream>"},
    {"DROP LOOKUP TABLE <lookup>"},
    {"DROP SINK <sink>"},
    {"CREATE WATERMARK GROUP"},
    {"DROP WATERMARK GROUP <group>"},
    {"DRAIN"},
    {"EXPLAIN ANALYZE"},
    {"EXPLAIN CREATE MATERIALIZED VIEW"},
    {"SHOW SOURCES"},
    {"SHOW STREAMS"},
    {"SHOW LOOKUP TABLES"},
    {"SHOW MATERIALIZED VIEWS"},
    {"SHOW SINKS"},
    {"SHOW WATERMARKS"},
    {"SHOW WATERMARK GROUPS"},
    {"SHOW DEPENDENCIES FOR <any>"},
    {"SHOW CREATE <any>"},
    {"SHOW FUNCTIONS"},
    {"SUBSCRIBE <readable> WITH SNAPSHOT"},
    {"SUBSCRIBE <readable> AS OF TICK"},
    {"SUBSCRIBE <readable> WHERE"},
    {"REAPPLY LATE ROWS OF <view>"},
    {"EMIT ON UPDATE", true},
    {"EMIT ON WINDOW CLOSE", true},
    {"EMIT AFTER WATERMARK", true},
    {"EMIT EVERY INTERVAL", true},
    {"EMIT CHANGES", true},
    {"EMIT FINAL", true},
    {"ALLOW LATENESS INTERVAL", true},
    {"LATE DATA TO <sink>", true},
    {"WATERMARK FOR", true},
});

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

bool is_word_byte(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80); }

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && text[end] != ' ') ++end;
    if (end > i) words.emplace_back(text.substr(i, end - i));
    i = end + 1;
  }
  return words;
}

bool names_kind(std::string_view word, ObjectKind kind) {
  if (word == "<any>") return true;
  if (word == "<readable>") return kind != ObjectKind::kSink && kind != ObjectKind::kWatermarkGroup;
  if (word == "<source>") return kind == ObjectKind::kSource;
  if (word == "<view>") return kind == ObjectKind::kView;
  if (word == "<stream>") return kind == ObjectKind::kStream;
  if (word == "<lookup>") return kind == ObjectKind::kLookupTable;
  if (word == "<group>") return kind == ObjectKind::kWatermarkGroup;
  if (word == "<sink>") return kind == ObjectKind::kSink;
  return false;
}

bool matches(const std::string& pattern, const std::string& word) {
  return pattern == "*" || pattern[0] == '<' || pattern == upper(word);
}

bool starts_with_word(const std::string& candidate, std::string_view prefix) {
  return candidate.size() > prefix.size() && upper(std::string_view(candidate).substr(0, prefix.size())) == upper(prefix);
}

}  // namespace

std::vector<Completion> Session::complete(std::string_view text, size_t cursor) {
  text = text.substr(0, std::min(cursor, text.size()));
  // The statement that the cursor is in: from the last `;` of a whole statement.
  size_t begin = 0;
  while (const auto end = complete_statement_end(text.substr(begin))) begin += *end;
  const std::string_view statement = text.substr(begin);

  size_t prefix_begin = statement.size();
  while (prefix_begin > 0 && is_word_byte(statement[prefix_begin - 1])) --prefix_begin;
  const std::string_view prefix = statement.substr(prefix_begin);
  std::vector<std::string> before;
  for (size_t i = 0; i < prefix_begin;) {
    size_t end = i;
    while (end < prefix_begin && is_word_byte(statement[end])) ++end;
    if (end > i) {
      before.emplace_back(statement.substr(i, end - i));
      i = end;
    } else {
      // Any other sign counts as a word, so that phrases are not found across it.
      if (!std::isspace(static_cast<unsigned char>(statement[i]))) before.emplace_back(1, statement[i]);
      ++i;
    }
  }

  std::vector<Completion> found;
  bool names_only = false;  // an object's name must follow: nothing of DuckDB's can
  auto offer = [&](std::string word) {
    if (!starts_with_word(word, prefix)) return;
    for (const Completion& other : found) {
      if (other.text == word) return;
    }
    found.push_back({std::move(word), static_cast<int64_t>(begin + prefix_begin)});
  };
  for (const Phrase& phrase : kPhrases) {
    const std::vector<std::string> words = split_words(phrase.words);
    for (size_t n = 0; n < words.size(); ++n) {  // n words of the phrase stand before the cursor
      if (n > before.size() || (!phrase.clause && n != before.size())) continue;
      if (n == 0 && phrase.clause && (prefix.empty() || before.empty())) continue;
      if (!std::equal(words.begin(), words.begin() + static_cast<ptrdiff_t>(n), before.end() - static_cast<ptrdiff_t>(n), matches)) {
        continue;
      }
      const std::string& next = words[n];
      if (next == "*") continue;
      if (next[0] != '<') {
        offer(next);
        continue;
      }
      names_only = true;
      for (const auto& object : impl_->backend.list()) {
        if (names_kind(next, object->kind)) offer(duckdb::KeywordHelper::WriteOptionallyQuoted(object->name));
      }
    }
  }

  if (names_only) return found;

  // DuckDB's, on a connection of its own: a result may be open on ours.
  try {
    duckdb::Connection connection(impl_->engine->database());
    const auto prepared = connection.Prepare("SELECT suggestion, suggestion_start FROM sql_auto_complete($1)");
    if (prepared->HasError()) return found;
    duckdb::vector<duckdb::Value> values{duckdb::Value(std::string(statement))};
    const auto result = prepared->Execute(values, false);
    if (result->HasError()) return found;
    const auto ours = found.size();
    while (auto chunk = result->Fetch()) {
      for (duckdb::idx_t row = 0; row < chunk->size(); ++row) {
        std::string word = chunk->GetValue(0, row).ToString();
        const auto start = chunk->GetValue(1, row).GetValue<int64_t>();
        std::string trimmed = word;
        while (!trimmed.empty() && trimmed.back() == ' ') trimmed.pop_back();
        const bool known = std::any_of(found.begin(), found.begin() + static_cast<ptrdiff_t>(ours),
                                       [&](const Completion& other) { return upper(other.text) == upper(trimmed); });
        if (!known) found.push_back({std::move(trimmed), static_cast<int64_t>(begin) + start});
      }
    }
  } catch (const std::exception&) {
    // Completion is a help: without DuckDB's part ours is still right.
  }
  return found;
}

}  // namespace laminar::sql
