#include "connectors/common_options.h"

namespace laminar::connectors {

std::span<const OptionSpec> lookup_options() {
  static constexpr OptionSpec kOptions[] = {
      {.name = "mode", .kind = OptionKind::kChoice, .choices = "full|on_demand",
       .doc = "full: a copy of the whole table in memory; on_demand: keys are asked for as rows need them (default: on_demand where "
              "the connector can, else full)"},
      {.name = "refresh", .kind = OptionKind::kInterval, .min = 100'000,
       .doc = "full: how often the copy is loaded again; without it, once"},
      {.name = "cache.ttl", .kind = OptionKind::kInterval,
       .doc = "on_demand: how long an answer is used again (default 5 minutes); 0 asks for the keys of each tick"},
      {.name = "cache.missing_ttl", .kind = OptionKind::kInterval,
       .doc = "on_demand: how long it is remembered that a key has no row (default: as cache.ttl)"},
      {.name = "cache.bytes", .kind = OptionKind::kBytes, .min = 1024,
       .doc = "on_demand: the size of the cache (default 64 MB); what was not used for longest goes first"},
      {.name = "lookup.batch", .kind = OptionKind::kInteger, .min = 1, .max = 2048,
       .doc = "on_demand: keys asked for together (default 256)"},
      {.name = "lookup.in_flight", .kind = OptionKind::kInteger, .min = 1, .max = 1024,
       .doc = "on_demand: batches under way at once (default 8)"},
      {.name = "lookup.timeout", .kind = OptionKind::kInterval, .min = 10'000,
       .doc = "on_demand: an answer that takes longer counts as an outage (default 5 seconds)"},
      {.name = "lookup.waiting_rows", .kind = OptionKind::kInteger, .min = 1,
       .doc = "rows of a view that may wait for answers; then its sources wait (default 65536)"},
      {.name = "when_away", .kind = OptionKind::kChoice, .default_text = "wait", .choices = "wait|null|fail",
       .doc = "what rows get while the server is away: they wait; or after retry_for no row; or after retry_for the view fails"},
      {.name = "retry_for", .kind = OptionKind::kInterval, .doc = "how long an outage lasts before when_away acts (default 10 seconds)"},
  };
  return kOptions;
}

std::span<const OptionSpec> sink_options() {
  static constexpr OptionSpec kOptions[] = {
      {.name = "commit_interval", .kind = OptionKind::kInterval, .default_text = "1 second", .min = 1000, .max = 86'400'000'000,
       .doc = "how long rows wait for others before they are committed together; DRAIN commits at once"},
  };
  return kOptions;
}

Result<stream::SinkMode> sink_mode(const std::string& name, const OptionValues& options, bool append_only,
                                   const std::string& why_no_upsert) {
  const std::string mode = options.text("mode");
  if (mode == "changelog") return stream::SinkMode::kChangelog;
  if (mode == "upsert") {
    return Status(ErrorCode::kInvalidOption, "mode = 'upsert' of sink " + name + " is not possible: " + why_no_upsert +
                                                 "; use mode = 'changelog'", options.value_offset("mode"));
  }
  if (!append_only) {
    return Status(ErrorCode::kMayRetract, "the view of sink " + name + " retracts rows, and mode = 'append' cannot take them back; "
                                          "use EMIT ON WINDOW CLOSE in the view, or mode = 'changelog' in the sink",
                  options.value_offset("mode"));
  }
  return stream::SinkMode::kAppend;
}

Status check_changelog_columns(const std::string& name, const data::Schema& schema) {
  for (const data::Field& field : schema) {
    std::string lower = field.name;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (lower == "tick" || lower == "weight") {
      return Status(ErrorCode::kInvalidOption, "mode = 'changelog' of sink " + name + " adds a column " + lower +
                                                   ", and the view has one; rename it in the view");
    }
  }
  return Status();
}

Result<char> delimiter_option(const std::string& object, const OptionValues& options, char by_default) {
  if (!options.has("delimiter")) return by_default;
  std::string text = options.text("delimiter");
  if (text == "\\t") text = "\t";
  if (text.size() == 1 && text != "\"" && text != "\n" && text != "\r" && !(text[0] & 0x80)) return text[0];
  return Status(ErrorCode::kInvalidOption, "invalid value of option delimiter of " + object + ": '" + options.text("delimiter") +
                                               "'; expected one ASCII character, or '\\t', and no quote or line end",
                options.value_offset("delimiter"));
}

}  // namespace laminar::connectors
