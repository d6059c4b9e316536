#pragma once

#include <cstdint>

#include "options.h"
#include "recorder/json.h"

namespace strobe {

// The manifest's `training`, as far as the command line decides it.
Json training_entry(const Options& options, std::int64_t steps);

// What --print-config shows: the model, the task, the training, and the steps to record.
Json config_entry(const Options& options, const Config& model);

}  // namespace strobe
