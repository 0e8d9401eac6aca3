// CRC-32C (Castagnoli), the checksum of everything that the database itself writes to disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace laminar {

// Goes on from `crc`, the result for the bytes before; 0 at the start. By the processor's instruction where it has one.
uint32_t crc32c(uint32_t crc, const void* bytes, size_t n);
inline uint32_t crc32c(std::string_view bytes) { return crc32c(0, bytes.data(), bytes.size()); }

}  // namespace laminar
