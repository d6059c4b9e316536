// The forward pass, the head with its cross-entropy, and evaluation.
#pragma once

#include "gpt2.h"

namespace strobe {

// Where the input of a layer's LayerNorm stands: the residual stream after the layer before.
inline const float* residual_before(const Config& c, const Activations& a, int layer) {
  return layer == 0 ? a.encoded.data() : a.residual3.data() + (layer - 1) * a.rows() * c.n_embd;
}

// What the layer's matrices read: the normalised stream, or the stream itself in a model without LayerNorm.
inline const float* normed(const Config& c, const Activations& a, const Floats& buffer, const float* plain,
                           int layer) {
  return c.layernorm ? buffer.data() + layer * a.rows() * c.n_embd : plain;
}

inline void layernorm(GPT2& model, std::int64_t rows, const float* x, float* y, float* mean, float* rstd,
                      const float* weight, const float* bias) {
  const int C = model.config.n_embd;
  const float eps = static_cast<float>(model.config.layernorm_eps);
  model.device.rows(
      rows, STROBE_LAMBDA(auto group, std::int64_t row) {
        layernorm_row(group, y + row * C, mean + row, rstd + row, x + row * C, weight, bias, C, eps);
      });
}

// y (rows, out) = x (rows, in) w^T for w (out, in).
inline void linear(GPT2& model, std::int64_t rows, float* y, const float* x, const float* w, int in, int out) {
  model.device.matmul({static_cast<int>(rows), out, in, false, true, in, in, out, 1.0f, 0.0f}, x, w, y);
}

inline void embed(GPT2& model, Activations& a, std::int64_t rows) {
  const int C = model.config.n_embd, T = a.T;
  const std::int32_t* tokens = a.tokens.data();
  const float *by_token = model.parameter(wte), *by_position = model.parameter(wpe);
  float* out = a.encoded.data();
  model.device.cells(
      rows, C, STROBE_LAMBDA(std::int64_t row, int c) {
        out[row * C + c] = by_token[std::int64_t{tokens[row]} * C + c] + by_position[row % T * C + c];
      });
}

inline void add_bias(GPT2& model, std::int64_t rows, int columns, float* y, const float* bias) {
  if (!bias) return;
  model.device.cells(rows, columns, STROBE_LAMBDA(std::int64_t row, int c) { y[row * columns + c] += bias[c]; });
}

// y += x + bias, where y holds a block's output and x the stream that it is added to.
inline void add_residual(GPT2& model, std::int64_t rows, float* y, const float* x, const float* bias) {
  const int C = model.config.n_embd;
  model.device.cells(
      rows, C, STROBE_LAMBDA(std::int64_t row, int c) {
        const float value = y[row * C + c] + x[row * C + c];
        y[row * C + c] = bias ? value + bias[c] : value;
      });
}

inline void attend(GPT2& model, Activations& a, int B, int layer) {
  const int H = model.config.n_head, C = model.config.n_embd, D = C / H, T = a.T, heads = B * H;
  const std::size_t first = std::size_t(layer) * a.B * H;
  const float scale = 1.0f / sqrtf(static_cast<float>(D));
  const HeadPointers& p = a.heads;
  model.device.batched_matmul({T, T, D, false, true, 3 * C, 3 * C, T, scale, 0.0f}, p.q.data() + first,
                              p.k.data() + first, p.att.data() + first, heads);
  float* att = a.att.data() + first * T * T;
  model.device.rows(
      std::int64_t{heads} * T, STROBE_LAMBDA(auto group, std::int64_t row) {
        causal_softmax_row(group, att + row * T, static_cast<int>(row % T), T);
      });
  model.device.batched_matmul({T, D, T, false, false, T, 3 * C, C, 1.0f, 0.0f}, p.att.data() + first,
                              p.v.data() + first, p.y.data() + first, heads);
}

inline void mlp(GPT2& model, Activations& a, std::int64_t rows, int layer, const float* input) {
  const int F = model.config.mlp_width, C = model.config.n_embd;
  float *before = a.fch.data() + layer * a.rows() * F, *after = a.fcact.data() + layer * a.rows() * F;
  linear(model, rows, before, input, model.parameter(fcw, layer), C, F);
  const float* bias = model.parameter(fcb, layer);
  const Activation kind = model.config.activation;
  model.device.cells(
      rows, F, STROBE_LAMBDA(std::int64_t row, int c) {
        const float x = before[row * F + c] + (bias ? bias[c] : 0.0f);
        before[row * F + c] = x;
        after[row * F + c] = activate(kind, x);
      });
  linear(model, rows, a.residual3.data() + layer * a.rows() * C, after, model.parameter(fcprojw, layer), F, C);
}

inline void forward_layer(GPT2& model, Activations& a, int B, int layer) {
  const Config& c = model.config;
  const int C = c.n_embd;
  const std::int64_t rows = std::int64_t{B} * a.T, at = layer * a.rows();
  const float* stream = residual_before(c, a, layer);
  if (c.layernorm)
    layernorm(model, rows, stream, a.ln1.data() + at * C, a.ln1_mean.data() + at, a.ln1_rstd.data() + at,
              model.parameter(ln1w, layer), model.parameter(ln1b, layer));
  float* qkv = a.qkv.data() + at * 3 * C;
  linear(model, rows, qkv, normed(c, a, a.ln1, stream, layer), model.parameter(qkvw, layer), C, 3 * C);
  add_bias(model, rows, 3 * C, qkv, model.parameter(qkvb, layer));
  attend(model, a, B, layer);
  float* middle = a.residual2.data() + at * C;
  linear(model, rows, middle, a.atty.data() + at * C, model.parameter(attprojw, layer), C, C);
  add_residual(model, rows, middle, stream, model.parameter(attprojb, layer));
  if (c.layernorm)
    layernorm(model, rows, middle, a.ln2.data() + at * C, a.ln2_mean.data() + at, a.ln2_rstd.data() + at,
              model.parameter(ln2w, layer), model.parameter(ln2b, layer));
  mlp(model, a, rows, layer, normed(c, a, a.ln2, middle, layer));
  add_residual(model, rows, a.residual3.data() + at * C, middle, model.parameter(fcprojb, layer));
}

// From the first B sequences of a.tokens to the normalised stream.
inline void forward(GPT2& model, Activations& a, int B) {
  const Config& c = model.config;
  const std::int64_t rows = std::int64_t{B} * a.T;
  embed(model, a, rows);
  for (int layer = 0; layer < c.n_layer; ++layer) forward_layer(model, a, B, layer);
  if (c.layernorm)
    layernorm(model, rows, residual_before(c, a, c.n_layer), a.lnf.data(), a.lnf_mean.data(), a.lnf_rstd.data(),
              model.parameter(lnfw), model.parameter(lnfb));
}

inline const float* last_stream(const GPT2& model, const Activations& a) {
  return normed(model.config, a, a.lnf, residual_before(model.config, a, model.config.n_layer), 0);
}

inline void compute_logits(GPT2& model, Activations& a, std::int64_t rows) {
  const int C = model.config.n_embd, P = model.config.padded_vocab;
  linear(model, rows, a.logits.data(), last_stream(model, a), model.parameter(model.config.tied ? wte : unembed), C,
         P);
}

template <class Real>
void cross_entropy(GPT2& model, Activations& a, std::int64_t rows, float scale, bool gradient) {
  const int V = model.config.vocab_size, P = model.config.padded_vocab;
  float *losses = a.losses.data(), *logits = a.logits.data();
  std::int32_t* right = a.right.data();
  const std::int32_t* targets = a.targets.data();
  const auto row_of = STROBE_LAMBDA(auto group, std::int64_t row) {
    cross_entropy_row<Real>(group, losses + row, right + row, logits + row * P, targets[row], V, P, scale, gradient);
  };
  if (V > 1024) {
    model.device.wide_rows(rows, row_of);
  } else {
    model.device.rows(rows, row_of);
  }
}

// Logits and losses of the first B sequences; with `gradient` the logits become their gradients, times `scale`.
inline void head(GPT2& model, Activations& a, int B, float scale, bool gradient) {
  const std::int64_t rows = std::int64_t{B} * a.T;
  compute_logits(model, a, rows);
  if (model.double_loss) {
    cross_entropy<double>(model, a, rows, scale, gradient);
  } else {
    cross_entropy<float>(model, a, rows, scale, gradient);
  }
}

inline double sum_of_losses(GPT2& model, const Activations& a, int B) {
  const float* losses = a.losses.data();
  return model.device.sum(std::int64_t{B} * a.T, STROBE_LAMBDA(std::int64_t i) { return double(losses[i]); });
}

inline void load(Activations& a, const Batch& batch) {
  if (batch.B > a.B || batch.T != a.T) throw Failure("a batch does not fit the model's buffers");
  a.tokens.upload(batch.tokens);
  a.targets.upload(batch.targets);
}

// How many targets are counted.
inline std::int64_t counted(const Batch& batch) {
  return std::count_if(batch.targets.begin(), batch.targets.end(), [](std::int32_t target) { return target >= 0; });
}

}  // namespace strobe
