// The sink side of the files connector: numbered part files, each whole and on disk before it gets its name.
//
// On disk: an epoch's rows go to hidden files `.<name>.tmp` beside the final ones.
//   prepare  the bytes of each are written and synced
//   commit   each is renamed to its name, never over another file; then the folder is synced
//   abort    the epoch's files are removed
// After a crash the next open() removes what has no name yet and goes on behind the highest number. A crash inside
// commit may leave some parts of an epoch visible; the epoch comes again then: at least once.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/options.h"
#include "base/status.h"
#include "data/type.h"
#include "stream/edge/sink.h"

namespace laminar::connectors {

std::span<const OptionSpec> file_sink_options();
Result<std::unique_ptr<stream::SinkDefinition>> make_file_sink(const std::string& name, const data::Schema& schema,
                                                               bool append_only, const OptionValues& options);

}  // namespace laminar::connectors
