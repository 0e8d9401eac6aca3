#include "sql/parse/option_list.h"

#include <algorithm>

#include "sql/parse/interval.h"

namespace laminar::sql {
namespace {

// word[.word]..., "quoted" or 'quoted'. Parts may begin with a digit: `servers.0.host`.
Result<std::string> read_key(TokenCursor& cursor) {
  const Token first = cursor.peek();
  if (first.kind == TokenKind::kString) {
    ASSIGN_OR_RETURN(std::string key, string_value(cursor.script(), first));
    if (key.empty()) return cursor.unexpected("an option's name");
    cursor.take();
    return lower_case(key);
  }
  if (first.kind != TokenKind::kWord && first.kind != TokenKind::kQuotedWord)
    return cursor.unexpected("an option's name");
  std::string key = lower_case(name_of(cursor.script(), cursor.take()));
  while (!cursor.is_symbol("=") && !cursor.at_end()) {
    const Token part = cursor.peek();
    if (cursor.accept_symbol(".")) {
      const Token next = cursor.peek();
      if (next.kind != TokenKind::kWord && next.kind != TokenKind::kQuotedWord && next.kind != TokenKind::kNumber) {
        return cursor.unexpected("an option's name behind the point");
      }
      key += '.' + lower_case(name_of(cursor.script(), cursor.take()));
    } else if (part.kind == TokenKind::kNumber && cursor.text(part).front() == '.') {  // `.0` is one token
      key += lower_case(cursor.text(cursor.take()));
    } else {
      break;
    }
  }
  return key;
}

}  // namespace

Status read_option_value(TokenCursor& cursor, OptionText& option) {
  const Token token = cursor.peek();
  option.value_offset = token.begin;
  switch (token.kind) {
    case TokenKind::kString: {
      ASSIGN_OR_RETURN(option.value, string_value(cursor.script(), token));
      option.kind = OptionText::Kind::kString;
      cursor.take();
      return {};
    }
    case TokenKind::kNumber:
      option.kind = OptionText::Kind::kNumber;
      option.value = cursor.text(cursor.take());
      std::erase(option.value, '_');
      return {};
    case TokenKind::kSymbol: {
      const bool minus = cursor.is_symbol("-");
      if ((!minus && !cursor.is_symbol("+")) || cursor.peek(1).kind != TokenKind::kNumber) break;
      cursor.take();
      option.kind = OptionText::Kind::kNumber;
      option.value = (minus ? "-" : "") + cursor.text(cursor.take());
      std::erase(option.value, '_');
      return {};
    }
    case TokenKind::kWord:
      if (cursor.is("INTERVAL")) {
        ASSIGN_OR_RETURN(const IntervalLiteral literal,
                         read_interval(cursor, IntervalSign::kAny, "option " + option.key));
        option.kind = OptionText::Kind::kInterval;
        option.value = literal.text;
        option.interval_us = literal.us;
        return {};
      }
      option.value = cursor.text(cursor.take());
      option.kind = OptionText::Kind::kWord;
      if (const std::string word = lower_case(option.value); word == "true" || word == "false") {
        option.kind = OptionText::Kind::kBoolean;
        option.value = word;
      }
      return {};
    case TokenKind::kQuotedWord:
    case TokenKind::kEnd:
      break;
  }
  return cursor.unexpected("a value: a string, number, TRUE, FALSE, word or INTERVAL");
}

Result<OptionList> read_with_options(TokenCursor& cursor) {
  RETURN_IF_ERROR(cursor.expect("WITH"));
  RETURN_IF_ERROR(cursor.expect_symbol("("));
  OptionList options;
  do {
    OptionText option;
    option.key_offset = cursor.offset();
    ASSIGN_OR_RETURN(option.key, read_key(cursor));
    RETURN_IF_ERROR(cursor.expect_symbol("="));
    RETURN_IF_ERROR(read_option_value(cursor, option));
    if (std::any_of(options.begin(), options.end(), [&](const OptionText& other) { return other.key == option.key; })) {
      return Status(ErrorCode::kInvalidOption, "option is given twice: " + option.key, option.key_offset);
    }
    options.push_back(std::move(option));
  } while (cursor.accept_symbol(","));
  if (!cursor.accept_symbol(")")) return cursor.unexpected(", or ) behind the option's value");
  return options;
}

std::vector<OptionInput> option_inputs(const OptionList& options) {
  std::vector<OptionInput> inputs;
  inputs.reserve(options.size());
  for (const OptionText& option : options) {
    inputs.push_back({option.key, option.value, option.key_offset, option.value_offset});
  }
  return inputs;
}

}  // namespace laminar::sql
