// Trains GPT-2 in float32, and records snapshots on the way. The same file is the CUDA trainer under nvcc and the
// host trainer under a host compiler.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "checkpoint.h"
#include "files.h"
#include "gpt2_record.h"
#include "learning.h"

namespace {

using namespace strobe;
using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t stop_signal = 0;

extern "C" void ask_to_stop(int number) {
  // The first ends the training after its step, the second the program at once.
  if (stop_signal) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  stop_signal = number;
}

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// llm.c's main.log: "s:10 tel:3.2100" for validation, "s:10 trl:3.3000 lr:0.000600 norm:1.23" for training.
class MainLog {
 public:
  // Throws Failure where there is a log already: it may be all that is left of another run.
  explicit MainLog(const std::string& folder) {
    if (folder.empty()) return;
    std::error_code trouble;
    std::filesystem::create_directories(folder, trouble);
    path_ = folder + "/main.log";
    if (std::filesystem::exists(path_, trouble))
      throw Failure("-o: " + path_ + " is there already; give another folder");
    file_.open(path_);
    if (!file_) throw Failure("-o: " + path_ + " cannot be written");
  }
  // What was begun for a training that did not begin.
  void discard() {
    std::error_code trouble;
    if (file_.is_open()) std::filesystem::remove(path_, trouble);
  }
  void val(std::int64_t step, double loss) { line("s:%ld tel:%.4f\n", step, loss); }
  void train(std::int64_t step, double loss, double rate, double norm) {
    line("s:%ld trl:%.4f lr:%.6f norm:%.2f\n", step, loss, rate, norm);
  }

 private:
  template <class... Numbers>
  void line(const char* format, std::int64_t step, Numbers... numbers) {
    char text[160];
    std::snprintf(text, sizeof text, format, static_cast<long>(step), numbers...);
    if (file_.is_open()) file_ << text << std::flush;
  }
  std::string path_;
  std::ofstream file_;
};

Json training_entry(const Options& o, const DeviceFacts& facts, std::int64_t tokens_per_step, std::int64_t steps) {
  Json entry = Json::object();
  entry.set("steps", steps).set("learning_rate", o.learning_rate).set("weight_decay", o.optimizer.weight_decay);
  entry.set("beta1", o.optimizer.beta1).set("beta2", o.optimizer.beta2).set("eps", o.optimizer.eps);
  entry.set("warmup", o.warmup).set("loss_dtype", o.double_loss ? "float64" : "float32").set("tf32", o.tf32);
  if (o.B) entry.set("batch_size", o.B);
  if (o.grad_clip > 0) entry.set("grad_clip", o.grad_clip);
  entry.set("eval_every", o.eval_every).set("model_seed", std::int64_t(o.model_seed));
  entry.set("data_seed", std::int64_t(o.data_seed)).set("optimizer", "adamw").set("tokens_per_step", tokens_per_step);
  entry.set("device", facts.name).set("sequence_length", o.T);
  if (facts.peak_flops > 0) entry.set("peak_flops", facts.peak_flops);
  return entry;
}

class Trainer {
 public:
  Trainer(const Options& options, Device& device, const Config& config, const std::vector<float>& start,
          const Learning& learning, std::int64_t steps)
      : o_(options),
        device_(device),
        learning_(learning),
        facts_(device.facts()),
        steps_(steps),
        micro_(options.tokens_per_step ? options.tokens_per_step / (std::int64_t{learning.B()} * options.T) : 1),
        tokens_per_step_(micro_ * learning.B() * options.T),
        schedule_(options, steps),
        log_(options.out),
        model_(device, config, start, learning.B(), options.T, options.double_loss) {
    if (o_.snapshots.empty()) return;
    model_.record = std::make_shared<Record>(model_, learning.probe(), learning.entry(),
                                             training_entry(o_, facts_, tokens_per_step_, steps));
    model_.record->wait_when_full = o_.when_full == "wait";
    if (open_record(model_, o_.snapshots.c_str())) return;
    log_.discard();
    throw Failure("-d: " + model_.record->problem);
  }

  void describe() const {
    const Config& c = model_.config;
    std::printf("| device | %s |\n", facts_.name.c_str());
    if (facts_.peak_flops > 0) {
      std::printf("| peak float32 | %.1f TFLOP/s |\n", facts_.peak_flops / 1e12);
    } else {
      std::printf("| peak float32 | unknown |\n");
    }
    std::printf("| layers, heads, width, MLP | %d, %d, %d, %d |\n", c.n_layer, c.n_head, c.n_embd, c.mlp_width);
    std::printf("| positions, vocabulary | %d, %d (padded %d) |\n", c.block_size, c.vocab_size, c.padded_vocab);
    std::printf("| parameters | %ld |\n", static_cast<long>(n_params(model_.shapes)));
    std::printf("| batch, micro-batches | %d x %d, %ld |\n", model_.acts.B, o_.T, static_cast<long>(micro_));
    std::printf("| device memory | %zu MiB |\n", device_.allocated() >> 20);
    std::fflush(stdout);
  }

