#include "stream/runtime/exchange.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "stream/state/append_rows.h"

namespace laminar::stream {

using data::Batch;
using data::BatchBuffer;
using data::kBatchRowsMax;

namespace {

// Keys go to buckets, buckets to cores. The bits of the hash are others than those that tables of groups use.
constexpr uint32_t kBucketBits = 10, kBucketShift = 36;

std::vector<data::Type> types_at(const std::vector<data::Type>& types, const std::vector<uint32_t>& columns) {
  std::vector<data::Type> result;
  for (const uint32_t column : columns) result.push_back(types[column]);
  return result;
}

}  // namespace

KeySpread::KeySpread(const std::vector<data::Type>& types, std::vector<uint32_t> keys, uint32_t cores)
    : keys_(std::move(keys)), cores_(cores), shape_(types_at(types, keys_)), columns_(keys_.size()), hashes_(kBatchRowsMax), targets_(kBatchRowsMax) {}

const uint32_t* KeySpread::cores_of(const Batch& batch) {
  for (size_t k = 0; k < keys_.size(); ++k) columns_[k] = batch.columns[keys_[k]];
  hash_keys(shape_, columns_, batch.rows, hashes_.data());
  for (uint32_t i = 0; i < batch.rows; ++i) {
    const uint32_t bucket = static_cast<uint32_t>(hashes_[i] >> kBucketShift) & ((1u << kBucketBits) - 1);
    targets_[i] = bucket * cores_ >> kBucketBits;
  }
  return targets_.data();
}

BatchBuffer& Exchange::Box::room(const std::vector<data::Type>& types) {
  if (used > 0 && !buffers[used - 1]->full()) return *buffers[used - 1];
  if (used == buffers.size()) buffers.push_back(std::make_unique<BatchBuffer>(types));
  return *buffers[used++];
}

void Exchange::Box::append(const std::vector<data::Type>& types, const Batch& batch, const uint32_t* selection, uint32_t count) {
  rows += count;
  while (count > 0) {
    BatchBuffer& to = room(types);
    const uint32_t n = std::min(count, to.rows_max() - to.rows);
    append_rows(to, batch, selection, n);
    selection += n;
    count -= n;
  }
}

class Exchange::Sender final : public Operator {
 public:
  Sender(Exchange& exchange, uint32_t core)
      : Operator(exchange.types_), exchange_(exchange), core_(core), spread_(exchange.types_, exchange.how_.keys, exchange.receivers()),
        all_(kBatchRowsMax),
        selections_(exchange.receivers(), std::vector<uint32_t>(kBatchRowsMax)), counts_(exchange.receivers()) {
    label = "send";
    std::iota(all_.begin(), all_.end(), 0);
  }

  void push(uint32_t, const Batch& batch) override {
    counters.rows_in += batch.rows;
    counters.rows_out += batch.rows;
    if (exchange_.how_.kind != plan::ExchangeKind::kHash || exchange_.receivers() == 1) {
      const uint32_t to = exchange_.how_.kind == plan::ExchangeKind::kStay ? core_ : 0;
      exchange_.box(core_, to).append(types(), batch, all_.data(), batch.rows);
      return;
    }
    const uint32_t* targets = spread_.cores_of(batch);
    std::fill(counts_.begin(), counts_.end(), 0);
    const uint32_t receivers = exchange_.receivers();
    for (uint32_t i = 0; i < batch.rows; ++i) selections_[targets[i]][counts_[targets[i]]++] = i;
    for (uint32_t to = 0; to < receivers; ++to) exchange_.box(core_, to).append(types(), batch, selections_[to].data(), counts_[to]);
  }

  // Every sender has the same moves: receivers take those of the first.
  void push_moves(uint32_t, KeyMoves moves) override { coming_ = moves; }
  void finish(const TickInfo& tick) override {
    moves_ = coming_;
    coming_ = {};
    Operator::finish(tick);
  }
  KeyMoves moves() const { return moves_; }

 private:
  Exchange& exchange_;
  const uint32_t core_;
  KeyMoves coming_, moves_;
  KeySpread spread_;
  std::vector<uint32_t> all_;
  std::vector<std::vector<uint32_t>> selections_;
  std::vector<uint32_t> counts_;
};

class Exchange::Receiver final : public Operator {
 public:
  Receiver(Exchange& exchange, uint32_t core) : Operator(exchange.types_), exchange_(exchange), core_(core) { label = "receive"; }
  void push(uint32_t, const Batch&) override { CHECK(false); }  // rows come by the boxes

  void finish(const TickInfo&) override {
    int64_t watermark = data::kWatermarkEnded;
    bool idle = true;
    for (uint32_t s = 0; s < exchange_.senders(); ++s) {
      Box& from = exchange_.box(s, core_);
      for (size_t i = 0; i < from.used; ++i) {
        counters.rows_in += from.buffers[i]->rows;
        counters.rows_out += from.buffers[i]->rows;
        emit(from.buffers[i]->view());
        from.buffers[i]->clear();
      }
      from.used = 0;
      watermark = std::min(watermark, exchange_.senders_[s]->output_watermark());
      idle &= exchange_.senders_[s]->output_idle();
    }
    emit_moves(exchange_.senders_[0]->moves());
    set_output_idle(idle);
    set_output_watermark(watermark);
  }

 private:
  Exchange& exchange_;
  const uint32_t core_;
};

Exchange::Exchange(std::vector<data::Type> types, const plan::Exchange& how, uint32_t senders, uint32_t cores)
    : types_(std::move(types)), how_(how) {
  const uint32_t receivers = how.kind == plan::ExchangeKind::kGather ? 1 : cores;
  boxes_.resize(size_t{senders} * receivers);
  receivers_.resize(receivers);
  senders_.resize(senders);
  for (uint32_t c = 0; c < receivers; ++c) receivers_[c] = std::make_unique<Receiver>(*this, c);
  for (uint32_t c = 0; c < senders; ++c) senders_[c] = std::make_unique<Sender>(*this, c);
}

Exchange::~Exchange() = default;

Operator& Exchange::sender(uint32_t core) { return *senders_[core]; }
Operator& Exchange::receiver(uint32_t core) { return *receivers_[core]; }

void Exchange::start() {
  for (auto& sender : senders_) {
    sender->hear_inputs();
    sender->finish(TickInfo{});
  }
  for (auto& receiver : receivers_) receiver->finish({});
}

uint64_t Exchange::rows() const {
  return std::accumulate(boxes_.begin(), boxes_.end(), uint64_t{0}, [](uint64_t sum, const Box& b) { return sum + b.rows; });
}

uint64_t Exchange::crossed() const {
  uint64_t sum = 0;
  for (uint32_t s = 0; s < senders(); ++s) {
    for (uint32_t r = 0; r < receivers(); ++r) sum += s == r ? 0 : box(s, r).rows;
  }
  return sum;
}

uint64_t Exchange::held_bytes() const {
  uint64_t row_bytes = 24;  // weight, sequence, watermark
  for (const data::Type& type : types_) row_bytes += data::physical_size(type.physical());
  uint64_t bytes = 0;
  for (const Box& b : boxes_) {
    bytes += b.buffers.size() * kBatchRowsMax * row_bytes;
    for (const auto& buffer : b.buffers) bytes += buffer->strings().held_bytes();
  }
  return bytes;
}

}  // namespace laminar::stream
