// Options that several connectors have, and what a sink's mode asks of its view.
#pragma once

#include <span>
#include <string>

#include "base/options.h"
#include "base/status.h"
#include "data/type.h"
#include "stream/edge/sink.h"

namespace laminar::connectors {

// What every lookup table may say, besides its connector's own options.
std::span<const OptionSpec> lookup_options();
// What every sink may say, besides its connector's own options.
std::span<const OptionSpec> sink_options();
// The value of option `mode`. Upsert is refused with `why_no_upsert`; an append-only sink over a view that retracts is LDB-3004.
Result<stream::SinkMode> sink_mode(const std::string& name, const OptionValues& options, bool append_only,
                                   const std::string& why_no_upsert);
// A changelog adds the columns tick and weight: the view must not have such ones.
Status check_changelog_columns(const std::string& name, const data::Schema& schema);
// Option `delimiter`: one ASCII character, or \t.
Result<char> delimiter_option(const std::string& object, const OptionValues& options, char by_default);

}  // namespace laminar::connectors
