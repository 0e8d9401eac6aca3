#include "stream/operators/watermark_group_operator.h"

#include "base/check.h"

namespace laminar::stream {

using data::kWatermarkEnded;
using data::kWatermarkNone;

namespace {

int64_t saturating_add(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? kWatermarkEnded : sum;
}

int64_t saturating_subtract(int64_t a, int64_t b) {
  int64_t difference;
  return __builtin_sub_overflow(a, b, &difference) ? kWatermarkEnded : difference;
}

}  // namespace

WatermarkGroupOperator::WatermarkGroupOperator(Policy policy, int64_t max_drift_us, std::vector<SourceOperator*> members)
    : Operator({}), policy_(policy), max_drift_us_(max_drift_us) {
  label = "watermark group";
  for (SourceOperator* source : members) {
    members_.emplace_back().source = source;
    if (policy == Policy::kPause) source->pausing_limits.push_back(this);
    if (policy == Policy::kDrop) source->dropping_limits.push_back(this);
  }
}

WatermarkGroupOperator::~WatermarkGroupOperator() {
  for (Member& member : members_) {
    if (policy_ == Policy::kPause && member.state == State::kAhead) member.source->release(now_us_);
    std::erase(member.source->pausing_limits, this);
    std::erase(member.source->dropping_limits, this);
  }
}

void WatermarkGroupOperator::push(uint32_t, const data::Batch&) { CHECK(false); }

int64_t WatermarkGroupOperator::least_without(const SourceOperator& without) const {
  int64_t least = kWatermarkEnded;
  for (const Member& member : members_) {
    SourceOperator& source = *member.source;
    if (&source == &without || source.output_idle()) continue;
    int64_t watermark = source.watermark_so_far();
    if (watermark == kWatermarkNone) {
      if (policy_ != Policy::kPause) continue;
      watermark = origin_;
    }
    least = std::min(least, watermark);
  }
  return least;
}

int64_t WatermarkGroupOperator::limit_of(const SourceOperator& member) {
  const int64_t least = least_without(member);
  return least == kWatermarkNone ? least : saturating_add(least, max_drift_us_);
}

void WatermarkGroupOperator::count_dropped(const SourceOperator& member, uint64_t rows) {
  for (Member& m : members_) {
    if (m.source == &member) m.rows_dropped += rows;
  }
}

void WatermarkGroupOperator::finish(const TickInfo& tick) {
  now_us_ = tick.now_us;
  if (origin_ == kWatermarkNone) {
    int64_t first = kWatermarkEnded;
    for (const Member& member : members_) {
      if (member.source->first_watermark() != kWatermarkNone) first = std::min(first, member.source->first_watermark());
    }
    if (first != kWatermarkEnded) origin_ = first;
  }
  for (Member& member : members_) {
    SourceOperator& source = *member.source;
    const int64_t watermark = source.watermark_so_far(), least = least_without(source);
    const bool was_ahead = member.state == State::kAhead;
    const bool compared = watermark != kWatermarkNone && watermark != kWatermarkEnded && least != kWatermarkEnded && least != kWatermarkNone;
    member.drift_us = compared ? saturating_subtract(watermark, least) : 0;
    member.drift_max_us = std::max(member.drift_max_us, member.drift_us);
    if (watermark == kWatermarkEnded) member.state = State::kEnded;
    else if (source.output_idle()) member.state = State::kIdle;
    else if (watermark == kWatermarkNone) member.state = State::kSilent;
    else member.state = compared && member.drift_us > max_drift_us_ ? State::kAhead : State::kRunning;
    const bool is_ahead = member.state == State::kAhead;
    if (is_ahead == was_ahead) continue;
    if (is_ahead) {
      ++member.times_ahead;
      member.ahead_since_us = tick.now_us;
    } else {
      member.ahead_us += std::max<int64_t>(0, tick.now_us - member.ahead_since_us);
    }
    if (policy_ != Policy::kPause) continue;
    if (is_ahead) source.hold();
    else source.release(tick.now_us);
  }
}

// Table 0, one record.
void WatermarkGroupOperator::save_state(StateSink& sink, bool) {
  ByteWriter out;
  out.put(origin_).put(now_us_).put(static_cast<uint32_t>(members_.size()));
  for (const Member& m : members_) {
    out.put(m.state).put(m.drift_us).put(m.drift_max_us).put(m.times_ahead).put(m.rows_dropped).put(m.ahead_us).put(m.ahead_since_us);
  }
  sink.put(0, "", out.view());
}

Status WatermarkGroupOperator::load_state(StateSource& source) {
  return source.scan(0, [this](std::string_view, std::string_view value) -> Status {
    ByteReader in(value);
    origin_ = in.get<int64_t>();
    now_us_ = in.get<int64_t>();
    if (in.get<uint32_t>() != members_.size()) return damaged_state(label);
    for (Member& m : members_) {
      const bool was_held = m.state == State::kAhead;
      m.state = in.get<State>();
      m.drift_us = in.get<int64_t>();
      m.drift_max_us = in.get<int64_t>();
      m.times_ahead = in.get<uint64_t>();
      m.rows_dropped = in.get<uint64_t>();
      m.ahead_us = in.get<int64_t>();
      m.ahead_since_us = in.get<int64_t>();
      const bool is_held = m.state == State::kAhead;
      if (policy_ != Policy::kPause || is_held == was_held) continue;
      if (is_held) m.source->hold();
      else m.source->release(now_us_);
    }
    return in.ok() ? Status() : damaged_state(label);
  });
}

}  // namespace laminar::stream
