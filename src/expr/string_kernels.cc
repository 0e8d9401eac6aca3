// VARCHAR: LIKE with a constant pattern, prefix, suffix, contains, ||, substring, length.
//
// Long results of substring refer into their argument; those of || lie in the program's arena.
#include <algorithm>

#include "expr/kernel.h"
#include "expr/like_pattern.h"

namespace laminar::expr {

namespace {

using data::Column;
using data::StringRef;
using data::TypeKind;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

bool is_ascii(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t eight;
    std::memcpy(&eight, text.data() + i, 8);
    if (eight & 0x8080808080808080u) return false;
  }
  unsigned char rest = 0;
  for (; i < text.size(); ++i) rest |= static_cast<unsigned char>(text[i]);
  return rest < 0x80;
}

int64_t count_characters(std::string_view text) {
  int64_t n = 0;
  for (char c : text) n += !is_continuation(c);
  return n;
}

// ---- tests ----------------------------------------------------------------------------------------------------------

template <bool kNegated>
void like(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const auto& pattern = *static_cast<const LikePattern*>(kernel.state.get());
  const StringRef* text = args[0].values<StringRef>();
  uint8_t* result = out.values<uint8_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = pattern.matches(text[i].view()) != kNegated;
}

struct StartsWith {
  static bool apply(std::string_view text, std::string_view part) { return text.starts_with(part); }
};
struct EndsWith {
  static bool apply(std::string_view text, std::string_view part) { return text.ends_with(part); }
};
struct Contains {
  static bool apply(std::string_view text, std::string_view part) {
    return part.empty() || memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
  }
};

template <class Test>
void test_columns(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const StringRef* a = args[0].values<StringRef>();
  const StringRef* b = args[1].values<StringRef>();
  uint8_t* result = out.values<uint8_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = Test::apply(a[i].view(), b[i].view());
}
template <class Test>
void test_constant(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const StringRef* a = args[0].values<StringRef>();
  const std::string_view part = kernel.constants[1].text;
  uint8_t* result = out.values<uint8_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = Test::apply(a[i].view(), part);
}

// ---- results --------------------------------------------------------------------------------------------------------

void concat(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const StringRef* a = args[0].values<StringRef>();
  const StringRef* b = args[1].values<StringRef>();
  StringRef* result = out.values<StringRef>();
  for (uint32_t i = 0; i < scope.rows; ++i) {
    const uint32_t left = a[i].size(), right = b[i].size(), size = left + right;
    char buffer[StringRef::kInlineMax];
    char* bytes = size <= StringRef::kInlineMax ? buffer : scope.strings->allocate(size);
    std::memcpy(bytes, a[i].data(), left);
    std::memcpy(bytes + left, b[i].data(), right);
    result[i] = StringRef(bytes, size);
  }
}

void length(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const StringRef* a = args[0].values<StringRef>();
  int64_t* result = out.values<int64_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = count_characters(a[i].view());
}

constexpr int64_t kPositionMax = std::numeric_limits<uint32_t>::max();
constexpr int64_t kPositionMin = -kPositionMax - 1;
bool in_position_range(int64_t n) { return n >= kPositionMin && n <= kPositionMax; }

// Characters [begin, end) that substring(text of n characters, offset, length) takes, as DuckDB counts: from 1, from
// the end for a negative offset, backwards for a negative length; 0 is one before the first.
void substring_range(int64_t n, int64_t offset, int64_t length, int64_t& begin, int64_t& end) {
  if (offset < 0) {
    const int64_t from = -offset;
    const int64_t stop = length < 0 ? from : from - length;  // characters left behind the end
    begin = std::max<int64_t>(0, n - from + std::min<int64_t>(0, length));
    end = stop < 0 ? n : n - stop;  // below 0 when the end lies before the text
  } else {
    const int64_t from = offset - 1;
    begin = std::max<int64_t>(0, length < 0 ? from + length : from);
    end = std::min(n, length < 0 ? from : from + length);
  }
  if (length == 0 || end <= begin) begin = end = 0;
}

StringRef substring_of(StringRef text, int64_t offset, int64_t length) {
  const std::string_view view = text.view();
  int64_t begin, end;
  if (is_ascii(view)) {
    substring_range(static_cast<int64_t>(view.size()), offset, length, begin, end);
    return StringRef(view.data() + begin, static_cast<uint32_t>(end - begin));
  }
  substring_range(count_characters(view), offset, length, begin, end);
  const char* at = view.data();
  const char* stop = at + view.size();
  auto skip = [&](int64_t characters) {
    for (; characters > 0 && at < stop; --characters) {
      do ++at;
      while (at < stop && is_continuation(*at));
    }
  };
  skip(begin);
  const char* first = at;
  skip(end - begin);
  return StringRef(first, static_cast<uint32_t>(at - first));
}

void substring(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const StringRef* text = args[0].values<StringRef>();
  const int64_t* offsets = args[1].values<int64_t>();
  const int64_t* lengths = kernel.argument_types.size() == 3 ? args[2].values<int64_t>() : nullptr;
  StringRef* result = out.values<StringRef>();
  auto fails = [&](uint32_t i) {
    return !in_position_range(offsets[i]) || (lengths && !in_position_range(lengths[i]));
  };
  bool failed = false;
  for (uint32_t i = 0; i < scope.rows; ++i) {
    if (fails(i)) [[unlikely]] {
      failed = true;
      result[i] = StringRef();
      continue;
    }
    result[i] = substring_of(text[i], offsets[i], lengths ? lengths[i] : kPositionMax);
  }
  if (!failed) return;
  report_rows(kernel, scope, out, fails, [&](uint32_t i, std::string& message) {
    message.assign(in_position_range(offsets[i]) ? "Substring length outside of supported range"
                                                 : "Substring offset outside of supported range");
  });
}

template <class Test>
void choose_test(const Expr& expr, Kernel& kernel) {
  if (is_constant(*expr.args[1])) {
    kernel.function = test_constant<Test>;
    use_constant(kernel, expr, 1);
  } else {
    kernel.function = test_columns<Test>;
  }
}

}  // namespace

