#include "bench/sql_text.h"

#include <algorithm>
#include <cctype>

namespace laminar::bench {
namespace {

using Kind = SqlToken::Kind;

bool is_word(const std::vector<SqlToken>& tokens, size_t at, std::string_view word) {
  return at < tokens.size() && tokens[at].kind == Kind::kWord && tokens[at].text == word;
}
bool is_sign(const std::vector<SqlToken>& tokens, size_t at, char sign) {
  return at < tokens.size() && tokens[at].kind == Kind::kSign && tokens[at].text[0] == sign;
}

// The token after the parenthesis that closes the one at `at`.
size_t after_parenthesis(const std::vector<SqlToken>& tokens, size_t at) {
  size_t depth = 0;
  for (; at < tokens.size(); ++at) {
    if (is_sign(tokens, at, '(')) ++depth;
    if (is_sign(tokens, at, ')') && --depth == 0) return at + 1;
  }
  return at;
}

// Where the words EMIT, ALLOW LATENESS, LATE DATA or WITH ( begin behind the query; its end where there are none.
size_t query_end(const std::vector<SqlToken>& tokens, size_t at, size_t text_end) {
  size_t depth = 0;
  for (; at < tokens.size(); ++at) {
    if (is_sign(tokens, at, '(')) ++depth;
    if (is_sign(tokens, at, ')') && depth > 0) --depth;
    if (depth > 0) continue;
    if ((is_word(tokens, at, "emit") &&
         (is_word(tokens, at + 1, "on") || is_word(tokens, at + 1, "after") || is_word(tokens, at + 1, "every") ||
          is_word(tokens, at + 1, "changes") || is_word(tokens, at + 1, "final"))) ||
        (is_word(tokens, at, "allow") && is_word(tokens, at + 1, "lateness")) ||
        (is_word(tokens, at, "late") && is_word(tokens, at + 1, "data")) ||
        (is_word(tokens, at, "with") && is_sign(tokens, at + 1, '('))) {
      return tokens[at].begin;
    }
  }
  return text_end;
}

SetupStatement read_statement(std::string_view text) {
  SetupStatement out;
  out.text = std::string(text);
  const std::vector<SqlToken> tokens = tokenize(text);
  if (is_word(tokens, 0, "insert")) out.kind = SetupStatement::Kind::kInsert;
  if (!is_word(tokens, 0, "create")) return out;
  size_t at = 1;
  if (is_word(tokens, at, "or") && is_word(tokens, at + 1, "replace")) at += 2;
  if (is_word(tokens, at, "materialized")) ++at;
  if (is_word(tokens, at, "source")) out.kind = SetupStatement::Kind::kSource;
  if (is_word(tokens, at, "table")) out.kind = SetupStatement::Kind::kTable;
  if (is_word(tokens, at, "stream")) out.kind = SetupStatement::Kind::kStream;
  if (is_word(tokens, at, "view")) out.kind = SetupStatement::Kind::kView;
  if (out.kind == SetupStatement::Kind::kOther) return out;
  ++at;
  if (is_word(tokens, at, "if")) at += 3;
  if (at >= tokens.size()) return out;
  out.name = tokens[at].kind == Kind::kWord
                 ? std::string(text.substr(tokens[at].begin, tokens[at].end - tokens[at].begin))
                 : tokens[at].text;
  for (size_t i = at; i < tokens.size(); ++i) {
    if (is_word(tokens, i, "watermark") && is_word(tokens, i + 1, "for") && i + 2 < tokens.size()) {
      out.watermark_column = tokens[i + 2].text;
    }
  }
  if (out.kind != SetupStatement::Kind::kView && out.kind != SetupStatement::Kind::kStream) return out;
  while (at < tokens.size() && !is_word(tokens, at, "as"))
    at = is_sign(tokens, at, '(') ? after_parenthesis(tokens, at) : at + 1;
  if (at + 1 < tokens.size()) {
    const size_t begin = tokens[at + 1].begin;
    out.query = std::string(text.substr(begin, query_end(tokens, at + 1, text.size()) - begin));
  }
  return out;
}

}  // namespace

std::vector<SqlToken> tokenize(std::string_view sql) {
  std::vector<SqlToken> tokens;
  const auto starts_word = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80); };
  const auto in_word = [&](char c) {
    return starts_word(c) || std::isdigit(static_cast<unsigned char>(c)) || c == '$';
  };
  for (size_t at = 0; at < sql.size();) {
    const char c = sql[at];
    const size_t begin = at;
    if (std::isspace(static_cast<unsigned char>(c))) {
      ++at;
    } else if (sql.substr(at, 2) == "--") {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (sql.substr(at, 2) == "/*") {
      const size_t close = sql.find("*/", at + 2);
      at = close == std::string_view::npos ? sql.size() : close + 2;
    } else if (c == '\'' || c == '"') {
      std::string text;
      for (++at; at < sql.size(); ++at) {
        if (sql[at] != c) {
          text += sql[at];
        } else if (at + 1 < sql.size() && sql[at + 1] == c) {
          text += sql[at++];
        } else {
          break;
        }
      }
      at = std::min(at + 1, sql.size());
      tokens.push_back({c == '"' ? Kind::kQuotedName : Kind::kString, text, begin, at});
    } else if (starts_word(c)) {
      while (at < sql.size() && in_word(sql[at])) ++at;
      std::string word(sql.substr(begin, at - begin));
      std::transform(word.begin(), word.end(), word.begin(),
                     [](unsigned char l) { return static_cast<char>(std::tolower(l)); });
      tokens.push_back({Kind::kWord, word, begin, at});
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      while (at < sql.size() && (in_word(sql[at]) || sql[at] == '.')) ++at;
      tokens.push_back({Kind::kNumber, std::string(sql.substr(begin, at - begin)), begin, at});
    } else {
      ++at;
      tokens.push_back({Kind::kSign, std::string(1, c), begin, at});
    }
  }
  return tokens;
}

