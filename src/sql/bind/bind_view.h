// Binding: from the text of a query in one of our statements to a plan that can run incrementally, or an error that
// says where and why it cannot.
//
// Threads: any; the context must be in a transaction and belong to the calling thread. Call from bind or exec of our
// own
//          statements, never beside a running query of the same connection.
// Errors:  positions are offsets into the user's script: query texts come blanked to it (parse/statement.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "expr/expression.h"
#include "plan/node.h"
#include "sql/backend.h"
#include "sql/parse/statement.h"

namespace duckdb {
class ClientContext;
}

namespace laminar::sql {

// CREATE MATERIALIZED VIEW and CREATE STREAM, with all their clauses.
Result<plan::ViewPlan> bind_view(duckdb::ClientContext& context, Backend& backend, const CreateView& statement);

// CREATE SINK ... FROM (SELECT ...): a stream by the given name; emits on update.
Result<plan::ViewPlan> bind_query(duckdb::ClientContext& context, Backend& backend, const std::string& name,
                                  const std::string& query_text);

// A condition over the columns of one object, such as SUBSCRIBE v WHERE ...: BOOLEAN, columns by position in the
// object.
Result<expr::ExprPtr> bind_predicate(duckdb::ClientContext& context, Backend& backend, const Object& object,
                                     const std::string& predicate_text);

// The condition of WATERMARK ... WHEN, over the columns of a source that is not there yet. Blanks stand before it, so
// positions are the script's.
Result<expr::ExprPtr> bind_row_condition(duckdb::ClientContext& context, const std::string& source, const data::Schema& columns,
                                         const std::string& condition_text);

}  // namespace laminar::sql