bool find_string_kernel(const Expr& expr, Kernel* kernel) {
  if (expr.kind != ExprKind::kCall || expr.args.empty()) return false;
  auto argument_is = [&](size_t i, TypeKind kind) { return i < expr.args.size() && expr.args[i]->type.kind == kind; };
  if (!argument_is(0, TypeKind::kVarchar)) return false;
  Kernel ignored;
  Kernel& k = kernel ? *kernel : ignored;
  const bool two_strings = expr.args.size() == 2 && argument_is(1, TypeKind::kVarchar);
  const bool boolean = expr.type.kind == TypeKind::kBoolean;
  switch (expr.op) {
    case Op::kLike:
    case Op::kNotLike:
      if (!two_strings || !boolean || !is_constant(*expr.args[1])) return false;
      k.function = expr.op == Op::kLike ? like<false> : like<true>;
      use_constant(k, expr, 1);
      k.state = std::make_shared<LikePattern>(expr.args[1]->constant.text);
      return true;
    case Op::kStartsWith:
      if (two_strings && boolean) choose_test<StartsWith>(expr, k);
      return two_strings && boolean;
    case Op::kEndsWith:
      if (two_strings && boolean) choose_test<EndsWith>(expr, k);
      return two_strings && boolean;
    case Op::kContains:
      if (two_strings && boolean) choose_test<Contains>(expr, k);
      return two_strings && boolean;
    case Op::kConcat:
      k.function = concat;
      return two_strings && expr.type.kind == TypeKind::kVarchar;
    case Op::kLength:
      k.function = length;
      return expr.args.size() == 1 && expr.type.kind == TypeKind::kInt64;
    case Op::kSubstring:
      k.function = substring;
      k.can_fail = true;
      return expr.type.kind == TypeKind::kVarchar && argument_is(1, TypeKind::kInt64) &&
             (expr.args.size() == 2 || (expr.args.size() == 3 && argument_is(2, TypeKind::kInt64)));
    default:
      return false;  // lower and upper need Unicode's case tables: DuckDB's
  }
}

}  // namespace laminar::expr
