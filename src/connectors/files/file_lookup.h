// The lookup side of the files connector: a copy of all rows of CSV, NDJSON and Parquet files, read anew at each load.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/options.h"
#include "base/status.h"
#include "data/type.h"
#include "stream/edge/lookup.h"

namespace laminar::connectors {

std::span<const OptionSpec> file_lookup_options();
Result<std::unique_ptr<stream::LookupDefinition>> make_file_lookup(const std::string& name, const data::Schema& schema,
                                                                   const OptionValues& options);

}  // namespace laminar::connectors
