#include "base/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "base/check.h"
#include "base/duration.h"

namespace laminar {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split_choices(std::string_view choices) {
  std::vector<std::string> out;
  while (!choices.empty()) {
    const size_t bar = choices.find('|');
    out.emplace_back(choices.substr(0, bar));
    if (bar == std::string_view::npos) break;
    choices.remove_prefix(bar + 1);
  }
  return out;
}

std::string joined(const std::vector<std::string>& words, std::string_view last) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? std::string(" ") + std::string(last) + " " : ", ";
    out += words[i];
  }
  return out;
}

bool read_integer(std::string_view text, int64_t& out) {
  text = trimmed(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_double(std::string_view text, double& out) {
  text = trimmed(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out == out && out - out == 0;
}

// The number as a user reads it in a message: intervals in words, bytes and integers in digits.
std::string bound_text(OptionKind kind, int64_t value) {
  return kind == OptionKind::kInterval ? format_duration(value) : std::to_string(value);
}

// What a value of this row must be, for messages.
std::string expectation(const OptionSpec& spec) {
  std::string text;
  switch (spec.kind) {
    case OptionKind::kString:
      return "a string";
    case OptionKind::kBoolean:
      return "true or false";
    case OptionKind::kChoice:
      return "one of " + joined(split_choices(spec.choices), "or");
    case OptionKind::kDouble:
      return "a number";
    case OptionKind::kInteger:
      text = "a whole number";
      break;
    case OptionKind::kInterval:
      text = "a duration such as '5 seconds'";
      break;
    case OptionKind::kBytes:
      text = "a size such as '64 MB'";
      break;
  }
  const bool has_min = spec.min > 0 || (spec.min != 0 && spec.min != std::numeric_limits<int64_t>::min());
  const bool has_max = spec.max != std::numeric_limits<int64_t>::max();
  if (has_max) return text + " from " + bound_text(spec.kind, spec.min) + " to " + bound_text(spec.kind, spec.max);
  if (has_min || spec.min == 0) return text + " of at least " + bound_text(spec.kind, spec.min);
  return text;
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string wanted = lower(name);
  std::string best;
  size_t best_distance = std::max<size_t>(2, wanted.size() / 3) + 1;
  std::vector<size_t> previous, before, current;
  for (const std::string& candidate : candidates) {
    const std::string other = lower(candidate);
    const size_t m = wanted.size(), n = other.size();
    if (m > 200 || n > 200) continue;
    previous.resize(n + 1);
    before.assign(n + 1, 0);
    current.resize(n + 1);
    for (size_t j = 0; j <= n; ++j) previous[j] = j;
    for (size_t i = 1; i <= m; ++i) {
      current[0] = i;
      for (size_t j = 1; j <= n; ++j) {
        const size_t change = wanted[i - 1] == other[j - 1] ? 0 : 1;
        current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + change});
        // Two neighbours swapped count as one slip.
        if (i > 1 && j > 1 && wanted[i - 1] == other[j - 2] && wanted[i - 2] == other[j - 1]) {
          current[j] = std::min(current[j], before[j - 2] + 1);
        }
      }
      std::swap(before, previous);
      std::swap(previous, current);
    }
    if (previous[n] < best_distance && previous[n] < std::max(m, n)) {
      best_distance = previous[n];
      best = candidate;
    }
  }
  return best;
}

int64_t parse_bytes(std::string_view text) {
  text = trimmed(text);
  size_t digits = 0;
  while (digits < text.size() && ((text[digits] >= '0' && text[digits] <= '9') || text[digits] == '.')) ++digits;
  double number = 0;
  if (digits == 0 || !read_double(text.substr(0, digits), number)) return -1;
  const std::string unit = lower(trimmed(text.substr(digits)));
  struct Unit {
    std::string_view name;
    double bytes;
  };
  static constexpr std::array kUnits = {Unit{"", 1},
                                        Unit{"b", 1},
                                        Unit{"byte", 1},
                                        Unit{"bytes", 1},
                                        Unit{"k", 1e3},
                                        Unit{"kb", 1e3},
                                        Unit{"m", 1e6},
                                        Unit{"mb", 1e6},
                                        Unit{"g", 1e9},
                                        Unit{"gb", 1e9},
                                        Unit{"t", 1e12},
                                        Unit{"tb", 1e12},
                                        Unit{"kib", 1024.0},
                                        Unit{"mib", 1024.0 * 1024},
                                        Unit{"gib", 1024.0 * 1024 * 1024},
                                        Unit{"tib", 1024.0 * 1024 * 1024 * 1024}};
  for (const Unit& known : kUnits) {
    if (unit != known.name) continue;
    if (known.bytes == 1) {  // exact for every int64
      int64_t exact = -1;
      return read_integer(text.substr(0, digits), exact) ? exact : -1;
    }
    const double bytes = number * known.bytes;
    return bytes < 9.2e18 ? static_cast<int64_t>(bytes) : -1;
  }
  return -1;
}

int64_t parse_duration_us(std::string_view text) {
  const ParsedDuration parsed = parse_duration(text);
  return parsed.ok() && parsed.us >= 0 ? parsed.us : -1;
}

Result<OptionValues> OptionValues::check(std::span<const OptionSpec> table, const std::vector<OptionInput>& inputs,
                                         std::string_view object, int64_t object_offset) {
  OptionValues values;
  const auto set = [&values](const OptionSpec& spec, std::string_view text, int64_t offset) -> bool {
    Item item;
    item.text = std::string(text);
    item.value_offset = offset;
    bool good = true;
    switch (spec.kind) {
      case OptionKind::kString:
        break;
      case OptionKind::kInteger:
        good = read_integer(text, item.integer);
        break;
      case OptionKind::kDouble:
        good = read_double(text, item.number);
        break;
      case OptionKind::kBytes:
        item.integer = parse_bytes(text), good = item.integer >= 0;
        break;
      case OptionKind::kInterval: {
        const ParsedDuration parsed = parse_duration(text);
        item.integer = parsed.us;
        good = parsed.ok();
        break;
      }
      case OptionKind::kBoolean: {
        const std::string word = lower(trimmed(text));
        item.integer = word == "true" || word == "on" || word == "yes" || word == "1";
        good = item.integer || word == "false" || word == "off" || word == "no" || word == "0";
        break;
      }
      case OptionKind::kChoice: {
        const std::string word = lower(trimmed(text));
        const std::vector<std::string> choices = split_choices(spec.choices);
        good = std::find(choices.begin(), choices.end(), word) != choices.end();
        item.text = word;
        break;
      }
    }
    const bool has_range =
        spec.kind == OptionKind::kInteger || spec.kind == OptionKind::kBytes || spec.kind == OptionKind::kInterval;
    if (good && has_range) good = item.integer >= spec.min && item.integer <= spec.max;
    if (good && spec.kind != OptionKind::kDouble) item.number = static_cast<double>(item.integer);
    if (good) values.items_[std::string(spec.name)] = std::move(item);
    return good;
  };

  const std::string of = object.empty() ? std::string() : " of " + std::string(object);
  for (const OptionInput& input : inputs) {
    const std::string key = lower(input.key);
    const auto spec = std::find_if(table.begin(), table.end(), [&](const OptionSpec& row) { return row.name == key; });
    if (spec == table.end()) {
      std::vector<std::string> names;
      for (const OptionSpec& row : table) names.emplace_back(row.name);
      const std::string nearest = nearest_name(key, names);
      std::string advice;
      if (!nearest.empty()) {
        advice = "; did you mean " + nearest + "?";
      } else if (names.empty()) {
        advice = "; there are no options";
      } else {
        advice = "; options are " + joined(names, "and");
      }
      return Status(ErrorCode::kUnknownOption, "unknown option" + of + ": " + input.key + advice, input.key_offset);
    }
    if (values.items_.contains(key)) {
      return Status(ErrorCode::kInvalidOption, "option" + of + " is given twice: " + input.key, input.key_offset);
    }
    if (!set(*spec, input.value, input.value_offset)) {
      return Status(ErrorCode::kInvalidOption,
                    "invalid value of option " + key + of + ": '" + input.value + "'; expected " + expectation(*spec),
                    input.value_offset);
    }
  }
  for (const OptionSpec& row : table) {
    if (values.items_.contains(row.name)) continue;
    if (row.required) {
      return Status(ErrorCode::kMissingOption,
                    "missing option" + of + ": " + std::string(row.name) + "; expected " + expectation(row),
                    object_offset);
    }
    if (!row.default_text.empty()) {
      const bool good = set(row, row.default_text, -1);
      CHECK(good);  // a default that its own row refuses is a fault in the table
    }
  }
  return values;
}

bool OptionValues::has(std::string_view name) const { return items_.find(name) != items_.end(); }

std::string OptionValues::text(std::string_view name) const {
  const auto item = items_.find(name);
  return item == items_.end() ? std::string() : item->second.text;
}

int64_t OptionValues::integer(std::string_view name) const {
  const auto item = items_.find(name);
  return item == items_.end() ? 0 : item->second.integer;
}

double OptionValues::number(std::string_view name) const {
  const auto item = items_.find(name);
  return item == items_.end() ? 0 : item->second.number;
}

bool OptionValues::boolean(std::string_view name) const { return integer(name) != 0; }

int64_t OptionValues::value_offset(std::string_view name) const {
  const auto item = items_.find(name);
  return item == items_.end() ? -1 : item->second.value_offset;
}

}  // namespace laminar
