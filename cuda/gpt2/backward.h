// The backward pass, clipping and the update.
#pragma once

#include <cmath>
#include <numeric>

#include "forward.h"

namespace strobe {

// dw (out, in) += dy^T x, db += the column sums of dy, and dx (rows, in) = dy w.
inline void linear_backward(GPT2& model, std::int64_t rows, Parameter weight, Parameter bias, int layer, float* dx,
                            const float* dy, const float* x, int in, int out) {
  const int n = static_cast<int>(rows);
  model.device.matmul({out, in, n, true, false, out, in, in, 1.0f, 1.0f}, dy, x, model.gradient(weight, layer));
  if (float* db = model.gradient(bias, layer))
    model.device.column_sums(
        db, rows, out, 1.0f, true, STROBE_LAMBDA(std::int64_t row, int c) { return dy[row * out + c]; });
  model.device.matmul({n, in, out, false, false, out, in, in, 1.0f, 0.0f}, dy, model.parameter(weight, layer), dx);
}

// Adds to dx the gradient through a LayerNorm; in a model without, dx += dy.
inline void layernorm_backward(GPT2& model, std::int64_t rows, Parameter weight, Parameter bias, int layer, float* dx,
                               const float* dy, const float* x, const float* mean, const float* rstd) {
  const int C = model.config.n_embd;
  if (!model.config.layernorm)
    return model.device.cells(
        rows, C, STROBE_LAMBDA(std::int64_t row, int c) { dx[row * C + c] += dy[row * C + c]; });
  model.device.column_sums(
      model.gradient(weight, layer), rows, C, 1.0f, true,
      STROBE_LAMBDA(std::int64_t row, int c) { return dy[row * C + c] * (x[row * C + c] - mean[row]) * rstd[row]; });
  if (float* db = model.gradient(bias, layer))
    model.device.column_sums(
        db, rows, C, 1.0f, true, STROBE_LAMBDA(std::int64_t row, int c) { return dy[row * C + c]; });
  const float* w = model.parameter(weight, layer);
  model.device.rows(
      rows, STROBE_LAMBDA(auto group, std::int64_t row) {
        layernorm_backward_row(group, dx + row * C, dy + row * C, x + row * C, w, mean[row], rstd[row], C);
      });
}

inline void attend_backward(GPT2& model, int B, int layer) {
  Activations& a = model.acts;
  Gradients& g = model.backward_acts;
  const int H = model.config.n_head, C = model.config.n_embd, D = C / H, T = a.T, heads = B * H;
  const std::size_t first = std::size_t(layer) * a.B * H;
  const float scale = 1.0f / sqrtf(static_cast<float>(D));
  const HeadPointers &p = a.heads, &d = g.heads;
  Device& device = model.device;
  device.batched_matmul({T, T, D, false, true, C, 3 * C, T, 1.0f, 0.0f}, d.y.data(), p.v.data() + first, d.att.data(),
                        heads);
  device.batched_matmul({T, D, T, true, false, T, C, 3 * C, 1.0f, 0.0f}, p.att.data() + first, d.y.data(), d.v.data(),
                        heads);
  float* datt = g.att.data();
  const float* att = a.att.data() + first * T * T;
  device.rows(
      std::int64_t{heads} * T, STROBE_LAMBDA(auto group, std::int64_t row) {
        softmax_backward_row(group, datt + row * T, att + row * T, static_cast<int>(row % T), T);
      });
  device.batched_matmul({T, D, T, false, false, T, 3 * C, 3 * C, scale, 0.0f}, d.att.data(), p.k.data() + first,
                        d.q.data(), heads);
  device.batched_matmul({T, D, T, true, false, T, 3 * C, 3 * C, scale, 0.0f}, d.att.data(), p.q.data() + first,
                        d.k.data(), heads);
}

// `g.residual` holds the gradient after the layer and leaves as the gradient before it.
inline void backward_layer(GPT2& model, int B, int layer) {
  const Config& c = model.config;
  Activations& a = model.acts;
  Gradients& g = model.backward_acts;
  const int C = c.n_embd, F = c.mlp_width;
  const std::int64_t rows = std::int64_t{B} * a.T, at = layer * a.rows();
  const float *stream = residual_before(c, a, layer), *middle = a.residual2.data() + at * C;
  float* dfch = g.fch.data();
  linear_backward(model, rows, fcprojw, fcprojb, layer, dfch, g.residual.data(), a.fcact.data() + at * F, F, C);
  const float* before = a.fch.data() + at * F;
  const Activation kind = c.activation;
  model.device.cells(
      rows, F, STROBE_LAMBDA(std::int64_t row, int i) {
        dfch[row * F + i] *= activate_derivative(kind, before[row * F + i]);
      });
  linear_backward(model, rows, fcw, fcb, layer, g.normed.data(), dfch, normed(c, a, a.ln2, middle, layer), C, F);
  layernorm_backward(model, rows, ln2w, ln2b, layer, g.residual.data(), g.normed.data(), middle,
                     a.ln2_mean.data() + at, a.ln2_rstd.data() + at);
  linear_backward(model, rows, attprojw, attprojb, layer, g.atty.data(), g.residual.data(), a.atty.data() + at * C, C,
                  C);
  attend_backward(model, B, layer);
  linear_backward(model, rows, qkvw, qkvb, layer, g.normed.data(), g.qkv.data(), normed(c, a, a.ln1, stream, layer),
                  C, 3 * C);
  layernorm_backward(model, rows, ln1w, ln1b, layer, g.residual.data(), g.normed.data(), stream,
                     a.ln1_mean.data() + at, a.ln1_rstd.data() + at);
}

// The positions of each token, in the order of the batch: the sum over them has one order whatever the threads do.
inline void load_positions(Gradients& g, const Batch& batch) {
  std::vector<std::int32_t> order(batch.tokens.size()), unique, first;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int32_t i, std::int32_t j) { return batch.tokens[i] < batch.tokens[j]; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i && batch.tokens[order[i]] == unique.back()) continue;
    unique.push_back(batch.tokens[order[i]]);
    first.push_back(static_cast<std::int32_t>(i));
  }
  first.push_back(static_cast<std::int32_t>(order.size()));
  g.n_unique = static_cast<int>(unique.size());
  g.unique.upload(unique);
  g.first.upload(first);
  g.order.upload(order);
}

