// A time zone as the offsets of its clocks from UTC, and local clock time that never runs backwards.
//
// Where clocks are set back, the local time of this class stands still until they are past again; where they are set
// forward, it jumps. So it grows with the instant, and windows over it are runs of instants: a day has 23, 24 or 25 hours.
//
// With `months`, every month of the local time has the same length: see calendar.h. It grows with the instant all the same.
//
// Units:   microseconds; instants since 1970 UTC.
// Bounds:  transitions from 1900 to 2100; outside, the nearest offset holds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "plan/calendar.h"

namespace laminar::plan {

class TimeZone {
 public:
  struct Span {
    int64_t from_us;    // instant from which the offset holds; the first one is the beginning of time
    int64_t offset_us;  // local = instant + offset
  };
  // `spans` in order, at least one.
  TimeZone(std::string name, std::vector<Span> spans, bool months = false)
      : name_(std::move(name)), spans_(std::move(spans)), months_(months) {
    int64_t latest = std::numeric_limits<int64_t>::min();
    for (size_t i = 0; i < spans_.size(); ++i) {
      begins_.push_back(latest);
      const bool last = i + 1 == spans_.size();
      if (!last) latest = std::max(latest, spans_[i + 1].from_us + spans_[i].offset_us);
      ends_.push_back(last ? std::numeric_limits<int64_t>::max() : latest);
    }
  }

  const std::string& name() const { return name_; }
  const std::vector<Span>& spans() const { return spans_; }
  bool months() const { return months_; }

  // The local time at an instant.
  int64_t local(int64_t instant_us) const { return months_ ? to_month_time(clock_time(instant_us)) : clock_time(instant_us); }
  // The first instant at which the local time is `local_us` or later.
  int64_t instant(int64_t local_us) const { return clock_instant(months_ ? from_month_time(local_us) : local_us); }

 private:
  int64_t clock_time(int64_t instant_us) const {
    const auto next = std::upper_bound(spans_.begin(), spans_.end(), instant_us,
                                       [](int64_t instant, const Span& span) { return instant < span.from_us; });
    const size_t i = next == spans_.begin() ? 0 : static_cast<size_t>(next - spans_.begin()) - 1;
    const int64_t time = instant_us + spans_[i].offset_us;
    return begins_[i] == std::numeric_limits<int64_t>::min() ? time : std::max(time, begins_[i] - 1);
  }
  int64_t clock_instant(int64_t local_us) const {
    const size_t i = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), local_us) - ends_.begin());
    if (i == spans_.size()) return local_us - spans_.back().offset_us;
    return i == 0 ? local_us - spans_[0].offset_us : std::max(spans_[i].from_us, local_us - spans_[i].offset_us);
  }

  std::string name_;
  std::vector<Span> spans_;
  bool months_;
  // By span: the latest local time reached before it, and by its end.
  std::vector<int64_t> begins_, ends_;
};

}  // namespace laminar::plan
