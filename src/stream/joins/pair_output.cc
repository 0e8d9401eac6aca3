#include "stream/joins/pair_output.h"

#include <utility>

namespace laminar::stream {

PairOutput::PairOutput(std::vector<data::Type> types, size_t left_width, std::vector<uint32_t> stored)
    : buffer_(types), left_width_(static_cast<uint32_t>(left_width)), stored_(std::move(stored)), left_(data::kBatchRowsMax),
      right_(data::kBatchRowsMax) {}

data::Batch PairOutput::take(const RowStore& left, const RowStore& right) {
  const bool weights = buffer_.has_weights;
  buffer_.clear();
  buffer_.has_weights = weights;
  buffer_.rows = rows_;
  for (uint32_t c = 0; c < buffer_.column_count(); ++c) {
    if (stored_[c] == kNotStored) continue;
    if (c < left_width_) left.gather(stored_[c], left_.data(), rows_, buffer_.column(c), false);
    else right.gather(stored_[c], right_.data(), rows_, buffer_.column(c), without_right_);
  }
  buffer_.sequence_base = sequence_;
  sequence_ += rows_;
  const data::Batch batch = buffer_.view();
  rows_ = 0;
  without_right_ = false;
  buffer_.has_weights = false;
  return batch;
}

}  // namespace laminar::stream
