// The pattern of a Redis key, such as `product:{id}`: columns in braces, all else as it stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/type.h"

namespace laminar::connectors {

class KeyPattern {
 public:
  // Each primary key column once, and no other.
  static Result<KeyPattern> parse(std::string_view pattern, const data::Schema& schema, const std::vector<uint32_t>& primary_key);

  // `values` by position in columns().
  std::string key(const std::vector<std::string>& values) const;
  // The columns' texts out of a key; false when it is not of this pattern.
  bool match(std::string_view key, std::vector<std::string_view>& values) const;
  // For SCAN: * for each column, and what means something else is escaped.
  std::string glob() const;
  // Of the table, in order of the pattern.
  const std::vector<uint32_t>& columns() const { return columns_; }

 private:
  std::vector<std::string> literals_;  // one more than columns
  std::vector<uint32_t> columns_;
};

}  // namespace laminar::connectors
