// GPT-2 in float32: parameters, what a forward pass leaves behind, and what a backward pass needs beside it.
//
// B sequences, T positions, C channels, H heads of D channels, F MLP width, L layers, V vocabulary (P with padding).
// The same source runs on a CUDA device and, compiled by a host compiler, on the host.
#pragma once

#include <algorithm>
#include <memory>

#include "batch.h"
#include "config.h"
#include "device.h"
#include "optimizer.h"

// A function of the device, with copies of what it names.
#ifdef __CUDACC__
#define STROBE_LAMBDA [=] __device__
#else
#define STROBE_LAMBDA [=]
#endif

namespace strobe {

using Floats = Buffer<float>;

// For each head of each sequence, where its matrix stands; cuBLAS takes the products of all of them in one call.
struct HeadPointers {
  Buffer<float*> q, k, v, att, y;
  // `layers` times B sequences of H heads: q, k, v inside qkv (layers, B, T, 3C), y inside (layers, B, T, C).
  HeadPointers(Device& device, const Config& c, int layers, int B, int T, float* qkv, float* att, float* y);
};

// What a forward pass over at most B sequences of T positions leaves.
struct Activations {
  Activations(Device& device, const Config& config, int B, int T, bool head);

  int B, T;
  std::int64_t rows() const { return std::int64_t{B} * T; }
  Buffer<std::int32_t> tokens, targets;  // (B, T)
  Floats encoded;                        // (B, T, C)
  Floats ln1, ln1_mean, ln1_rstd;        // (L, B, T, C), (L, B, T)
  Floats qkv, att, atty, residual2;      // (L, B, T, 3C), (L, B, H, T, T), (L, B, T, C) twice
  Floats ln2, ln2_mean, ln2_rstd;
  Floats fch, fcact, residual3;    // before and after the nonlinearity (L, B, T, F), (L, B, T, C)
  Floats lnf, lnf_mean, lnf_rstd;  // (B, T, C), (B, T)
  Floats logits, losses;           // (B, T, P), (B, T)
  Buffer<std::int32_t> right;      // (B, T): whether the target has the largest logit
  HeadPointers heads;
};

// What a backward pass needs: one layer's worth of each gradient.
struct Gradients {
  Gradients(Device& device, const Config& config, int B, int T);

  Floats residual, normed, fch, qkv, atty, att;  // (B, T, C) twice, (B, T, F), (B, T, 3C), (B, T, C), (B, H, T, T)
  HeadPointers heads;
  // The positions of each token that occurs: token u of `unique` stands at order[first[u]] .. order[first[u + 1] -
  // 1].
  Buffer<std::int32_t> unique, first, order;
  int n_unique = 0;
};

struct GPT2 {
  GPT2(Device& device, const Config& config, const std::vector<float>& parameters, int B, int T, bool double_loss);

  Device& device;
  Config config;
  std::array<ParameterShape, kParameters> shapes;
  Floats parameters, gradients, m, v;  // one layout: `shapes`
  Activations acts;
  Gradients backward_acts;
  bool double_loss;  // the cross-entropy's sums in float64
  std::int64_t updates = 0;

  std::shared_ptr<struct Record> record;  // null: nothing is recorded

  float* parameter(Parameter which, int layer = 0) { return of(parameters, which, layer); }
  float* gradient(Parameter which, int layer = 0) { return of(gradients, which, layer); }
  float* of(Floats& all, Parameter which, int layer) {
    const ParameterShape& shape = shapes[which];
    if (!shape.present) return nullptr;
    return all.data() + shape.offset + (shape.per_layer() ? layer * (shape.count / config.n_layer) : 0);
  }
};

inline HeadPointers::HeadPointers(Device& device, const Config& c, int layers, int B, int T, float* qkv_at,
                                  float* att_at, float* y_at) {
  const std::size_t count = std::size_t(layers) * B * c.n_head;
  const std::size_t C = c.n_embd, D = C / c.n_head, t = T;
  std::vector<float*> tables[5];
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t sequence = i / c.n_head, head = i % c.n_head;
    for (std::size_t part = 0; part < 3; ++part)
      tables[part].push_back(qkv_at + sequence * t * 3 * C + part * C + head * D);
    tables[3].push_back(att_at + i * t * t);
    tables[4].push_back(y_at + sequence * t * C + head * D);
  }
  Buffer<float*>* to[] = {&q, &k, &v, &att, &y};
  for (int i = 0; i < 5; ++i) {
    *to[i] = Buffer<float*>(device, count);
    to[i]->upload(tables[i]);
  }
}

inline Activations::Activations(Device& device, const Config& c, int B_, int T_, bool head)
    : B(B_),
      T(T_),
      tokens(device, rows()),
      targets(device, rows()),
      encoded(device, rows() * c.n_embd),
      ln1(device, c.layernorm ? c.n_layer * rows() * c.n_embd : 0),
      ln1_mean(device, c.layernorm ? c.n_layer * rows() : 0),
      ln1_rstd(device, c.layernorm ? c.n_layer * rows() : 0),
      qkv(device, c.n_layer * rows() * 3 * c.n_embd),
      att(device, std::size_t(c.n_layer) * c.n_head * rows() * T),
      atty(device, c.n_layer * rows() * c.n_embd),
      residual2(device, c.n_layer * rows() * c.n_embd),
      ln2(device, c.layernorm ? c.n_layer * rows() * c.n_embd : 0),
      ln2_mean(device, c.layernorm ? c.n_layer * rows() : 0),
      ln2_rstd(device, c.layernorm ? c.n_layer * rows() : 0),
      fch(device, c.n_layer * rows() * c.mlp_width),
      fcact(device, c.n_layer * rows() * c.mlp_width),
      residual3(device, c.n_layer * rows() * c.n_embd),
      lnf(device, c.layernorm ? rows() * c.n_embd : 0),
      lnf_mean(device, c.layernorm ? rows() : 0),
      lnf_rstd(device, c.layernorm ? rows() : 0),
      logits(device, head ? rows() * c.padded_vocab : 0),
      losses(device, head ? rows() : 0),
      right(device, head ? rows() : 0),
      heads(device, c, c.n_layer, B, T, qkv.data(), att.data(), atty.data()) {}

inline Gradients::Gradients(Device& device, const Config& c, int B, int T)
    : residual(device, std::size_t(B) * T * c.n_embd),
      normed(device, std::size_t(B) * T * c.n_embd),
      fch(device, std::size_t(B) * T * c.mlp_width),
      qkv(device, std::size_t(B) * T * 3 * c.n_embd),
      atty(device, std::size_t(B) * T * c.n_embd),
      att(device, std::size_t(B) * c.n_head * T * T),
      heads(device, c, 1, B, T, qkv.data(), att.data(), atty.data()),
      unique(device, std::size_t(B) * T),
      first(device, std::size_t(B) * T + 1),
      order(device, std::size_t(B) * T) {}

inline GPT2::GPT2(Device& device_, const Config& config_, const std::vector<float>& initial, int B, int T,
                  bool double_)
    : device(device_),
      config(config_),
      shapes(parameter_shapes(config_)),
      parameters(device_, total_count(shapes)),
      gradients(device_, total_count(shapes)),
      m(device_, total_count(shapes)),
      v(device_, total_count(shapes)),
      acts(device_, config_, B, T, true),
      backward_acts(device_, config_, B, T),
      double_loss(double_) {
  parameters.upload(initial);
}

}  // namespace strobe
