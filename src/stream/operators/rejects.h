// Where rows go that a view cannot count: late rows, rows without a time, rows whose evaluation failed.
//
// Operators report; the view's RejectStore keeps them as relations (late_rows('v'), errors('v')) or passes them to the
// sink named by LATE DATA TO. Nothing is dropped without a count.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "data/type.h"

namespace laminar::stream {

enum class RejectReason : uint8_t { kLate, kNullTime, kFutureTime, kAheadOfGroup, kError };

struct Reject {
  RejectReason reason = RejectReason::kLate;
  int64_t watermark = data::kWatermarkNone;
  int64_t window_start = 0, window_end = 0;  // kLate: the window it missed; both 0 otherwise
  std::string_view message;                  // kError
  uint32_t port = 0;                         // the input that the row came by
};

class RejectedRows {
 public:
  virtual ~RejectedRows() = default;
  // Copies row `row` of `batch`, whose columns have `types` (the input of the reporting operator).
  virtual void reject(const std::vector<data::Type>& types, const data::Batch& batch, uint32_t row, const Reject& reject) = 0;
};

}  // namespace laminar::stream
