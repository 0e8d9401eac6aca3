// Types of columns on both sides: which of PostgreSQL's hold the values of ours, and the other way round.
#pragma once

#include <cstdint>
#include <string>

#include "data/type.h"

namespace laminar::connectors {

// Whether values of PostgreSQL's type (by OID) are texts of ours, range aside.
bool can_hold(const data::Type& type, uint32_t oid);
// Whether texts of our values are values of PostgreSQL's type, range aside. `category`: pg_type.typcategory.
bool can_take(uint32_t oid, char category, const data::Type& type);
// The type of a column that is made for values of ours.
std::string postgres_type(const data::Type& type);
// How a value of ours is written for PostgreSQL.
enum class PostgresText : uint8_t { kCast, kHex, kJson };
PostgresText postgres_text(const data::Type& type);

}  // namespace laminar::connectors
