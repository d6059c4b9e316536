#pragma once

#include "options.h"

namespace strobe {

// The numbers of the preset that `o.preset` names: those of `strobe train`'s, and the size of GPT-2.
void apply_preset(Options& o);

// The numbers of `--task modadd`, unless the preset has some already.
void apply_sums(Options& o);

}  // namespace strobe
