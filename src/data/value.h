// One value of any type, for constants, options and results outside the row path.
//
// Owns:    its bytes. For strings and boxed values `text` holds them, else `bits` in the column's layout.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "data/batch.h"
#include "data/type.h"

namespace laminar::data {

struct Value {
  Type type;
  bool is_null = true;
  alignas(16) unsigned char bits[16] = {};
  std::string text;

  template <class T>
  T as() const {
    T value;
    std::memcpy(&value, bits, sizeof value);
    return value;
  }
  template <class T>
  static Value of(Type type, T value) {
    static_assert(sizeof(T) <= 16);
    Value v;
    v.type = std::move(type);
    v.is_null = false;
    std::memcpy(v.bits, &value, sizeof value);
    return v;
  }
  static Value string(std::string text) {
    Value v;
    v.type = Type::of(TypeKind::kVarchar);
    v.is_null = false;
    v.text = std::move(text);
    return v;
  }
  static Value null(Type type) {
    Value v;
    v.type = std::move(type);
    return v;
  }

  // The value of a row, copied.
  static Value from_column(const Type& type, const Column& column, uint32_t row);
  // Writes into row `row`; long strings go to the arena.
  void to_column(Column& column, uint32_t row, StringArena& strings) const;
  bool operator==(const Value& other) const;
};

}  // namespace laminar::data
