// From what strobe_open is given to what lies where: in every file, and in every slot.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "recorder.h"
#include "slots.h"
#include "snapshot_file.h"

namespace strobe {

struct Plan {
  std::vector<Tensor> tensors;  // placed; the scalars last
  Layout layout;
  std::unordered_map<std::string, std::size_t> scalars;  // the offset of each by its name
};

// Checks all of it as a reader of the manifest would. False, and one line of what is wrong, in `why`.
bool make_plan(const strobe_options& options, const strobe_tensor* tensors, int n_tensors, Plan& out,
               std::string& why);

}  // namespace strobe
