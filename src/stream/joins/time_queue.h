// Rows by event time, the earliest first. Rows that come nearly in order cost an append: they go to one of a few
// runs, each in order; only what fits none of them goes to a heap.
//
// `earlier(a, b)` orders entries, the same for all calls.
//
// Threads: one core.
// Bounds:  as many entries as rows that were pushed and not yet popped.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace laminar::stream {

template <class Entry>
class TimeQueue {
 public:
  template <class Earlier>
  void push(const Entry& entry, const Earlier& earlier) {
    for (Run& run : runs_) {
      if (run.begin < run.entries.size() && earlier(entry, run.entries.back())) continue;
      run.entries.push_back(entry);
      return;
    }
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), [&](const Entry& a, const Entry& b) { return earlier(b, a); });
  }
  // Many at once, in any order; cheapest when they come in order.
  template <class Earlier>
  void push_all(const std::vector<Entry>& entries, const Earlier& earlier) {
    if (entries.empty()) return;
    const auto unordered = [&](const Entry& a, const Entry& b) { return earlier(b, a); };
    if (std::adjacent_find(entries.begin(), entries.end(), unordered) == entries.end()) {
      for (Run& run : runs_) {
        if (run.begin < run.entries.size() && earlier(entries.front(), run.entries.back())) continue;
        run.entries.insert(run.entries.end(), entries.begin(), entries.end());
        return;
      }
    }
    for (const Entry& entry : entries) push(entry, earlier);
  }
  // Takes out in order what is due, which holds for the earliest entries; `visit` must not change the queue.
  template <class Earlier, class Due, class Visit>
  void drain(const Earlier& earlier, const Due& due, const Visit& visit) {
    while (const Entry* first = front(earlier)) {
      if (!due(*first)) return;
      if (best_ == kRuns) {
        visit(Entry(*first));
        pop(earlier);
        continue;
      }
      // Of its run also all that is not behind the first of the others.
      const uint32_t best = best_;
      const Entry* other = heap_.empty() ? nullptr : &heap_.front();
      for (uint32_t i = 0; i < kRuns; ++i) {
        const Run& run = runs_[i];
        if (i == best || run.begin == run.entries.size()) continue;
        if (!other || earlier(run.entries[run.begin], *other)) other = &run.entries[run.begin];
      }
      Run& run = runs_[best];
      while (run.begin < run.entries.size() && due(run.entries[run.begin]) && !(other && earlier(*other, run.entries[run.begin]))) {
        visit(run.entries[run.begin++]);
      }
      tidy(run);
    }
  }
  // The earliest entry, or null.
  template <class Earlier>
  const Entry* front(const Earlier& earlier) {
    const Entry* best = heap_.empty() ? nullptr : &heap_.front();
    best_ = kRuns;
    for (uint32_t i = 0; i < kRuns; ++i) {
      const Run& run = runs_[i];
      if (run.begin == run.entries.size()) continue;
      const Entry& entry = run.entries[run.begin];
      if (!best || earlier(entry, *best)) best = &entry, best_ = i;
    }
    return best;
  }
  // Takes out what front() has just given.
  template <class Earlier>
  void pop(const Earlier& earlier) {
    if (best_ == kRuns) {
      std::pop_heap(heap_.begin(), heap_.end(), [&](const Entry& a, const Entry& b) { return earlier(b, a); });
      heap_.pop_back();
      return;
    }
    ++runs_[best_].begin;
    tidy(runs_[best_]);
  }
  uint64_t bytes() const {
    uint64_t entries = heap_.capacity();
    for (const Run& run : runs_) entries += run.entries.capacity();
    return entries * sizeof(Entry);
  }

 private:
  static constexpr uint32_t kRuns = 4;
  struct Run {
    std::vector<Entry> entries;
    size_t begin = 0;
  };

  static void tidy(Run& run) {
    if (run.begin == run.entries.size()) {
      run.entries.clear();
      run.begin = 0;
    } else if (run.begin >= 1024 && run.begin * 2 >= run.entries.size()) {
      run.entries.erase(run.entries.begin(), run.entries.begin() + static_cast<std::ptrdiff_t>(run.begin));
      run.begin = 0;
    }
  }

  Run runs_[kRuns];
  std::vector<Entry> heap_;
  uint32_t best_ = kRuns;
};

}  // namespace laminar::stream
