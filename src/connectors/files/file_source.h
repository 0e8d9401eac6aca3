// The source side of the files connector: rows of CSV, NDJSON and Parquet files, in the order of the files' names.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/options.h"
#include "base/status.h"
#include "data/type.h"
#include "stream/edge/source.h"

namespace laminar::connectors {

std::span<const OptionSpec> file_source_options();
Result<std::unique_ptr<stream::SourceDefinition>> make_file_source(const std::string& name, const data::Schema& schema,
                                                                   const OptionValues& options);

}  // namespace laminar::connectors