  // Trains to the last step; a failure on the way is written into the run's record and thrown on.
  void run() {
    std::signal(SIGINT, ask_to_stop);
    std::signal(SIGTERM, ask_to_stop);
    try {
      steps();
    } catch (const std::exception& error) {
      if (model_.record) close_record("failed", error.what());
      throw;
    }
    finish();
  }

 private:
  void steps() {
    began_ = Clock::now();
    for (step_ = 0;; ++step_) {
      const Clock::time_point start = Clock::now();
      const double loss = gradient();
      const bool due = model_.record && schedule_.has(step_), last = step_ == steps_ || stop_signal;
      const bool evaluated = step_ % o_.eval_every == 0 || step_ == steps_;
      const double norm = due || evaluated || o_.grad_clip > 0 ? gradient_norm(model_) : NAN;
      const double scale = clip(norm);
      const double gradient_ms = milliseconds_since(start);
      if (due) observe_batch(model_, model_.acts.B);
      Values values = evaluated || due ? learning_.evaluate(model_) : Values{};
      values["train_loss"] = loss;
      if (evaluated || due) values.merge(observations(norm, scale));
      record(values, due);
      report(values, norm, gradient_ms, evaluated);
      if (last) break;
      side_products();
      const Clock::time_point again = Clock::now();
      update(model_, o_.optimizer, rate());
      busy_ms_ += gradient_ms + milliseconds_since(again);
      ++timed_;
    }
  }

  double rate() const {
    return o_.learning_rate * (o_.warmup ? std::min(1.0, static_cast<double>(step_ + 1) / o_.warmup) : 1.0);
  }

  // The gradient of this step's batch, averaged over its micro-batches; returns their mean loss.
  double gradient() {
    model_.gradients.zero();
    double loss = 0;
    for (std::int64_t n = 0; n < micro_; ++n) {
      const Batch batch = learning_.batch(step_ * micro_ + n);
      const double weight = 1.0 / static_cast<double>(counted(batch) * micro_);
      load(model_.acts, batch);
      forward(model_, model_.acts, batch.B);
      head(model_, model_.acts, batch.B, static_cast<float>(weight), true);
      backward(model_, batch);
      loss += weight * sum_of_losses(model_, model_.acts, batch.B);
    }
    return loss;
  }

  double clip(double norm) {
    if (o_.grad_clip <= 0 || !std::isfinite(norm) || norm <= o_.grad_clip) return 1.0;
    scale_gradients(model_, static_cast<float>(o_.grad_clip / norm));
    return o_.grad_clip / norm;
  }

  // Model FLOPs of one token, forward and backward: 6 for each parameter, and 12 L C T for attention (Chowdhery et
  // al., 2022, appendix B).
  double flops_per_token() const {
    return 6.0 * static_cast<double>(n_params(model_.shapes)) +
           12.0 * model_.config.n_layer * model_.config.n_embd * o_.T;
  }

  Values observations(double norm, double scale) {
    Values values{{"learning_rate", rate()}, {"grad_norm", norm}, {"grad_clip_scale", scale}};
    values["memory_allocated_bytes"] = values["memory_peak_bytes"] = static_cast<double>(device_.allocated());
    if (!timed_) return values;
    const double per_step = busy_ms_ / static_cast<double>(timed_);
    const double speed = 1000.0 * static_cast<double>(tokens_per_step_) / per_step;
    values["step_time_ms"] = per_step;
    values["tokens_per_second"] = speed;
    if (facts_.peak_flops > 0) values["mfu"] = speed * flops_per_token() / facts_.peak_flops;
    busy_ms_ = 0;
    timed_ = 0;
    return values;
  }

  void record(const Values& values, bool due) {
    if (!model_.record) return;
    strobe_recorder* recorder = model_.record->recorder;
    for (const auto& [name, value] : values) strobe_scalar(recorder, name.c_str(), value);
    const std::int64_t seen = step_ * tokens_per_step_;
    strobe_scalar(recorder, "tokens_seen", static_cast<double>(seen));
    if (due) gpt2_save_snapshot(&model_, o_.snapshots.c_str(), static_cast<int>(step_));
    strobe_log(recorder, step_, seen);
  }

