#pragma once

#include <cstdint>
#include <vector>

#include "options.h"

namespace strobe {

// The steps to record: ranges of "0-1400/100,1500-8500/500,9000", or every N-th, and always the last.
class Schedule {
 public:
  Schedule(const Options& options, std::int64_t last);  // throws Failure
  bool has(std::int64_t step) const;

 private:
  struct Range {
    std::int64_t first, last, every;
  };
  std::vector<Range> ranges_;
};

}  // namespace strobe
