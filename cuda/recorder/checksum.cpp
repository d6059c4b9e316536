#include "checksum.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace strobe {

namespace {

constexpr std::uint32_t kPolynomial = 0xEDB88320u;  // bit-reflected, as everything here

// value * x modulo the polynomial.
constexpr std::uint32_t times_x(std::uint32_t value) { return (value >> 1) ^ (value & 1 ? kPolynomial : 0u); }

// Eight tables, so that a step of the loop takes eight bytes instead of one.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

Tables make_tables() {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    tables[0][i] = i;
    for (int bit = 0; bit < 8; ++bit) tables[0][i] = times_x(tables[0][i]);
  }
  for (std::size_t t = 1; t < 8; ++t)
    for (std::size_t i = 0; i < 256; ++i) tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 255];
  return tables;
}

// `state` is a checksum before its bits are turned round at the end.
std::uint32_t by_tables(const unsigned char* at, std::size_t bytes, std::uint32_t state) {
  static const Tables tables = make_tables();
  for (; bytes >= 8; at += 8, bytes -= 8) {
    std::uint32_t low, high;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + 4, 4);
    low ^= state;
    state = 0;
    for (int i = 0; i < 4; ++i) {
      const auto at_low = static_cast<std::size_t>(7 - i), at_high = static_cast<std::size_t>(3 - i);
      state ^= tables[at_low][(low >> 8 * i) & 255] ^ tables[at_high][(high >> 8 * i) & 255];
    }
  }
  for (; bytes; ++at, --bytes) state = (state >> 8) ^ tables[0][(state ^ *at) & 255];
  return state;
}

#if defined(__x86_64__)

// x^n modulo the polynomial. The product of two reflected numbers comes out one bit too low: hence the shift.
constexpr long long power_of_x(int n) {
  std::uint32_t value = 0x80000000u;
  for (int i = 0; i < n; ++i) value = times_x(value);
  return static_cast<long long>(std::uint64_t{value} << 1);
}

#define STROBE_CLMUL __attribute__((target("pclmul,sse2")))

STROBE_CLMUL inline __m128i load(const unsigned char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

// `sum` moved so many bits on as `powers` say, onto `next`: its lower half times one power of x, its upper half times
// the other, which leaves the remainder of the whole as it was.
STROBE_CLMUL inline __m128i fold(__m128i sum, __m128i powers, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(sum, powers, 0x00), high = _mm_clmulepi64_si128(sum, powers, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// The state after the whole 64-byte blocks of `bytes`, at least one.
STROBE_CLMUL std::uint32_t by_folding(const unsigned char* at, std::size_t bytes, std::uint32_t state) {
  const __m128i by_512 = _mm_set_epi64x(power_of_x(512 - 32), power_of_x(512 + 32));
  const __m128i by_128 = _mm_set_epi64x(power_of_x(128 - 32), power_of_x(128 + 32));
  __m128i a = _mm_xor_si128(load(at), _mm_cvtsi32_si128(static_cast<int>(state)));
  __m128i b = load(at + 16), c = load(at + 32), d = load(at + 48);
  for (at += 64, bytes -= 64; bytes >= 64; at += 64, bytes -= 64) {
    a = fold(a, by_512, load(at));
    b = fold(b, by_512, load(at + 16));
    c = fold(c, by_512, load(at + 32));
    d = fold(d, by_512, load(at + 48));
  }
  d = fold(fold(fold(a, by_128, b), by_128, c), by_128, d);
  unsigned char rest[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), d);
  return by_tables(rest, sizeof rest, 0);
}

#endif

}  // namespace

std::uint32_t crc32(const void* data, std::size_t bytes, std::uint32_t crc) {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint32_t state = ~crc;
#if defined(__x86_64__)
  static const bool can_multiply = __builtin_cpu_supports("pclmul");
  if (can_multiply && bytes >= 64) {
    state = by_folding(at, bytes, state);
    at += bytes / 64 * 64;
    bytes %= 64;
  }
#endif
  return ~by_tables(at, bytes, state);
}

std::uint64_t fnv1a64(std::string_view data) {
  std::uint64_t value = 0xCBF29CE484222325u;
  for (const char byte : data) value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  return value;
}

}  // namespace strobe
