#include "connectors/postgres/postgres_connector.h"

#include "connectors/postgres/postgres_lookup.h"
#include "connectors/postgres/postgres_sink.h"

namespace laminar::connectors {
namespace {

class PostgresConnector final : public stream::Connector {
 public:
  std::string_view name() const override { return "postgres"; }
  std::string_view doc() const override { return "tables of a PostgreSQL server"; }
  std::span<const OptionSpec> lookup_options() const override { return postgres_lookup_options(); }
  std::span<const OptionSpec> sink_options() const override { return postgres_sink_options(); }
  bool is_lookup() const override { return true; }
  bool is_sink() const override { return true; }
  Result<std::unique_ptr<stream::SinkDefinition>> make_sink(const std::string& name, const stream::SinkInput& input,
                                                            const OptionValues& options) const override {
    return make_postgres_sink(name, input, options);
  }
  Result<std::unique_ptr<stream::LookupDefinition>> make_lookup(const std::string& name, const data::Schema& schema,
                                                                const std::vector<uint32_t>&, const OptionValues& options) const override {
    return make_postgres_lookup(name, schema, options);
  }
};

}  // namespace

const stream::Connector* postgres_connector() {
  static const PostgresConnector connector;
  return &connector;
}

}  // namespace laminar::connectors
