#include <algorithm>
#include <numeric>

#include "shell/figures.h"
#include "shell/format/row_format.h"
#include "shell/text_width.h"

namespace laminar::shell {
namespace {

constexpr size_t kColumnWidthMin = 6;  // a cut column still shows this much
constexpr size_t kColumnFrame = 3;     // bar and two blanks

void append_repeated(std::string& out, std::string_view piece, size_t times) {
  for (size_t i = 0; i < times; ++i) out.append(piece);
}

void append_aligned(std::string& out, std::string_view text, size_t width, bool right) {
  const std::string shown = cut_to_width(text, width);
  const size_t used = display_width(shown);
  const size_t blanks = width > used ? width - used : 0;
  if (right) out.append(blanks, ' ');
  out += shown;
  if (!right) out.append(blanks, ' ');
}

struct Drawn {
  size_t column;  // or kGap for the column that stands for the dropped ones
  size_t width;
  bool right;
};
constexpr size_t kGap = static_cast<size_t>(-1);

void append_rule(std::string& out, const std::vector<Drawn>& drawn, std::string_view left, std::string_view cross,
                 std::string_view right) {
  out.append(left);
  for (size_t i = 0; i < drawn.size(); ++i) {
    if (i > 0) out.append(cross);
    append_repeated(out, "─", drawn[i].width + 2);
  }
  out.append(right);
  out += '\n';
}

template <class CellText>
void append_line(std::string& out, const std::vector<Drawn>& drawn, CellText text) {
  for (const Drawn& column : drawn) {
    out += "│ ";
    append_aligned(out, column.column == kGap ? std::string("…") : text(column.column), column.width, column.right);
    out += ' ';
  }
  out += "│\n";
}

}  // namespace

std::vector<size_t> fit_columns(const std::vector<size_t>& natural, size_t width) {
  std::vector<size_t> fitted = natural;
  if (width == 0) return fitted;
  const auto total = [&] {
    size_t sum = 1, dropped = 0;
    for (const size_t w : fitted) w == 0 ? ++dropped : sum += w + kColumnFrame;
    return dropped > 0 ? sum + 1 + kColumnFrame : sum;
  };
  // Too many columns: the middle goes first, the first and the last column stay longest.
  const auto least = [&] {
    size_t sum = 1, dropped = 0;
    for (size_t i = 0; i < fitted.size(); ++i) {
      fitted[i] == 0 ? ++dropped : sum += std::min(natural[i], kColumnWidthMin) + kColumnFrame;
    }
    return dropped > 0 ? sum + 1 + kColumnFrame : sum;
  };
  size_t left = fitted.size() / 2, right = left;  // [left, right) is dropped
  while (least() > width && right - left + 1 < fitted.size()) {
    if (fitted.size() - right >= left) {
      fitted[right++] = 0;
    } else {
      fitted[--left] = 0;
    }
  }
  // The widest columns give way, one step at a time, until all fits.
  while (total() > width) {
    const auto widest = std::max_element(fitted.begin(), fitted.end());
    if (widest == fitted.end() || *widest <= 1) break;
    size_t second = 0;
    for (const size_t w : fitted) {
      if (w < *widest) second = std::max(second, w);
    }
    const auto same = static_cast<size_t>(std::count(fitted.begin(), fitted.end(), *widest));
    const size_t excess = total() - width;
    const size_t step = std::max<size_t>(1, std::min(*widest - std::max<size_t>(second, 1), excess / same));
    const size_t value = *widest;
    size_t shrink_left = excess;
    for (size_t& w : fitted) {
      if (w == value && shrink_left > 0) {
        const size_t by = std::min(step, shrink_left);
        w -= by;
        shrink_left -= by;
      }
    }
  }
  return fitted;
}

Result<Table> read_table(Rows& rows, size_t rows_max) {
  Table table;
  table.columns = rows.columns();
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.next());
    if (!more) return table;
    ++table.rows_total;
    if (rows_max > 0 && table.rows.size() >= rows_max) continue;
    std::vector<TableCell>& row = table.rows.emplace_back();
    row.reserve(table.columns.size());
    for (size_t i = 0; i < table.columns.size(); ++i) {
      const bool is_null = rows.is_null(i);
      row.push_back({is_null ? "NULL" : single_line(rows.text(i)), is_null});
    }
  }
}

std::string draw_table(const Table& table, size_t width) {
  std::vector<std::string> names;
  std::vector<size_t> natural;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    names.push_back(single_line(table.columns[i].name));
    size_t widest = std::max<size_t>(1, display_width(names[i]));
    for (const std::vector<TableCell>& row : table.rows) widest = std::max(widest, display_width(row[i].text));
    natural.push_back(widest);
  }
  const std::vector<size_t> fitted = fit_columns(natural, width);
  std::vector<Drawn> drawn;
  for (size_t i = 0; i < fitted.size(); ++i) {
    if (fitted[i] == 0) {
      if (drawn.empty() || drawn.back().column != kGap) drawn.push_back({kGap, 1, false});
      continue;
    }
    drawn.push_back({i, fitted[i], json_form(table.columns[i].type) == JsonForm::kNumber});
  }
  std::string out;
  append_rule(out, drawn, "┌", "┬", "┐");
  append_line(out, drawn, [&](size_t i) { return names[i]; });
  append_rule(out, drawn, "├", "┼", "┤");
  for (const std::vector<TableCell>& row : table.rows) {
    append_line(out, drawn, [&](size_t i) -> const std::string& { return row[i].text; });
  }
  append_rule(out, drawn, "└", "┴", "┘");
  if (table.rows_total > table.rows.size()) {
    out += with_commas(table.rows_total) + " rows (" + with_commas(table.rows.size()) + " shown)\n";
  }
  return out;
}

}  // namespace laminar::shell
