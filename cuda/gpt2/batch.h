#pragma once

#include <cstdint>
#include <vector>

namespace strobe {

// B sequences of T tokens; a target of -1 is not counted.
struct Batch {
  int B = 0, T = 0;
  std::vector<std::int32_t> tokens, targets;
};

}  // namespace strobe
