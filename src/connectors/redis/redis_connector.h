// The connector `redis`.
#pragma once

#include "stream/edge/connector.h"

namespace laminar::connectors {

const stream::Connector* redis_connector();

}  // namespace laminar::connectors
