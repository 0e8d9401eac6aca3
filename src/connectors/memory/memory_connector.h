// The memory connector: a source whose rows come by INSERT and by the append API.
#pragma once

#include "stream/edge/connector.h"

namespace laminar::connectors {

const stream::Connector* memory_connector();

}  // namespace laminar::connectors
