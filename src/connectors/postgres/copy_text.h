// Rows as lines of PostgreSQL's COPY in text format.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/type.h"
#include "duck/json_cast.h"

namespace laminar::connectors {

class CopyText {
 public:
  explicit CopyText(const data::Schema& schema);
  // Appends all columns, with tabs between them and no end of line. LDB-4004 for a value that has no text.
  Status row(const data::Batch& batch, uint32_t row, std::string& out);
  // The same of these columns alone.
  Status columns(const data::Batch& batch, uint32_t row, std::span<const uint32_t> columns, std::string& out);

 private:
  Status field(uint32_t column, const data::Batch& batch, uint32_t row, std::string& out);

  const data::Schema& schema_;
  std::string scratch_;
  std::unique_ptr<duck::JsonCast> json_cast_;  // made when a nested value comes
};

}  // namespace laminar::connectors
