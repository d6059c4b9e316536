#include "model_entry.h"

namespace strobe {

Json model_entry(const Config& c) {
  Json entry = Json::object();
  entry.set("family", "gpt2").set("n_layer", c.n_layer).set("n_head", c.n_head).set("n_embd", c.n_embd);
  entry.set("mlp_width", c.mlp_width).set("block_size", c.block_size).set("vocab_size", c.vocab_size);
  entry.set("activation", activation_name(c.activation)).set("layernorm", c.layernorm ? "pre" : "none");
  entry.set("layernorm_eps", c.layernorm_eps).set("bias", c.bias).set("tied_embeddings", c.tied);
  entry.set("init_std", c.init_std).set("init_residual", c.init_residual);
  if (c.fc1_band >= 0) entry.set("fc1_band", c.fc1_band);
  if (c.fc2_band >= 0) entry.set("fc2_band", c.fc2_band);
  return entry.set("n_params", n_params(parameter_shapes(c)));
}

}  // namespace strobe
