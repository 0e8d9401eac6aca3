// NOT, IS [NOT] NULL, and IN over constants.
#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "expr/compare.h"
#include "expr/kernel.h"

namespace laminar::expr {

namespace {

using data::Column;
using data::StringRef;

void logical_not(const Kernel&, const Column* args, Scope& scope, Column& out) {
  const uint8_t* a = args[0].values<uint8_t>();
  uint8_t* result = out.values<uint8_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = (a[i] & 1) ^ 1;
}

template <bool kNegated>
void is_null(const Kernel&, const Column* args, Scope& scope, Column& out) {
  uint8_t* result = out.values<uint8_t>();
  if (!args[0].validity) {
    std::memset(result, kNegated, scope.rows);
    return;
  }
  bytes_from_bits(args[0].validity, scope.rows, result);
  if constexpr (!kNegated) {
    for (uint32_t i = 0; i < scope.rows; ++i) result[i] ^= 1;
  }
}

// ---- IN -------------------------------------------------------------------------------------------------------------

// Where the list holds a NULL, a value that is not in it is NULL.
void null_where_absent(const Kernel& kernel, Scope& scope, Column& out) {
  if (!kernel.params[0]) return;
  const uint8_t* result = out.values<uint8_t>();
  null_rows(kernel, scope, out, [&](uint32_t i) { return result[i] == 0; });
}

template <class T>
void in_few(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const auto& list = *static_cast<const std::vector<T>*>(kernel.state.get());
  const T* a = args[0].values<T>();
  uint8_t* result = out.values<uint8_t>();
  std::memset(result, 0, scope.rows);
  for (const T& candidate : list) {
    const T b = candidate;
    for (uint32_t i = 0; i < scope.rows; ++i) result[i] |= Equal::apply<T>(load(a, i), b);
  }
  null_where_absent(kernel, scope, out);
}

template <class T>
void in_many(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const auto& list = *static_cast<const std::vector<T>*>(kernel.state.get());  // sorted
  const T* a = args[0].values<T>();
  uint8_t* result = out.values<uint8_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = std::binary_search(list.begin(), list.end(), load(a, i));
  null_where_absent(kernel, scope, out);
}

void in_strings(const Kernel& kernel, const Column* args, Scope& scope, Column& out) {
  const auto& list = *static_cast<const std::unordered_set<std::string_view>*>(kernel.state.get());
  const StringRef* a = args[0].values<StringRef>();
  uint8_t* result = out.values<uint8_t>();
  for (uint32_t i = 0; i < scope.rows; ++i) result[i] = list.contains(a[i].view());
  null_where_absent(kernel, scope, out);
}

struct StringSet {
  std::vector<std::string> texts;
  std::unordered_set<std::string_view> views;
};

bool find_in(const Expr& expr, Kernel* kernel) {
  if (expr.args.size() < 2) return false;
  const data::Type& type = expr.args[0]->type;
  bool has_null = false;
  for (size_t i = 1; i < expr.args.size(); ++i) {
    const Expr& arg = *expr.args[i];
    if (arg.kind != ExprKind::kConstant) return false;
    has_null |= arg.constant.is_null;
    const bool same =
        arg.type.kind == type.kind && arg.type.physical() == type.physical() && arg.type.scale == type.scale;
    if (!same && !arg.constant.is_null) return false;
  }
  return with_comparable(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (!kernel) return true;
    kernel->params[0] = has_null;
    kernel->constant_args = ~1u;
    if constexpr (std::is_same_v<T, StringRef>) {
      auto set = std::make_shared<StringSet>();
      for (size_t i = 1; i < expr.args.size(); ++i) {
        if (is_constant(*expr.args[i])) set->texts.push_back(expr.args[i]->constant.text);
      }
      for (const std::string& text : set->texts) set->views.insert(text);
      kernel->state = std::shared_ptr<const void>(set, &set->views);
      kernel->function = in_strings;
    } else {
      auto list = std::make_shared<std::vector<T>>();
      for (size_t i = 1; i < expr.args.size(); ++i) {
        if (is_constant(*expr.args[i])) list->push_back(constant_value<T>(expr.args[i]->constant));
      }
      kernel->function = in_few<T>;
      if constexpr (!std::is_floating_point_v<T> && !std::is_same_v<T, Interval>) {
        if (list->size() > 12) {
          std::sort(list->begin(), list->end());
          kernel->function = in_many<T>;
        }
      }
      kernel->state = std::move(list);
    }
    return true;
  });
}

}  // namespace

bool find_logic_kernel(const Expr& expr, Kernel* kernel) {
  if (expr.kind != ExprKind::kCall || expr.type.kind != data::TypeKind::kBoolean) return false;
  auto accept = [&](KernelFunction function, bool strict) {
    if (kernel) {
      kernel->function = function;
      kernel->strict = strict;
    }
    return true;
  };
  switch (expr.op) {
    case Op::kNot:
      return expr.args.size() == 1 && expr.args[0]->type.kind == data::TypeKind::kBoolean && accept(logical_not, true);
    case Op::kIsNull:
      return expr.args.size() == 1 && accept(is_null<false>, false);
    case Op::kIsNotNull:
      return expr.args.size() == 1 && accept(is_null<true>, false);
    case Op::kIn:
      return find_in(expr, kernel);
    default:
      return false;
  }
}

}  // namespace laminar::expr