std::vector<SetupStatement> read_setup(std::string_view script) {
  std::vector<SetupStatement> statements;
  size_t begin = 0;
  const std::vector<SqlToken> tokens = tokenize(script);
  for (size_t i = 0; i <= tokens.size(); ++i) {
    if (i < tokens.size() && !is_sign(tokens, i, ';')) continue;
    const size_t end = i < tokens.size() ? tokens[i].begin : script.size();
    if (const std::string_view text = script.substr(begin, end - begin); !tokenize(text).empty()) {
      statements.push_back(read_statement(text));
    }
    begin = std::min(end + 1, script.size());
  }
  return statements;
}

Result<std::string> batch_form(const std::string& query, const IntervalReader& interval_us) {
  const std::vector<SqlToken> tokens = tokenize(query);
  struct Edit {
    size_t begin, end;
    std::string text;
  };
  std::vector<Edit> edits;
  std::string bucket;  // epoch_us(ts) // n
  std::string size;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i].kind != Kind::kWord || !is_sign(tokens, i + 1, '(')) continue;
    const std::string& function = tokens[i].text;
    if (function != "tumble" && function != "hop" && function != "session" && function != "cumulate") continue;
    // TUMBLE(expression, INTERVAL …), at a place where an expression stands.
    const size_t after = after_parenthesis(tokens, i + 1);
    size_t comma = 0, commas = 0, depth = 0;
    for (size_t j = i + 1; j < after; ++j) {
      if (is_sign(tokens, j, '(')) ++depth;
      if (is_sign(tokens, j, ')')) --depth;
      if (depth == 1 && is_sign(tokens, j, ',')) {
        comma = j;
        ++commas;
      }
    }
    if (function != "tumble" || commas != 1 || is_word(tokens, i + 2, "table") || !bucket.empty()) {
      return Status(ErrorCode::kNotImplemented, "no batch form is known for this query's " + function +
                                                    " window: give the same query in stock SQL by --batch FILE.sql");
    }
    const std::string time = query.substr(tokens[i + 2].begin, tokens[comma].begin - tokens[i + 2].begin);
    const std::string interval =
        query.substr(tokens[comma + 1].begin, tokens[after - 1].begin - tokens[comma + 1].begin);
    ASSIGN_OR_RETURN(const int64_t us, interval_us(interval));
    size = std::to_string(us);
    bucket = "epoch_us(" + time + ") // " + size;
    edits.push_back({tokens[i].begin, tokens[after - 1].end, "(" + bucket + ")"});
  }
  for (size_t i = 0; i < tokens.size() && !bucket.empty(); ++i) {
    if (!is_word(tokens, i, "window_start") && !is_word(tokens, i, "window_end")) continue;
    if (i > 0 && is_word(tokens, i - 1, "as")) continue;
    std::string text =
        "make_timestamp((" + bucket + (is_word(tokens, i, "window_end") ? " + 1) * " : ") * ") + size + ")";
    // Alone in the SELECT list it keeps its name.
    const bool begins_item = i > 0 && (is_word(tokens, i - 1, "select") || is_sign(tokens, i - 1, ','));
    if (begins_item && (is_sign(tokens, i + 1, ',') || is_word(tokens, i + 1, "from"))) text += " AS " + tokens[i].text;
    edits.push_back({tokens[i].begin, tokens[i].end, text});
  }
  std::sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) { return a.begin > b.begin; });
  std::string out = query;
  for (const Edit& edit : edits) out.replace(edit.begin, edit.end - edit.begin, edit.text);
  return out;
}

}  // namespace laminar::bench
