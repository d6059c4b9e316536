#include "presets.h"

namespace strobe {

namespace {

void set_sizes(Options& o, int layers, int heads, int width, int positions, int vocabulary) {
  Config c;
  c.n_layer = layers;
  c.n_head = heads;
  c.n_embd = width;
  c.mlp_width = 4 * width;
  c.block_size = positions;
  c.vocab_size = vocabulary;
  o.model = c;
}

void modular(Options& o, int modulus, double fraction, int steps) {
  o.modadd = true;
  o.modulus = modulus;
  o.train_fraction = fraction;
  o.steps = steps;
  o.B = 512;
  o.learning_rate = 1e-3;
  o.optimizer = {0.9, 0.98, 1e-8, 1.0};
  o.eval_every = 50;
}

void one_layer(Options& o, double gain) {
  set_sizes(o, 1, 4, 128, 3, 98);
  o.model.activation = Activation::relu;
  o.model.layernorm = o.model.bias = o.model.tied = o.model.init_residual = false;
  o.init_gain = gain;
}

}  // namespace

void apply_preset(Options& o) {
  if (o.preset == "grok") {
    one_layer(o, 0.8);
    modular(o, 97, 0.3, 14000);
    o.schedule = "0-3000/50,3000-14000/100";
  } else if (o.preset == "small") {
    set_sizes(o, 2, 4, 128, 3, 98);
    modular(o, 97, 0.4, 2000);
    o.warmup = 10;
    o.eval_every = 20;
  } else if (o.preset == "nanda") {
    one_layer(o, 1.0);
    modular(o, 113, 0.3, 40000);
    o.warmup = 10;
    o.B = 0;
    o.double_loss = true;
    o.eval_every = 20;
    o.schedule = "0-2000/100,2000-40000/500";
  } else if (o.preset == "dev") {
    set_sizes(o, 6, 5, 320, 256, 256);
    o.T = 256;
    o.B = 16;
    o.learning_rate = 1e-3;
    o.warmup = 100;
    o.grad_clip = 1.0;
    o.steps = 2000;
    o.eval_every = 100;
    o.model_seed = o.data_seed = 0;
  }
}

void apply_sums(Options& o) {
  if (o.preset == "grok" || o.preset == "small" || o.preset == "nanda") return;
  // Without a preset the smallest model that is known to grok; a size that was given comes after this.
  if (o.preset.empty()) one_layer(o, 0.8);
  modular(o, 97, 0.3, 14000);
  o.T = 3;
}

}  // namespace strobe
