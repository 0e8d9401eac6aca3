// Plain values to bytes and back, for the log, checkpoints and manifests: little endian, lengths as u32, nothing padded.
//
// Threads: one owner at a time.
// Errors:  a reader that runs out of bytes gives zeros and says so by ok(): check it once, at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace laminar {

static_assert(std::endian::native == std::endian::little);

class ByteWriter {
 public:
  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  ByteWriter& put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  ByteWriter& raw(const void* bytes, size_t n) {
    bytes_.append(static_cast<const char*>(bytes), n);
    return *this;
  }
  // Length and bytes.
  ByteWriter& text(std::string_view text) { return put(static_cast<uint32_t>(text.size())).raw(text.data(), text.size()); }
  // A number that was put before, anew.
  template <class T>
  void overwrite(size_t position, T value) { std::memcpy(bytes_.data() + position, &value, sizeof value); }

  std::string_view view() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  void clear() { bytes_.clear(); }  // keeps the room

 private:
  std::string bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  T get() {
    T value{};
    const std::string_view bytes = raw(sizeof value);
    if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  // n bytes in place, none when there are fewer.
  std::string_view raw(size_t n) {
    if (n > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view bytes = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return bytes;
  }
  std::string_view text() { return raw(get<uint32_t>()); }

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace laminar
