#pragma once

#include <string>

#include "checkpoint.h"

namespace strobe {

// The parameters of step_NNNNNN.bin, refused where docs/snapshot-format.md lets a reader refuse the file or its
// manifest, and where its checksum is wrong. Throws Failure.
Start read_snapshot(const std::string& path);

}  // namespace strobe
