// A scalar expression that DuckDB's executor computes, as an expr::ForeignFunction.
//
// Owns:    a copy of the bound expression and a connection of its own, so it outlives the connection that bound it.
// Errors:  exceptions of the executor become a Status with kRowError.
#pragma once

#include <memory>
#include <vector>

#include "expr/foreign.h"

namespace duckdb {
class ClientContext;
class Expression;
}  // namespace duckdb

namespace laminar::duck {

// `expression`: bound, with BoundReferenceExpression(i) for argument i, whose type is args[i]. It is copied.
// `context`: any context of the database.
std::shared_ptr<const expr::ForeignFunction> make_foreign_function(duckdb::ClientContext& context,
                                                                   const duckdb::Expression& expression,
                                                                   std::vector<data::Type> args);

}  // namespace laminar::duck
