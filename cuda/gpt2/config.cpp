#include "config.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "splitmix64.h"

namespace strobe {

namespace {

constexpr double kMostParameters = 6.4e10;

}  // namespace

std::string Config::problem() const {
  const std::pair<const char*, int> sizes[] = {{"layers", n_layer},        {"heads", n_head},
                                               {"width", n_embd},          {"MLP width", mlp_width},
                                               {"block size", block_size}, {"vocabulary", vocab_size}};
  for (const auto& [name, value] : sizes)
    if (value < 1 || value > kMostOfASize)
      return std::string(name) + " is " + std::to_string(value) + "; give 1 to " + std::to_string(kMostOfASize);
  if (n_embd % n_head)
    return "width " + std::to_string(n_embd) + " is no multiple of " + std::to_string(n_head) + " heads";
  const double C = n_embd, per_layer = 4 * C * C + 2 * C * mlp_width + mlp_width + 13 * C;
  if (n_layer * per_layer + C * (2.0 * padded_vocab + block_size) > kMostParameters)
    return "these sizes give more than 64 billion parameters";
  if (padded_vocab < vocab_size) return "the padded vocabulary is smaller than the vocabulary";
  return "";
}

bool Config::is_llmc() const {
  return layernorm && bias && tied && activation == Activation::gelu_tanh && mlp_width == 4 * n_embd;
}

const char* activation_name(Activation activation) {
  return activation == Activation::relu ? "relu" : activation == Activation::gelu ? "gelu" : "gelu_tanh";
}

int padded(int vocab_size) {
  const int step = vocab_size > 1024 ? 128 : 8;
  return (vocab_size + step - 1) / step * step;
}

std::size_t ParameterShape::stored() const {
  std::size_t product = 1;
  for (const std::int64_t size : shape) product *= static_cast<std::size_t>(size);
  return present ? product : 0;
}

std::array<ParameterShape, kParameters> parameter_shapes(const Config& c) {
  const std::int64_t L = c.n_layer, C = c.n_embd, F = c.mlp_width, V = c.vocab_size;
  using Dims = std::vector<const char*>;
  const Dims channel{"layer", "channel"}, out{"layer", "out"}, matrix{"layer", "out", "in"};
  const bool norm = c.layernorm, bias = c.bias, shift = norm && bias;
  std::array<ParameterShape, kParameters> table{{
      {"wte", true, true, {"token", "channel"}, {V, C}, 0, 0},
      {"wpe", true, true, {"position", "channel"}, {c.block_size, C}, 0, 0},
      {"ln1w", norm, false, channel, {L, C}, 0, 0},
      {"ln1b", shift, false, channel, {L, C}, 0, 0},
      {"qkvw", true, true, matrix, {L, 3 * C, C}, 0, 0},
      {"qkvb", bias, false, out, {L, 3 * C}, 0, 0},
      {"attprojw", true, true, matrix, {L, C, C}, 0, 0},
      {"attprojb", bias, false, out, {L, C}, 0, 0},
      {"ln2w", norm, false, channel, {L, C}, 0, 0},
      {"ln2b", shift, false, channel, {L, C}, 0, 0},
      {"fcw", true, true, matrix, {L, F, C}, 0, 0},
      {"fcb", bias, false, out, {L, F}, 0, 0},
      {"fcprojw", true, true, matrix, {L, C, F}, 0, 0},
      {"fcprojb", bias, false, out, {L, C}, 0, 0},
      {"lnfw", norm, false, {"channel"}, {C}, 0, 0},
      {"lnfb", shift, false, {"channel"}, {C}, 0, 0},
      {"unembed", !c.tied, true, {"token", "channel"}, {V, C}, 0, 0},
  }};
  std::size_t end = 0;
  for (ParameterShape& shape : table) {
    const bool of_tokens = std::string(shape.dims[0]) == "token";
    shape.offset = end;
    shape.count = !shape.present ? 0 : of_tokens ? static_cast<std::size_t>(c.padded_vocab * C) : shape.stored();
    end += (shape.count + 63) / 64 * 64;
  }
  return table;
}

std::size_t total_count(const std::array<ParameterShape, kParameters>& shapes) {
  return shapes.back().offset + (shapes.back().count + 63) / 64 * 64;
}

std::int64_t n_params(const std::array<ParameterShape, kParameters>& shapes) {
  std::int64_t count = 0;
  for (const ParameterShape& shape : shapes) count += static_cast<std::int64_t>(shape.stored());
  return count;
}

void apply_bands(const Config& c, std::vector<float>& parameters) {
  const auto shapes = parameter_shapes(c);
  for (const auto& [which, band] : {std::pair{fcw, c.fc1_band}, std::pair{fcprojw, c.fc2_band}}) {
    if (band < 0) continue;
    const std::int64_t rows = shapes[which].shape[1], columns = shapes[which].shape[2];
    float* at = parameters.data() + shapes[which].offset;
    for (std::int64_t i = 0; i < c.n_layer * rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j, ++at)
        if (std::llabs(i % rows - j) > band) *at = 0;
  }
}

namespace {

// Normal values number first .. first + count - 1 of the seed's stream; two uniform ones make one by Box and Muller.
void draw_normal(float* to, std::size_t count, std::uint64_t seed, std::uint64_t first, double std) {
  constexpr double kTurn = 6.283185307179586;
  const auto uniform = [&](std::uint64_t n) {
    return (static_cast<double>(splitmix64(seed, n) >> 11) + 0.5) * 0x1p-53;
  };
  for (std::size_t k = 0; k < count; ++k) {
    const double radius = std::sqrt(-2 * std::log(uniform(2 * (first + k))));
    to[k] = static_cast<float>(std * radius * std::cos(kTurn * uniform(2 * (first + k) + 1)));
  }
}

// The same on every core; each value depends on its number alone.
void draw_normal_in_parallel(float* to, std::size_t count, std::uint64_t seed, std::uint64_t first, double std) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const std::size_t threads =
      std::min<std::size_t>(std::max(1u, std::thread::hardware_concurrency()), count / kPiece + 1);
  const std::size_t piece = (count + threads - 1) / threads;
  std::vector<std::thread> running;
  for (std::size_t at = piece; at < count; at += piece)
    running.emplace_back(draw_normal, to + at, std::min(piece, count - at), seed, first + at, std);
  draw_normal(to, std::min(piece, count), seed, first, std);
  for (std::thread& thread : running) thread.join();
}

}  // namespace

std::vector<float> initial_parameters(const Config& c, std::uint64_t seed) {
  const auto shapes = parameter_shapes(c);
  std::vector<float> values(total_count(shapes), 0.0f);
  std::uint64_t drawn = 0;
  for (int i = 0; i < kParameters; ++i) {
    const ParameterShape& shape = shapes[i];
    float* at = values.data() + shape.offset;
    const bool projection = i == attprojw || i == fcprojw;
    const double std = c.init_std / (c.init_residual && projection ? std::sqrt(2.0 * c.n_layer) : 1.0);
    if (i == ln1w || i == ln2w || i == lnfw) std::fill(at, at + shape.count, 1.0f);
    if (!shape.decayed) continue;
    draw_normal_in_parallel(at, shape.stored(), seed, drawn, std);
    drawn += shape.stored();
  }
  apply_bands(c, values);
  return values;
}

}  // namespace strobe
