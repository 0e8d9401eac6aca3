// A connector: its name, its options and how its sources and sinks are made. connector_list.inc lists them all.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "data/type.h"
#include "stream/edge/lookup.h"
#include "stream/edge/sink.h"
#include "stream/edge/source.h"

namespace laminar::stream {

// What a sink takes: the changes of a view.
struct SinkInput {
  data::Schema schema;
  bool append_only = false;
  std::vector<uint32_t> key;  // columns that identify a row of the view; empty when none are known to
};

class Connector {
 public:
  virtual ~Connector() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view doc() const = 0;
  virtual std::span<const OptionSpec> source_options() const { return {}; }
  virtual std::span<const OptionSpec> sink_options() const { return {}; }
  virtual std::span<const OptionSpec> lookup_options() const { return {}; }
  virtual bool is_source() const { return false; }
  virtual bool is_sink() const { return false; }
  virtual bool is_lookup() const { return false; }
  // `schema` holds the declared columns, empty when the user declared none.
  virtual Result<std::unique_ptr<SourceDefinition>> make_source(const std::string& name, const data::Schema& schema,
                                                                const OptionValues& options) const;
  virtual Result<std::unique_ptr<SinkDefinition>> make_sink(const std::string& name, const SinkInput& input,
                                                            const OptionValues& options) const;
  // `primary_key`: positions in `schema`; both empty where the user declared none.
  virtual Result<std::unique_ptr<LookupDefinition>> make_lookup(const std::string& name, const data::Schema& schema,
                                                                const std::vector<uint32_t>& primary_key,
                                                                const OptionValues& options) const;
};

}  // namespace laminar::stream
