// The nexmark connector: the persons, auctions and bids of the Nexmark benchmark, generated.
#pragma once

#include "stream/edge/connector.h"

namespace laminar::connectors {

const stream::Connector* nexmark_connector();

}  // namespace laminar::connectors
