// The console connector: a sink that prints rows to standard output at each commit.
#pragma once

#include <cstdio>
#include <memory>

#include "connectors/render.h"
#include "stream/edge/connector.h"

namespace laminar::connectors {

const stream::Connector* console_connector();
// A writer over any stream; `out` outlives it.
std::unique_ptr<stream::SinkWriter> make_console_writer(std::FILE* out, const std::string& name, const data::Schema& schema,
                                                        TextFormat format, stream::SinkMode mode);

}  // namespace laminar::connectors
