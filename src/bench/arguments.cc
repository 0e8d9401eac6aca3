#include "bench/arguments.h"

#include <algorithm>

namespace laminar::bench {

Result<Arguments> Arguments::read(std::span<const std::string> arguments, std::span<const ArgumentSpec> specs) {
  Arguments out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      out.values_["help"] = {""};
      continue;
    }
    if (!argument.starts_with("--")) return Status(ErrorCode::kUnknownOption, "unexpected argument: " + argument);
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    const auto spec = std::find_if(specs.begin(), specs.end(), [&](const ArgumentSpec& s) { return s.name == name; });
    if (spec == specs.end()) return Status(ErrorCode::kUnknownOption, "unknown option: --" + name);
    std::string value;
    if (!spec->value.empty()) {
      if (equals == std::string::npos && i + 1 == arguments.size()) {
        return Status(ErrorCode::kMissingOption, "--" + name + " needs a value: " + std::string(spec->value));
      }
      value = equals == std::string::npos ? arguments[++i] : argument.substr(equals + 1);
    } else if (equals != std::string::npos) {
      return Status(ErrorCode::kInvalidOption, "--" + name + " takes no value");
    }
    std::vector<std::string>& values = out.values_[name];
    if (!values.empty() && !spec->repeated) return Status(ErrorCode::kInvalidOption, "--" + name + " is given twice");
    values.push_back(value);
  }
  return out;
}

std::string Arguments::text(std::string_view name, std::string_view otherwise) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? std::string(otherwise) : found->second.front();
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

Result<uint64_t> Arguments::number(std::string_view name, uint64_t otherwise, uint64_t min, uint64_t max) const {
  if (!has(name)) return otherwise;
  std::string digits = text(name);
  const auto wrong = [&] {
    return Status(ErrorCode::kInvalidOption, "--" + std::string(name) + " takes a whole number from " +
                                                 std::to_string(min) + " to " + std::to_string(max) + ": " +
                                                 text(name));
  };
  std::erase(digits, '_');
  uint64_t unit = 1;
  if (!digits.empty() && (digits.back() == 'k' || digits.back() == 'K')) unit = 1000;
  if (!digits.empty() && (digits.back() == 'm' || digits.back() == 'M')) unit = 1'000'000;
  if (unit > 1) digits.pop_back();
  if (digits.empty() || digits.size() > 13 || digits.find_first_not_of("0123456789") != std::string::npos)
    return wrong();
  const uint64_t value = std::stoull(digits) * unit;
  if (value < min || value > max) return wrong();
  return value;
}

std::string describe(std::span<const ArgumentSpec> specs) {
  std::string out;
  for (const ArgumentSpec& spec : specs) {
    std::string head = "  --" + std::string(spec.name) + (spec.value.empty() ? "" : " " + std::string(spec.value));
    head.resize(std::max<size_t>(26, head.size() + 1), ' ');
    out += head + std::string(spec.doc) + "\n";
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t at = text.find(separator);
    if (const std::string_view part = text.substr(0, at); !part.empty()) parts.emplace_back(part);
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

}  // namespace laminar::bench
