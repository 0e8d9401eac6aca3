#include "connectors/files/csv_scanner.h"

#include <algorithm>
#include <cstring>

namespace laminar::connectors {

Result<bool> CsvScanner::next(ByteWindow& window, bool skip_empty_lines) {
  for (;;) {
    if (window.size() == 0) {
      if (window.at_end()) return false;
      RETURN_IF_ERROR(window.grow());
    }
    line_ = next_line_;
    problem_ = {};
    const Outcome outcome = scan(window.begin(), window.end(), window.at_end());
    if (outcome == Outcome::kMore && window.can_grow()) {
      RETURN_IF_ERROR(window.grow());
      continue;
    }
    if (outcome != Outcome::kRecord) {
      set_broken_line(window, outcome == Outcome::kMore ? std::string_view("the record is too long, or a quote is not closed")
                                                        : problem_);
      return true;
    }
    next_line_ += lines_in_record_;
    text_ = {window.begin(), record_bytes_};
    while (!text_.empty() && (text_.back() == '\n' || text_.back() == '\r')) text_.remove_suffix(1);
    const bool empty = fields_.size() == 1 && !fields_[0].quoted && fields_[0].text.empty();
    window.consume(record_bytes_);  // moves no bytes: the fields stay readable until the window grows
    if (!empty || !skip_empty_lines) return true;
  }
}

CsvScanner::Outcome CsvScanner::scan(const char* begin, const char* end, bool at_end) {
  fields_.clear();
  if (unescaped_.used_bytes() > 0) unescaped_.reset();
  lines_in_record_ = 0;
  const char* p = begin;
  for (;;) {  // one field a turn
    if (p < end && *p == '"') {
      const char* const first = ++p;
      size_t doubled = 0;
      for (;;) {
        const char* const quote = static_cast<const char*>(std::memchr(p, '"', static_cast<size_t>(end - p)));
        if (!quote) {
          if (!at_end) return Outcome::kMore;
          problem_ = "a quote is not closed";
          return Outcome::kBroken;
        }
        if (quote + 1 == end && !at_end) return Outcome::kMore;  // it may be the first of two
        p = quote + 1;
        if (p == end || *p != '"') break;
        ++p;
        ++doubled;
      }
      std::string_view text(first, static_cast<size_t>(p - 1 - first));
      lines_in_record_ += static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
      if (doubled > 0) {
        char* const to = unescaped_.allocate(text.size() - doubled);
        size_t n = 0;
        for (size_t i = 0; i < text.size(); ++i) {
          to[n++] = text[i];
          i += text[i] == '"';
        }
        text = {to, n};
      }
      fields_.push_back({text, true});
    } else {
      const char* const first = p;
      while (p < end && *p != delimiter_ && *p != '\n') ++p;
      if (p == end && !at_end) return Outcome::kMore;
      const char* last = p;
      if ((p == end || *p == '\n') && last > first && last[-1] == '\r') --last;
      fields_.push_back({{first, static_cast<size_t>(last - first)}, false});
    }
    if (p < end && *p == '\r') {  // after a closing quote
      if (p + 1 == end && !at_end) return Outcome::kMore;
      if (p + 1 == end || p[1] == '\n') ++p;
    }
    if (p == end || *p == '\n') {
      if (p == end && !at_end) return Outcome::kMore;
      if (p < end) ++p;
      ++lines_in_record_;
      record_bytes_ = static_cast<size_t>(p - begin);
      return Outcome::kRecord;
    }
    if (*p != delimiter_) {
      problem_ = "text after a closing quote";
      return Outcome::kBroken;
    }
    ++p;
  }
}

void CsvScanner::set_broken_line(ByteWindow& window, std::string_view problem) {
  const void* const newline = std::memchr(window.begin(), '\n', window.size());
  const size_t bytes = newline ? static_cast<size_t>(static_cast<const char*>(newline) - window.begin()) : window.size();
  text_ = {window.begin(), bytes};
  if (!text_.empty() && text_.back() == '\r') text_.remove_suffix(1);
  problem_ = problem;
  // A line longer than the window is cut: its rest comes as a line of its own, broken or not, but never unseen.
  next_line_ += newline ? 1 : 0;
  window.consume(bytes + (newline ? 1 : 0));
}

}  // namespace laminar::connectors
