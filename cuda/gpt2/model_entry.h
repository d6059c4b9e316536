#pragma once

#include "config.h"
#include "recorder/json.h"

namespace strobe {

// The manifest's `model`.
Json model_entry(const Config& config);

}  // namespace strobe
