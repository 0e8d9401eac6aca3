// The connectors there are, by name: those of connector_list.inc and no others.
//
// Threads: any. Owns: the connectors, which live as long as the process.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "stream/edge/connector.h"

namespace laminar::connectors {

// In the order of connector_list.inc.
std::vector<const stream::Connector*> all_connectors();
// Names are compared without regard to case, `file` is `files`; null when there is none.
const stream::Connector* find_connector(std::string_view name);
// Like find_connector, or LDB-5004 at `offset` with the nearest name and all of them.
Result<const stream::Connector*> lookup_connector(std::string_view name, int64_t offset);

}  // namespace laminar::connectors
