// One training on one device, with its log, its record and what it prints.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstring>

#include "checkpoint.h"
#include "gpt2/backward.h"
#include "gpt2/record.h"
#include "gpt2/splitmix64.h"
#include "learning.h"
#include "main_log.h"
#include "schedule.h"
#include "stop.h"
#include "training_entry.h"

namespace strobe {

using Clock = std::chrono::steady_clock;

inline double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
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
    model_.record = std::make_shared<Record>(model_, learning.probe(), learning.entry(), training_facts());
    model_.record->wait_when_full = o_.when_full == "wait";
    model_.record->take_over = o_.take_over;
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
    listen_for_stop();
    try {
      steps();
    } catch (const std::exception& error) {
      if (model_.record) close_record("failed", error.what());
      throw;
    }
    finish();
  }

 private:
  // The manifest's `training`.
  Json training_facts() const {
    Json entry = training_entry(o_, steps_);
    entry.set("tokens_per_step", tokens_per_step_).set("device", facts_.name).set("sequence_length", o_.T);
    if (facts_.peak_flops > 0) entry.set("peak_flops", facts_.peak_flops);
    return entry;
  }

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

}  // namespace strobe
