// The kinds of objects in words.
#pragma once

#include "sql/parse/statement.h"

namespace laminar::sql {

// "materialized view", for messages.
const char* kind_name(ObjectKind kind);
// "MATERIALIZED VIEW", as in DROP.
const char* kind_words(ObjectKind kind);

}  // namespace laminar::sql
