#include "base/duration.h"

#include <array>
#include <limits>

namespace laminar {
namespace {

constexpr int64_t kMillisecond = 1000, kSecond = 1000 * kMillisecond, kMinute = 60 * kSecond, kHour = 60 * kMinute,
                  kDay = 24 * kHour;
constexpr int64_t kVariable = -1;

struct Unit {
  std::string_view name;
  int64_t us;
};
constexpr std::array kUnits = {
    Unit{"us", 1},
    Unit{"usec", 1},
    Unit{"usecs", 1},
    Unit{"usecond", 1},
    Unit{"useconds", 1},
    Unit{"microsecond", 1},
    Unit{"microseconds", 1},
    Unit{"ms", kMillisecond},
    Unit{"msec", kMillisecond},
    Unit{"msecs", kMillisecond},
    Unit{"msecond", kMillisecond},
    Unit{"mseconds", kMillisecond},
    Unit{"millisecond", kMillisecond},
    Unit{"milliseconds", kMillisecond},
    Unit{"s", kSecond},
    Unit{"sec", kSecond},
    Unit{"secs", kSecond},
    Unit{"second", kSecond},
    Unit{"seconds", kSecond},
    Unit{"m", kMinute},
    Unit{"min", kMinute},
    Unit{"mins", kMinute},
    Unit{"minute", kMinute},
    Unit{"minutes", kMinute},
    Unit{"h", kHour},
    Unit{"hr", kHour},
    Unit{"hrs", kHour},
    Unit{"hour", kHour},
    Unit{"hours", kHour},
    Unit{"d", kDay},
    Unit{"day", kDay},
    Unit{"days", kDay},
    Unit{"w", 7 * kDay},
    Unit{"week", 7 * kDay},
    Unit{"weeks", 7 * kDay},
    Unit{"mon", kVariable},
    Unit{"mons", kVariable},
    Unit{"month", kVariable},
    Unit{"months", kVariable},
    Unit{"quarter", kVariable},
    Unit{"quarters", kVariable},
    Unit{"y", kVariable},
    Unit{"yr", kVariable},
    Unit{"yrs", kVariable},
    Unit{"year", kVariable},
    Unit{"years", kVariable},
    Unit{"decade", kVariable},
    Unit{"decades", kVariable},
    Unit{"century", kVariable},
    Unit{"centuries", kVariable},
    Unit{"millennium", kVariable},
    Unit{"millennia", kVariable},
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80); }

bool equal_ignoring_case(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != lower[i]) return false;
  }
  return true;
}

// Microseconds of a unit, kVariable, or 0 when it is none.
int64_t unit_us(std::string_view word) {
  for (const Unit& unit : kUnits) {
    if (equal_ignoring_case(word, unit.name)) return unit.us;
  }
  return 0;
}

// A decimal number as mantissa / 10^scale: exact, so '0.1 seconds' is 100000 us.
struct Decimal {
  __int128 mantissa = 0;
  int scale = 0;
  bool too_large = false;
  bool lost_digits = false;  // digits beyond the scale that is kept, not all zero
};

class DurationReader {
 public:
  DurationReader(std::string_view text, std::string_view unit) : text_(text), lone_unit_(unit) {}

