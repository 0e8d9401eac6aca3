// Carries out our own statements: binds what they embed, and asks the backend for the effect.
//
// Threads: bind() and execution of one statement are on one thread at a time; many sessions at once.
#pragma once

#include <memory>

#include "sql/backend.h"
#include "sql/parse/session_parser.h"

namespace laminar::sql {

std::shared_ptr<StatementHandler> make_statement_handler(std::shared_ptr<Backend> backend);

// A name without a prefix, or with ours. An Error at the name otherwise.
Status check_object_name(const ObjectName& name);
// The object, or LDB-2002 at its name with the nearest one.
Result<std::shared_ptr<const Object>> find_object(Backend& backend, const ObjectName& name);

}  // namespace laminar::sql
