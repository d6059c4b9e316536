// The mathematics of GPT-2, one row or one element at a time, for the host and the device alike.
//
// Shapes: B sequences, T positions, C channels, H heads, F MLP width, V vocabulary. A row is one position's channels,
// one query's scores, or one position's logits. Gradients carry the names of what they belong to, with a d before.
#pragma once

#include <cstdint>

#include "group.h"

namespace strobe {

enum class Activation : int { gelu_tanh = 0, gelu = 1, relu = 2 };

// y = (x - mean) / sqrt(variance + eps) * weight + bias over C channels (Ba, Kiros and Hinton, 2016); the variance is
// the population's. `bias` may be null.
template <class Group>
STROBE_FUNCTION void layernorm_row(Group group, float* y, float* mean, float* rstd, const float* x,
                                   const float* weight, const float* bias, int C, float eps) {
  float sum = 0;
  for (int i = group.rank(); i < C; i += group.size()) sum += x[i];
  const float m = group.sum(sum) / C;
  float squares = 0;
  for (int i = group.rank(); i < C; i += group.size()) squares += (x[i] - m) * (x[i] - m);
  const float r = 1.0f / sqrtf(group.sum(squares) / C + eps);
  for (int i = group.rank(); i < C; i += group.size()) {
    const float scaled = (x[i] - m) * r * weight[i];
    y[i] = bias ? scaled + bias[i] : scaled;
  }
  if (group.rank() == 0) {
    *mean = m;
    *rstd = r;
  }
}

// Adds to dx the gradient through layernorm_row. With n the normalised x and g = weight * dy:
// dx += rstd * (g - mean(g) - n * mean(g * n)).
template <class Group>
STROBE_FUNCTION void layernorm_backward_row(Group group, float* dx, const float* dy, const float* x,
                                            const float* weight, float mean, float rstd, int C) {
  float sum_g = 0, sum_gn = 0;
  for (int i = group.rank(); i < C; i += group.size()) {
    const float g = weight[i] * dy[i];
    sum_g += g;
    sum_gn += g * (x[i] - mean) * rstd;
  }
  const float mean_g = group.sum(sum_g) / C, mean_gn = group.sum(sum_gn) / C;
  for (int i = group.rank(); i < C; i += group.size()) {
    const float n = (x[i] - mean) * rstd;
    dx[i] += rstd * (weight[i] * dy[i] - mean_g - n * mean_gn);
  }
}

// Softmax in place over the keys 0..query of a row of T scores; later keys become exactly 0.
template <class Group>
STROBE_FUNCTION void causal_softmax_row(Group group, float* scores, int query, int T) {
  float largest = -INFINITY;
  for (int i = group.rank(); i <= query; i += group.size()) largest = scores[i] > largest ? scores[i] : largest;
  largest = group.max(largest);
  float sum = 0;
  for (int i = group.rank(); i <= query; i += group.size()) {
    scores[i] = expf(scores[i] - largest);
    sum += scores[i];
  }
  const float scale = 1.0f / group.sum(sum);
  for (int i = group.rank(); i < T; i += group.size()) scores[i] = i <= query ? scores[i] * scale : 0.0f;
}

// Turns the gradient of the weights into that of the scores, in place: d = w * (d - sum over keys of w * d).
template <class Group>
STROBE_FUNCTION void softmax_backward_row(Group group, float* d, const float* weights, int query, int T) {
  float sum = 0;
  for (int i = group.rank(); i <= query; i += group.size()) sum += weights[i] * d[i];
  const float dot = group.sum(sum);
  for (int i = group.rank(); i < T; i += group.size()) d[i] = i <= query ? weights[i] * (d[i] - dot) : 0.0f;
}

// The cross-entropy of one position in nats, and in place of its V logits their gradient times `scale`. A target
// below 0 is not counted: loss 0 and no gradient. `padded` logits stand in the row; those from V on get gradient 0.
// Real is the precision of the sums; `right` tells whether the first largest logit is the target's.
template <class Real, class Group>
STROBE_FUNCTION void cross_entropy_row(Group group, float* loss, int* right, float* logits, int target, int V,
                                       int padded, float scale, bool gradient) {
  Real largest = -INFINITY;
  int lower = 0;  // how many logits before the target's are at least as large, or after it larger
  const float own = target >= 0 ? logits[target] : 0.0f;
  for (int i = group.rank(); i < V; i += group.size()) {
    largest = Real(logits[i]) > largest ? Real(logits[i]) : largest;
    lower += logits[i] > own || (logits[i] == own && i < target);
  }
  largest = group.max(largest);
  Real sum = 0;
  for (int i = group.rank(); i < V; i += group.size()) sum += exp(Real(logits[i]) - largest);
  const Real total = group.sum(sum);
  const int ahead = group.sum(lower);
  if (group.rank() == 0) {
    *loss = target >= 0 ? float(log(total) - (Real(own) - largest)) : 0.0f;
    *right = target >= 0 && ahead == 0;
  }
  if (!gradient) return;
  for (int i = group.rank(); i < padded; i += group.size()) {
    const Real probability = i < V ? exp(Real(logits[i]) - largest) / total : Real(0);
    logits[i] = target >= 0 && i < V ? float((probability - Real(i == target)) * Real(scale)) : 0.0f;
  }
}

// GELU (Hendrycks and Gimpel, 2016), exact or with GPT-2's tanh; or ReLU.
STROBE_FUNCTION float activate(Activation kind, float x) {
  if (kind == Activation::relu) return x > 0 ? x : 0.0f;
  if (kind == Activation::gelu) return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
  return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
}

STROBE_FUNCTION float activate_derivative(Activation kind, float x) {
  if (kind == Activation::relu) return x > 0 ? 1.0f : 0.0f;
  if (kind == Activation::gelu) {
    const float below = 0.5f * (1.0f + erff(x * 0.70710678118654752f));
    return below + x * 0.39894228040143268f * expf(-0.5f * x * x);
  }
  const float cubic = 0.044715f * x * x * x, t = tanhf(0.79788456080286536f * (x + cubic));
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.79788456080286536f * (1.0f + 3 * 0.044715f * x * x);
}

// What one update of AdamW needs beside the element (Loshchilov and Hutter, 2019); the corrections are
// 1 - beta1^t and sqrt(1 - beta2^t) for the t-th update.
struct AdamW {
  float learning_rate, beta1, beta2, eps, weight_decay, correction1, root_correction2;
};

STROBE_FUNCTION void adamw_element(const AdamW& a, float* parameter, float* m, float* v, float gradient) {
  *m += (1.0f - a.beta1) * (gradient - *m);
  *v = a.beta2 * *v + (1.0f - a.beta2) * gradient * gradient;
  const float kept = *parameter * (1.0f - a.learning_rate * a.weight_decay);
  const float scale = sqrtf(*v) / a.root_correction2 + a.eps;
  *parameter = kept - a.learning_rate / a.correction1 * *m / scale;
}

}  // namespace strobe
