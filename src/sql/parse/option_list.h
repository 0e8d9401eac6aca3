// WITH (key = value, ...) as written; option tables (base/options.h) check it where its meaning is known.
#pragma once

#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "sql/parse/statement.h"
#include "sql/parse/token_cursor.h"

namespace laminar::sql {

// At the word WITH. Keys are words, dotted words or quoted; a key given twice is LDB-1003.
Result<OptionList> read_with_options(TokenCursor& cursor);
// At the value: a string, number, TRUE, FALSE, word or INTERVAL literal.
Status read_option_value(TokenCursor& cursor, OptionText& option);
// For OptionValues::check.
std::vector<OptionInput> option_inputs(const OptionList& options);

}  // namespace laminar::sql
