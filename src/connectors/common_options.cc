#include "connectors/common_options.h"

namespace laminar::connectors {

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
