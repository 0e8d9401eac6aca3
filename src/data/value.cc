#include "data/value.h"

namespace laminar::data {

Value Value::from_column(const Type& type, const Column& column, uint32_t row) {
  Value value;
  value.type = type;
  if (column.is_null(row)) return value;
  value.is_null = false;
  if (column.physical == Physical::kString) {
    value.text = column.values<StringRef>()[row].view();
  } else {
    const uint32_t size = physical_size(column.physical);
    std::memcpy(value.bits, static_cast<const char*>(column.data) + size_t{row} * size, size);
  }
  return value;
}

void Value::to_column(Column& column, uint32_t row, StringArena& strings) const {
  if (is_null) {
    set_null(column.validity, row);
    if (column.physical == Physical::kString) column.values<StringRef>()[row] = StringRef();
    return;
  }
  if (column.validity) set_valid(column.validity, row);
  if (column.physical == Physical::kString) {
    column.values<StringRef>()[row] = strings.copy(std::string_view(text));
  } else {
    const uint32_t size = physical_size(column.physical);
    std::memcpy(static_cast<char*>(column.data) + size_t{row} * size, bits, size);
  }
}

bool Value::operator==(const Value& other) const {
  if (!(type == other.type) || is_null != other.is_null) return false;
  if (is_null) return true;
  if (type.physical() == Physical::kString) return text == other.text;
  return std::memcmp(bits, other.bits, physical_size(type.physical())) == 0;
}

}  // namespace laminar::data
