// A string in 16 bytes, laid out as DuckDB's string_t: up to 12 bytes inline, longer ones by prefix and pointer.
//
// Owns:    nothing; long bytes live in the batch's or the state's StringArena.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace laminar::data {

class StringRef {
 public:
  static constexpr uint32_t kInlineMax = 12;

  StringRef() { std::memset(this, 0, sizeof *this); }
  // Refers to the bytes when they are longer than kInlineMax, else copies them. Unused inline bytes are zero, so equal
  // short strings have equal 16 bytes.
  StringRef(const char* bytes, uint32_t length) {
    std::memset(this, 0, sizeof *this);
    value_.near_.length = length;
    if (length <= kInlineMax) {
      std::memcpy(value_.near_.bytes, bytes, length);
    } else {
      std::memcpy(value_.far_.prefix, bytes, 4);
      value_.far_.pointer = bytes;
    }
  }
  explicit StringRef(std::string_view text) : StringRef(text.data(), static_cast<uint32_t>(text.size())) {}

  uint32_t size() const { return value_.near_.length; }
  bool is_inline() const { return size() <= kInlineMax; }
  const char* data() const { return is_inline() ? value_.near_.bytes : value_.far_.pointer; }
  std::string_view view() const { return {data(), size()}; }

  bool operator==(const StringRef& other) const {
    uint64_t a[2], b[2];
    std::memcpy(a, this, 16);
    std::memcpy(b, &other, 16);
    if (a[0] != b[0]) return false;  // length and the first four bytes
    if (a[1] == b[1]) return true;
    return !is_inline() && std::memcmp(value_.far_.pointer, other.value_.far_.pointer, size()) == 0;
  }

 private:
  union {
    struct {
      uint32_t length;
      char bytes[12];
    } near_;
    struct {
      uint32_t length;
      char prefix[4];
      const char* pointer;
    } far_;
  } value_;
};
static_assert(sizeof(StringRef) == 16);

}  // namespace laminar::data