  void report(const Values& values, double norm, double ms, bool evaluated) {
    if (evaluated && values.count("val_loss")) {
      std::printf("val loss %f", values.at("val_loss"));
      if (values.count("val_accuracy")) std::printf(" (accuracy %.4f)", values.at("val_accuracy"));
      std::printf("\n");
      log_.val(step_, values.at("val_loss"));
    }
    log_.train(step_, values.at("train_loss"), rate(), norm);
    if (o_.modadd && !evaluated) return;
    std::printf("step %4ld/%ld: train loss %f (%.3f ms, %.0f tok/s)\n", static_cast<long>(step_),
                static_cast<long>(steps_), values.at("train_loss"), ms,
                1000.0 * static_cast<double>(tokens_per_step_) / ms);
    std::fflush(stdout);
  }

  void side_products() {
    if (o_.sample_every && step_ && step_ % o_.sample_every == 0) sample();
    if (o_.checkpoint_every && step_ && step_ % o_.checkpoint_every == 0) checkpoint();
  }

  void checkpoint() {
    char name[64];
    std::snprintf(name, sizeof name, "/model_%08ld.bin", static_cast<long>(step_));
    try {
      write_checkpoint(o_.out + name, model_.config, model_.parameters.download());
    } catch (const Failure& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
  }

  // Draws tokens one by one from the model's distribution, and prints their numbers.
  void sample() {
    const int V = model_.config.vocab_size, C = model_.config.n_embd, T = o_.T, P = model_.config.padded_vocab;
    Batch batch{1, T, std::vector<std::int32_t>(T, 0), std::vector<std::int32_t>(T, -1)};
    batch.tokens[0] = V > 50256 ? 50256 : 0;
    std::printf("generating:\n---\n");
    for (int t = 1; t < std::min(T, o_.sample_tokens + 1); ++t) {
      load(model_.acts, batch);
      forward(model_, model_.acts, 1);
      const float* stream = last_stream(model_, model_.acts) + std::int64_t{t - 1} * C;
      linear(model_, 1, model_.acts.logits.data(), stream, model_.parameter(model_.config.tied ? wte : unembed), C,
             P);
      std::vector<float> logits(V);
      device_.download(logits.data(), model_.acts.logits.data(), V * sizeof(float));
      batch.tokens[t] =
          draw(logits, o_.model_seed + static_cast<std::uint64_t>(step_), static_cast<std::uint64_t>(t));
      std::printf("%d ", batch.tokens[t]);
    }
    std::printf("\n---\n");
  }

  static std::int32_t draw(const std::vector<float>& logits, std::uint64_t seed, std::uint64_t n) {
    const float largest = *std::max_element(logits.begin(), logits.end());
    double total = 0;
    for (const float logit : logits) total += std::exp(double(logit) - largest);
    double left = total * static_cast<double>(splitmix64(seed, n) >> 11) * 0x1p-53;
    for (std::size_t i = 0; i < logits.size(); ++i)
      if ((left -= std::exp(double(logits[i]) - largest)) < 0) return static_cast<std::int32_t>(i);
    return static_cast<std::int32_t>(logits.size() - 1);
  }

  void finish() {
    if (o_.checkpoint_every) checkpoint();
    device_.wait();
    const double seconds = milliseconds_since(began_) / 1000;
    std::printf("total: %ld steps in %.2f s, %.0f tok/s with everything\n", static_cast<long>(step_), seconds,
                static_cast<double>(step_ * tokens_per_step_) / seconds);
    if (!model_.record) return;
    strobe_recorder* recorder = model_.record->recorder;
    strobe_flush(recorder);
    strobe_status status{};
    strobe_get_status(recorder, &status);
    std::printf("recorded %ld snapshots, %ld skipped, %ld missed\n", static_cast<long>(status.recorded),
                static_cast<long>(status.skipped), static_cast<long>(status.missed));
    const bool finished = step_ == steps_;
    close_record(finished ? "finished" : "interrupted", finished ? nullptr : strsignal(stop_signal));
  }

  void close_record(const char* end, const char* reason) {
    strobe_close(model_.record->recorder, end, reason);
    model_.record->recorder = nullptr;
  }

  Options o_;
  Device& device_;
  const Learning& learning_;
  DeviceFacts facts_;
  std::int64_t steps_, micro_, tokens_per_step_, step_ = 0, timed_ = 0;
  double busy_ms_ = 0;
  Clock::time_point began_;
  Schedule schedule_;
  MainLog log_;
  GPT2 model_;
};

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
  if (!options.snapshots.empty() && exists(options.snapshots + "/manifest.json"))
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
    train(options);
    return stop_signal ? 128 + stop_signal : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_gpt2_fp32: %s\n", plain(error.what()).c_str());
    return 1;
  }
}
