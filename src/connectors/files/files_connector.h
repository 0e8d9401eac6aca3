// The files connector: CSV, newline-delimited JSON and Parquet files as sources and sinks.
#pragma once

#include "stream/edge/connector.h"

namespace laminar::connectors {

const stream::Connector* files_connector();

}  // namespace laminar::connectors
