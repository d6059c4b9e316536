#include "schedule.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "gpt2/failure.h"

namespace strobe {

Schedule::Schedule(const Options& options, std::int64_t last) {
  ranges_.push_back({last, last, 1});
  if (options.schedule.empty()) ranges_.push_back({0, last, options.snapshot_every});
  std::istringstream parts(options.schedule);
  for (std::string part; std::getline(parts, part, ',');) {
    Range range{0, 0, 1};
    int used = 0;
    const int found =
        std::sscanf(part.c_str(), "%15ld-%15ld/%15ld%n", &range.first, &range.last, &range.every, &used);
    if (found < 3) {
      range.every = 1;
      used = 0;
      if (std::sscanf(part.c_str(), "%15ld-%15ld%n", &range.first, &range.last, &used) < 2 || !used) {
        if (std::sscanf(part.c_str(), "%15ld%n", &range.first, &used) < 1) used = -1;
        range.last = range.first;
      }
    }
    if (used != static_cast<int>(part.size()) || range.first < 0 || range.last < range.first || range.every < 1)
      throw Failure("--schedule: '" + part +
                    "' is not STEP, FIRST-LAST or FIRST-LAST/EVERY; write 0-1400/100,1500-8500/500");
    ranges_.push_back(range);
  }
}

bool Schedule::has(std::int64_t step) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
    return step >= range.first && step <= range.last && (step - range.first) % range.every == 0;
  });
}

}  // namespace strobe
