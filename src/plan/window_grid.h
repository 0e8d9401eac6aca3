// The windows of TUMBLE, HOP and CUMULATE as numbers: which windows hold a time, where they start and end.
//
// Time is cut into slices such that every window is a run of whole slices. Windows are numbered so that their ends grow
// with the number; those that hold a slice are consecutive. With a time zone the slices are of local clock time.
//
// Units:   microseconds in the domain of the time column.
#pragma once

#include <cstdint>
#include <limits>
#include <numeric>

#include "plan/node.h"
#include "plan/time_zone.h"

namespace laminar::plan {

inline int64_t floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return q - (a % b != 0 && (a < 0) != (b < 0));
}

struct WindowGrid {
  // Times beyond it (about 140,000 years) have no window: the arithmetic below must not wrap.
  static constexpr int64_t kTimeMax = int64_t{1} << 62;

  WindowKind kind;
  int64_t size, slide, offset, slice;
  std::shared_ptr<const TimeZone> zone;

  explicit WindowGrid(const WindowSpec& spec)
      : kind(spec.kind), size(spec.size_us), slide(spec.kind == WindowKind::kTumble ? spec.size_us : spec.slide_us),
        offset(spec.offset_us), slice(spec.kind == WindowKind::kHop ? std::gcd(slide, size) : slide), zone(spec.zone) {}

  bool cumulates() const { return kind == WindowKind::kCumulate; }
  // One window per slice and one slice per window.
  bool tumbles() const { return slice == size && slide == size; }

  int64_t slice_of(int64_t time) const { return floor_div(local(time) - offset, slice); }
  int64_t slice_start(int64_t s) const { return instant(s * slice + offset); }
  // The windows that hold slice s; none when first > last (HOP with a slide beyond the size).
  int64_t first_window(int64_t s) const { return cumulates() ? s : floor_div(s * slice + slice - size + slide - 1, slide); }
  int64_t last_window(int64_t s) const {
    return cumulates() ? (floor_div(s, size / slide) + 1) * (size / slide) - 1 : floor_div(s * slice, slide);
  }
  int64_t start(int64_t w) const { return instant((cumulates() ? floor_div(w, size / slide) * size : w * slide) + offset); }
  int64_t end(int64_t w) const { return instant(cumulates() ? (w + 1) * slide + offset : w * slide + size + offset); }
  // The slices of window w.
  int64_t first_slice(int64_t w) const { return cumulates() ? floor_div(w, size / slide) * (size / slide) : floor_div(w * slide, slice); }
  int64_t last_slice(int64_t w) const { return cumulates() ? w : floor_div(w * slide + size, slice) - 1; }
  // The window of these bounds.
  int64_t number(int64_t start, int64_t end) const {
    return cumulates() ? floor_div(local(end) - offset, slide) - 1 : floor_div(local(start) - offset, slide);
  }
  // A window of CUMULATE whose last step the clocks have skipped: it is the one before it.
  bool skipped(int64_t w) const { return zone && cumulates() && w > first_slice(w) && slice_start(w) == slice_start(w + 1); }

  // The first window that ends after `time`.
  int64_t first_ending_after(int64_t time) const {
    return cumulates() ? floor_div(local(time) - offset, slide) : floor_div(local(time) - size - offset, slide) + 1;
  }

 private:
  int64_t local(int64_t time) const { return zone ? zone->local(time) : time; }
  int64_t instant(int64_t local) const { return zone ? zone->instant(local) : local; }
};

}  // namespace laminar::plan