inline void embed_backward(GPT2& model, int B) {
  Gradients& g = model.backward_acts;
  const int C = model.config.n_embd, T = model.acts.T;
  const float* dx = g.residual.data();
  const std::int32_t *unique = g.unique.data(), *first = g.first.data(), *order = g.order.data();
  float *by_token = model.gradient(wte), *by_position = model.gradient(wpe);
  model.device.cells(
      g.n_unique, C, STROBE_LAMBDA(std::int64_t u, int c) {
        float sum = 0;
        const std::int32_t begin = first[u], end = first[u + 1];
        STROBE_UNROLL
        for (std::int32_t i = begin; i < end; ++i) sum += dx[std::int64_t{order[i]} * C + c];
        by_token[std::int64_t{unique[u]} * C + c] += sum;
      });
  model.device.cells(
      T, C, STROBE_LAMBDA(std::int64_t t, int c) {
        float sum = 0;
        STROBE_UNROLL
        for (std::int64_t b = 0; b < B; ++b) sum += dx[(b * T + t) * C + c];
        by_position[t * C + c] += sum;
      });
}

inline void mask_band(GPT2& model, Parameter which, int band) {
  if (band < 0) return;
  const std::int64_t rows = model.shapes[which].shape[1];
  const int columns = static_cast<int>(model.shapes[which].shape[2]);
  float* d = model.gradient(which);
  model.device.cells(
      rows * model.config.n_layer, columns, STROBE_LAMBDA(std::int64_t row, int c) {
        const std::int64_t distance = row % rows - c;
        if (distance > band || distance < -band) d[row * columns + c] = 0;
      });
}

// Fills (or, with `add`, adds to) the gradients; `a.logits` holds the gradients of the logits.
inline void backward(GPT2& model, const Batch& batch) {
  const Config& c = model.config;
  Activations& a = model.acts;
  Gradients& g = model.backward_acts;
  const int C = c.n_embd, P = c.padded_vocab, B = batch.B;
  const std::int64_t rows = std::int64_t{B} * a.T;
  load_positions(g, batch);
  const Parameter out = c.tied ? wte : unembed;
  float* dlast = c.layernorm ? g.normed.data() : g.residual.data();
  model.device.matmul({P, C, static_cast<int>(rows), true, false, P, C, C, 1.0f, 1.0f}, a.logits.data(),
                      last_stream(model, a), model.gradient(out));
  model.device.matmul({static_cast<int>(rows), C, P, false, false, P, C, C, 1.0f, 0.0f}, a.logits.data(),
                      model.parameter(out), dlast);
  if (c.layernorm) {
    g.residual.zero();
    layernorm_backward(model, rows, lnfw, lnfb, 0, g.residual.data(), dlast, residual_before(c, a, c.n_layer),
                       a.lnf_mean.data(), a.lnf_rstd.data());
  }
  for (int layer = c.n_layer - 1; layer >= 0; --layer) backward_layer(model, B, layer);
  embed_backward(model, B);
  mask_band(model, fcw, c.fc1_band);
  mask_band(model, fcprojw, c.fc2_band);
}

// The L2 norm of all gradients together.
inline double gradient_norm(GPT2& model) {
  const float* d = model.gradients.data();
  return std::sqrt(model.device.sum(
      static_cast<std::int64_t>(model.gradients.size()),
      STROBE_LAMBDA(std::int64_t i) { return double(d[i]) * double(d[i]); }));
}

inline void scale_gradients(GPT2& model, float scale) {
  float* d = model.gradients.data();
  model.device.elements(
      static_cast<std::int64_t>(model.gradients.size()), STROBE_LAMBDA(std::int64_t i) { d[i] *= scale; });
}

inline void update(GPT2& model, const Optimizer& o, double learning_rate) {
  ++model.updates;
  const double t = static_cast<double>(model.updates);
  for (const ParameterShape& shape : model.shapes) {
    if (!shape.present) continue;
    const AdamW step{static_cast<float>(learning_rate),
                     static_cast<float>(o.beta1),
                     static_cast<float>(o.beta2),
                     static_cast<float>(o.eps),
                     static_cast<float>(shape.decayed ? o.weight_decay : 0.0),
                     static_cast<float>(1 - std::pow(o.beta1, t)),
                     static_cast<float>(std::sqrt(1 - std::pow(o.beta2, t)))};
    float *p = model.parameters.data() + shape.offset, *m = model.m.data() + shape.offset;
    float* v = model.v.data() + shape.offset;
    const float* d = model.gradients.data() + shape.offset;
    model.device.elements(
        static_cast<std::int64_t>(shape.count),
        STROBE_LAMBDA(std::int64_t i) { adamw_element(step, p + i, m + i, v + i, d[i]); });
  }
}

}  // namespace strobe
