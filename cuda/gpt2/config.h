// What a model is: its sizes, its options, and where each parameter stands.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "rows.h"

namespace strobe {

constexpr int kMostOfASize = 1 << 24;

struct Config {
  int n_layer = 12, n_head = 12, n_embd = 768, mlp_width = 3072, block_size = 1024, vocab_size = 50257;
  int padded_vocab = 50304;  // rows of wte in memory; those from vocab_size on stay zero and are never written
  Activation activation = Activation::gelu_tanh;
  bool layernorm = true, bias = true, tied = true;
  double layernorm_eps = 1e-5;
  double init_std = 0.02;
  bool init_residual = true;         // the two projections into the residual stream start at init_std / sqrt(2 L)
  int fc1_band = -1, fc2_band = -1;  // entries with |row - column| above it stay zero; -1: no band

  // An empty text, or what is wrong with these numbers; nothing of them may be multiplied before.
  std::string problem() const;
  // llm.c's checkpoints know one architecture: LayerNorm, biases, tanh GELU, tied head, MLP four times the width.
  bool is_llmc() const;
};

const char* activation_name(Activation activation);

// What `padded_vocab` is for a model made here: rows of logits stay aligned.
int padded(int vocab_size);

enum Parameter {
  wte,
  wpe,
  ln1w,
  ln1b,
  qkvw,
  qkvb,
  attprojw,
  attprojb,
  ln2w,
  ln2b,
  fcw,
  fcb,
  fcprojw,
  fcprojb,
  lnfw,
  lnfb,
  unembed
};  // llm.c's 16 in its order, and the head of a model that does not share wte
constexpr int kParameters = 17;

// One parameter as a snapshot has it. `present` is false for what the options leave out.
struct ParameterShape {
  const char* name;
  bool present, decayed;  // weight decay is for matrices
  std::vector<const char*> dims;
  std::vector<std::int64_t> shape;
  std::size_t offset, count;  // floats, in one allocation of all parameters; with padding rows
  bool per_layer() const { return present && std::string(dims[0]) == "layer"; }
  std::size_t stored() const;  // floats without padding rows
};

std::array<ParameterShape, kParameters> parameter_shapes(const Config& config);
std::size_t total_count(const std::array<ParameterShape, kParameters>& shapes);  // floats in memory
std::int64_t n_params(const std::array<ParameterShape, kParameters>& shapes);    // without padding

// All parameters as the seed makes them, laid out as in memory: normal weights by SplitMix64 and Box-Muller,
// LayerNorm weights 1, biases 0, entries outside a band 0.
std::vector<float> initial_parameters(const Config& config, std::uint64_t seed);
void apply_bands(const Config& config, std::vector<float>& parameters);

}  // namespace strobe
