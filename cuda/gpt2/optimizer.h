#pragma once

namespace strobe {

// AdamW's numbers (Loshchilov and Hutter, 2019); weight decay is applied to matrices only.
struct Optimizer {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1;
};

}  // namespace strobe
