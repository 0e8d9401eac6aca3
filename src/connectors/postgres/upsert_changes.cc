#include "connectors/postgres/upsert_changes.h"

#include <algorithm>

namespace laminar::connectors {

void UpsertChanges::add(const std::string& key, std::string line, int64_t weight) {
  Lines& lines = tick_[key];
  const auto same = std::find_if(lines.begin(), lines.end(), [&](const auto& known) { return known.first == line; });
  if (same != lines.end()) same->second += weight;
  else lines.emplace_back(std::move(line), weight);
}

Status UpsertChanges::end_tick() {
  for (auto& [key, lines] : tick_) {
    std::pair<std::string, int64_t>*now = nullptr, *before = nullptr;
    int64_t rows = 0;
    for (auto& line : lines) {
      if (line.second > 0) {
        now = &line;
        rows += line.second;
      } else if (line.second < 0) {
        before = &line;
      }
    }
    if (rows > 1) {
      return Status(ErrorCode::kConstraintViolated, "two rows have the same primary key: " + now->first);
    }
    if (now) changes_[key] = {std::move(now->first), false};
    else if (before) changes_[key] = {std::move(before->first), true};
  }
  tick_.clear();
  return {};
}

void UpsertChanges::clear() {
  tick_.clear();
  changes_.clear();
}

}  // namespace laminar::connectors
