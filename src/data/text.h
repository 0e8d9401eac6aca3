// Values as text the way DuckDB casts them to VARCHAR, for messages, row dumps and native CSV: no allocation beyond
// the string itself.
#pragma once

#include <string>

#include "data/batch.h"
#include "data/type.h"

namespace laminar::data {

// Whether append_text() writes exactly DuckDB's text for this type. Others (INTERVAL, UUID, BLOB, boxed) come as a
// readable rendering good enough for messages.
bool has_exact_text(const Type& type);
// Appends the value of a row; NULL appends "NULL".
void append_text(const Type& type, const Column& column, uint32_t row, std::string& out);
// "2026-01-01 00:00:00.5", also before year 1 (BC) and for infinities.
void append_timestamp_us(int64_t us, std::string& out);
void append_date(int32_t days, std::string& out);

}  // namespace laminar::data
