#pragma once

#include <stdexcept>

namespace strobe {

// What went wrong, in one line; main prints it and exits.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace strobe
