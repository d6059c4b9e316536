// Where a model can start from, and how it is handed on: llm.c's checkpoints, and any Strobe snapshot.
#pragma once

#include <string>
#include <vector>

#include "gpt2/config.h"

namespace strobe {

struct Start {
  Config config;
  std::vector<float> parameters;  // laid out as parameter_shapes(config) says
};

// A checkpoint of llm.c (magic 20240326, version 3: float32), or step_NNNNNN.bin of a run folder whose manifest says
// family "gpt2". Throws Failure for a wrong magic or version, impossible sizes, and a file cut short.
Start read_start(const std::string& path);

// Writes an llm.c checkpoint, by a temporary file and rename, with a checksum where llm.c looks at nothing. Throws Failure when the architecture is not llm.c's or
// the disk refuses.
void write_checkpoint(const std::string& path, const Config& config, const std::vector<float>& parameters);

}  // namespace strobe
