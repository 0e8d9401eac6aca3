// Options of the form --name VALUE, read against a table.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace laminar::bench {

struct ArgumentSpec {
  std::string_view name;   // without the dashes
  std::string_view value;  // what stands for the value in the help; empty for a switch
  std::string_view doc;
  bool repeated = false;
};

class Arguments {
 public:
  // Knows --help besides.
  static Result<Arguments> read(std::span<const std::string> arguments, std::span<const ArgumentSpec> specs);

  bool has(std::string_view name) const { return values_.contains(std::string(name)); }
  std::string text(std::string_view name, std::string_view otherwise = {}) const;
  std::vector<std::string> all(std::string_view name) const;
  // Takes 10000000, 10_000_000, 10k, 10M.
  Result<uint64_t> number(std::string_view name, uint64_t otherwise, uint64_t min, uint64_t max) const;

 private:
  std::map<std::string, std::vector<std::string>> values_;
};

std::string describe(std::span<const ArgumentSpec> specs);
std::vector<std::string> split(std::string_view text, char separator);

}  // namespace laminar::bench
