// Option tables: what WITH (...) and SET may say, checked in one place, so that nothing unknown is ever accepted.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace laminar {

enum class OptionKind : uint8_t { kString, kInteger, kDouble, kBoolean, kInterval, kBytes, kChoice };

// One row of an option table.
struct OptionSpec {
  std::string_view name;
  OptionKind kind = OptionKind::kString;
  bool required = false;
  std::string_view default_text = {};  // empty: none
  std::string_view choices = {};       // kChoice: "csv|json|parquet"
  int64_t min = 0, max = std::numeric_limits<int64_t>::max();  // kInteger, kBytes, kInterval (us)
  std::string_view doc = {};
};

// An option as the user wrote it; offsets position errors in the script. An INTERVAL literal comes as its text, such as
// "5 minutes".
struct OptionInput {
  std::string key, value;
  int64_t key_offset = -1, value_offset = -1;
};

// Checked values by option name, defaults filled in.
class OptionValues {
 public:
  // Unknown names (LDB-1002, with the nearest one), bad values (LDB-1003), missing ones (LDB-1004), repeats (LDB-1003).
  // `object` names the thing in messages: "source bids (connector files)".
  static Result<OptionValues> check(std::span<const OptionSpec> table, const std::vector<OptionInput>& inputs,
                                    std::string_view object, int64_t object_offset);
  // Whether there is a value, given or by default.
  bool has(std::string_view name) const;
  std::string text(std::string_view name) const;
  int64_t integer(std::string_view name) const;  // kInteger, kBytes (bytes: '64 MB'), kInterval (us: '5 minutes')
  double number(std::string_view name) const;
  bool boolean(std::string_view name) const;
  int64_t value_offset(std::string_view name) const;

 private:
  struct Item {
    std::string text;
    int64_t integer = 0;
    double number = 0;
    int64_t value_offset = -1;
  };
  std::map<std::string, Item, std::less<>> items_;
};

// The candidate with the least edit distance to `name`, empty when none is near.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);
// "64 MB", "1 GiB", "4096" to bytes; -1 when it is none.
int64_t parse_bytes(std::string_view text);
// "5 minutes", "1 hour 30 seconds", "250 milliseconds", "2s" to microseconds; -1 when it is none or has months.
int64_t parse_duration_us(std::string_view text);

}  // namespace laminar