  ParsedDuration read() {
    skip_space();
    if (at_end()) return problem(DurationProblem::kEmpty, 0);
    while (!at_end()) {
      if (!read_part()) return result_;
      skip_space();
    }
    if (total_ > std::numeric_limits<int64_t>::max() || total_ < -std::numeric_limits<int64_t>::max()) {
      return problem(DurationProblem::kTooLarge, 0);
    }
    result_.us = static_cast<int64_t>(total_);
    return result_;
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  void skip_space() {
    while (!at_end() && is_space(text_[at_])) ++at_;
  }
  ParsedDuration problem(DurationProblem what, size_t offset, std::string_view word = {}) {
    result_ = ParsedDuration{what, 0, offset, std::string(word)};
    return result_;
  }
  bool fail(DurationProblem what, size_t offset, std::string_view word = {}) {
    problem(what, offset, word);
    return false;
  }

  // One `number unit`, or hh:mm:ss[.fraction].
  bool read_part() {
    const size_t begin = at_;
    bool negative = false;
    if (text_[at_] == '-' || text_[at_] == '+') negative = text_[at_++] == '-';
    skip_space();
    Decimal number;
    const size_t number_at = at_;
    if (!read_number(number)) return fail(DurationProblem::kMalformed, begin);
    if (!at_end() && text_[at_] == ':') {
      return number.scale == 0 ? read_clock(number, negative, begin) : fail(DurationProblem::kMalformed, begin);
    }
    skip_space();
    const size_t unit_at = at_;
    while (!at_end() && is_letter(text_[at_])) ++at_;
    std::string_view word = text_.substr(unit_at, at_ - unit_at);
    if (word.empty()) {
      if (!at_end()) return fail(DurationProblem::kMalformed, unit_at);
      if (lone_unit_.empty() || parts_ > 0) return fail(DurationProblem::kNoUnit, number_at);
      word = lone_unit_;
    }
    const int64_t unit = unit_us(word);
    if (unit == 0) return fail(DurationProblem::kUnknownUnit, unit_at, word);
    if (unit == kVariable) return fail(DurationProblem::kVariableUnit, unit_at, word);
    return add(number, unit, negative, number_at);
  }

  bool read_clock(const Decimal& hours, bool negative, size_t begin) {
    Decimal minutes, seconds;
    ++at_;
    if (!read_number(minutes) || minutes.scale != 0 || minutes.mantissa > 59)
      return fail(DurationProblem::kMalformed, begin);
    if (!at_end() && text_[at_] == ':') {
      ++at_;
      if (!read_number(seconds) || seconds.mantissa >= static_cast<__int128>(60) * power_of_10(seconds.scale)) {
        return fail(DurationProblem::kMalformed, begin);
      }
    }
    if (!at_end() && !is_space(text_[at_])) return fail(DurationProblem::kMalformed, at_);
    return add(hours, kHour, negative, begin) && add(minutes, kMinute, negative, begin) &&
           add(seconds, kSecond, negative, begin);
  }

  bool read_number(Decimal& out) {
    bool any = false, point = false;
    for (; !at_end(); ++at_) {
      const char c = text_[at_];
      if (c == '.' && !point) {
        point = true;
      } else if (is_digit(c)) {
        any = true;
        if (point && out.scale >= 15) {
          out.lost_digits |= c != '0';
          continue;
        }
        if (out.mantissa > static_cast<__int128>(1) << 90) out.too_large = true;
        if (!out.too_large) out.mantissa = out.mantissa * 10 + (c - '0');
        if (point) ++out.scale;
      } else {
        break;
      }
    }
    return any;
  }

  static __int128 power_of_10(int n) {
    __int128 power = 1;
    while (n-- > 0) power *= 10;
    return power;
  }

  bool add(const Decimal& number, int64_t unit, bool negative, size_t offset) {
    if (number.too_large || number.mantissa > (static_cast<__int128>(1) << 80))
      return fail(DurationProblem::kTooLarge, offset);
    const __int128 scaled = number.mantissa * unit;  // < 2^80 * 2^40
    const __int128 divisor = power_of_10(number.scale);
    if (number.lost_digits || scaled % divisor != 0) return fail(DurationProblem::kTooFine, offset);
    const __int128 us = scaled / divisor;
    if (us > std::numeric_limits<int64_t>::max()) return fail(DurationProblem::kTooLarge, offset);
    total_ += negative ? -us : us;
    ++parts_;
    return true;
  }

  std::string_view text_;
  std::string_view lone_unit_;
  size_t at_ = 0;
  int parts_ = 0;
  __int128 total_ = 0;
  ParsedDuration result_;
};

}  // namespace

ParsedDuration parse_duration(std::string_view text, std::string_view unit) {
  return DurationReader(text, unit).read();
}

bool is_duration_unit(std::string_view word) { return unit_us(word) != 0; }

std::string format_duration(int64_t us) {
  struct Step {
    const char* name;
    uint64_t us;
  };
  static constexpr Step kSteps[] = {
      {"day", kDay},     {"hour", kHour}, {"minute", kMinute}, {"second", kSecond}, {"millisecond", kMillisecond},
      {"microsecond", 1}};
  if (us == 0) return "0 seconds";
  uint64_t rest = us < 0 ? uint64_t{0} - static_cast<uint64_t>(us) : static_cast<uint64_t>(us);
  std::string text;
  for (const Step& step : kSteps) {
    const uint64_t n = rest / step.us;
    rest %= step.us;
    if (n == 0) continue;
    if (!text.empty()) text += ' ';
    if (us < 0) text += '-';
    text += std::to_string(n) + ' ' + step.name + (n == 1 ? "" : "s");
  }
  return text;
}

}  // namespace laminar
