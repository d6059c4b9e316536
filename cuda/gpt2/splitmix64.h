#pragma once

#include <cstdint>

namespace strobe {

// Output number n (from 0) of the SplitMix64 generator with this state.
inline std::uint64_t splitmix64(std::uint64_t state, std::uint64_t n) {
  std::uint64_t z = state + (n + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace strobe
