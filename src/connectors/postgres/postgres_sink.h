// Sinks into tables of a PostgreSQL server: the rows of an epoch and its number in one transaction.
//
// Table    laminar_epochs (option epoch_table) has a row per database and sink: the last epoch, its last tick, rows so far. A
//          writer locks it first, so the transaction of a process that was killed has ended before another begins.
// Order    BEGIN; the place of each sink FOR UPDATE; COPY of the rows, or for upsert COPY into a temporary table, DELETE and
//          INSERT ... ON CONFLICT from it; the new places; COMMIT. Sinks with the same address share the transaction.
// Errors   LDB-5005 while the server is away, LDB-5006 with its message when it says no. The epoch comes again from begin().
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/options.h"
#include "base/status.h"
#include "stream/edge/connector.h"
#include "stream/edge/sink.h"

namespace laminar::connectors {

std::span<const OptionSpec> postgres_sink_options();
Result<std::unique_ptr<stream::SinkDefinition>> make_postgres_sink(const std::string& name, const stream::SinkInput& input,
                                                                   const OptionValues& options);

}  // namespace laminar::connectors
