// The two checksums of the snapshot format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace strobe {

// The CRC-32 of zlib; give the previous value to go on. Near memory speed where the processor multiplies polynomials.
std::uint32_t crc32(const void* data, std::size_t bytes, std::uint32_t crc = 0);

// FNV-1a, 64 bits.
std::uint64_t fnv1a64(std::string_view data);

}  // namespace strobe
