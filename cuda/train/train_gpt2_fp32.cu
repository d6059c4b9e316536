// Trains GPT-2 in float32, and records snapshots on the way. The same file is the CUDA trainer under nvcc and the
// host trainer under a host compiler.
#include <cstdio>

#include "checkpoint.h"
#include "learning.h"
#include "recorder/run_folder.h"
#include "trainer.h"
#include "training_entry.h"

namespace {

using namespace strobe;

// The model's sizes and, where it is read from a file, its parameters.
Start starting_point(const Options& o) {
  if (o.start.empty()) return {o.model, {}};
  Start start = read_start(o.start);
  if (start.config.block_size < o.T)
    throw Failure("-t: " + std::to_string(o.T) + " positions are more than the " +
                  std::to_string(start.config.block_size) + " of " + o.start);
  if (o.modadd && start.config.vocab_size != o.modulus + 1)
    throw Failure("-e: " + o.start + " knows " + std::to_string(start.config.vocab_size) + " tokens; sums modulo " +
                  std::to_string(o.modulus) + " need " + std::to_string(o.modulus + 1));
  if (o.checkpoint_every && !start.config.is_llmc())
    throw Failure("-k: " + o.start + " holds a model that llm.c's checkpoints cannot");
  if (o.model.fc1_band >= 0) start.config.fc1_band = o.model.fc1_band;
  if (o.model.fc2_band >= 0) start.config.fc2_band = o.model.fc2_band;
  apply_bands(start.config, start.parameters);
  return start;
}

// How many bytes training takes on the device, and while it begins on the host beside them.
double bytes_needed(const Config& c, double B, double T) {
  const double rows = B * T, C = c.n_embd, F = c.mlp_width, L = c.n_layer, H = c.n_head;
  const double parameters = static_cast<double>(total_count(parameter_shapes(c)));
  const double forward = rows * (C + L * (8 * C + 2 * F + H * T) + C + c.padded_vocab);
  const double backward = rows * (6 * C + F + H * T);
  return sizeof(float) * (4 * parameters + forward + backward);
}

// Said in one line instead of being found out by the system.
void require_memory(const Config& c, int B, int T, double free_bytes) {
  const double needed = bytes_needed(c, B, T);
  if (free_bytes <= 0 || needed <= free_bytes) return;
  char text[200];
  std::snprintf(text, sizeof text,
                "training needs about %.1f GB of memory and %.1f GB are free; try a smaller model, -b or -t",
                needed / 1e9, free_bytes / 1e9);
  throw Failure(text);
}

void train(const Options& options) {
  if (!options.snapshots.empty() && holds_record(options.snapshots))
    throw Failure("-d: " + options.snapshots + ": holds a run already; record into another folder");
  Start start = starting_point(options);
  std::unique_ptr<Learning> learning;
  std::int64_t steps = options.steps;
  if (options.modadd) {
    learning = std::make_unique<LearnSums>(options);
  } else {
    auto tokens = std::make_unique<LearnTokens>(options, start.config);
    const std::int64_t batch = std::int64_t{options.B} * options.T;
    if (!steps)
      steps = std::max<std::int64_t>(1, tokens->batches() * batch / std::max(batch, options.tokens_per_step));
    learning = std::move(tokens);
  }
  Device device(options.tf32);
  require_memory(start.config, learning->B(), options.T, device.free_bytes());
  if (start.parameters.empty()) start.parameters = initial_parameters(start.config, options.model_seed);
  Trainer trainer(options, device, start.config, start.parameters, *learning, steps);
  trainer.describe();
  trainer.run();
}

// One line for a terminal, whatever a file said.
std::string plain(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return text;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const Options options = parse_options(count - 1, arguments + 1);
    if (options.help) {
      std::fputs(help_text().c_str(), stdout);
      return 0;
    }
    if (options.print_config) {
      std::printf("%s\n", config_entry(options, starting_point(options).config).dump().c_str());
      return 0;
    }
    train(options);
    return stop_signal ? 128 + stop_signal : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_gpt2_fp32: %s\n", plain(error.what()).c_str());
    return 1;
  }
}
