#include "connectors/redis/key_pattern.h"

#include <algorithm>

namespace laminar::connectors {

Result<KeyPattern> KeyPattern::parse(std::string_view pattern, const data::Schema& schema, const std::vector<uint32_t>& primary_key) {
  const auto refuse = [&](const std::string& why) {
    return Status(ErrorCode::kInvalidOption, "invalid value of option key: '" + std::string(pattern) + "'; " + why);
  };
  KeyPattern made;
  made.literals_.emplace_back();
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '}') return refuse("a } without {");
    if (pattern[i] != '{') {
      made.literals_.back() += pattern[i];
      continue;
    }
    const size_t end = pattern.find('}', i);
    if (end == std::string_view::npos) return refuse("a { without }");
    const std::string_view name = pattern.substr(i + 1, end - i - 1);
    const auto found = std::find_if(primary_key.begin(), primary_key.end(), [&](uint32_t c) { return schema[c].name == name; });
    if (found == primary_key.end()) return refuse("{" + std::string(name) + "} is no column of the primary key");
    if (std::find(made.columns_.begin(), made.columns_.end(), *found) != made.columns_.end()) return refuse("{" + std::string(name) + "} stands there twice");
    if (!made.columns_.empty() && made.literals_.back().empty()) return refuse("two columns need something between them");
    made.columns_.push_back(*found);
    made.literals_.emplace_back();
    i = end;
  }
  if (made.columns_.size() != primary_key.size()) return refuse("every column of the primary key must stand in it, such as {" + schema[primary_key[0]].name + "}");
  return made;
}

std::string KeyPattern::key(const std::vector<std::string>& values) const {
  std::string key = literals_[0];
  for (size_t i = 0; i < columns_.size(); ++i) key += values[i] + literals_[i + 1];
  return key;
}

bool KeyPattern::match(std::string_view key, std::vector<std::string_view>& values) const {
  values.clear();
  if (!key.starts_with(literals_[0])) return false;
  key.remove_prefix(literals_[0].size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    const std::string& literal = literals_[i + 1];
    // The last column takes all up to the closing literal.
    const bool last = i + 1 == columns_.size();
    if (last && !key.ends_with(literal)) return false;
    const size_t end = last ? key.size() - literal.size() : key.find(literal);
    if (end == std::string_view::npos) return false;
    values.push_back(key.substr(0, end));
    key.remove_prefix(end + literal.size());
  }
  return key.empty();
}

std::string KeyPattern::glob() const {
  std::string glob;
  for (size_t i = 0; i < literals_.size(); ++i) {
    if (i > 0) glob += '*';
    for (const char c : literals_[i]) {
      if (std::string_view("*?[]\\").find(c) != std::string_view::npos) glob += '\\';
      glob += c;
    }
  }
  return glob;
}

}  // namespace laminar::connectors
