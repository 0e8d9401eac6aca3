// The connector `postgres`.
#pragma once

#include "stream/edge/connector.h"

namespace laminar::connectors {

const stream::Connector* postgres_connector();

}  // namespace laminar::connectors
