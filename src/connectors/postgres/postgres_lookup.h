// Lookups in a table or view of a PostgreSQL server: batches of keys over a pipeline, or a copy by one SELECT.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "data/type.h"
#include "stream/edge/lookup.h"

namespace laminar::connectors {

std::span<const OptionSpec> postgres_lookup_options();
Result<std::unique_ptr<stream::LookupDefinition>> make_postgres_lookup(const std::string& name, const data::Schema& schema,
                                                                       const OptionValues& options);

}  // namespace laminar::connectors
