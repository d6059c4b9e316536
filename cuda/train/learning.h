// What a model learns from, and how well it does: sums modulo p, and token shards.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "gpt2/backward.h"
#include "options.h"
#include "recorder/json.h"
#include "tasks.h"

namespace strobe {

using Values = std::map<std::string, double>;

class Learning {
 public:
  virtual ~Learning() = default;
  virtual int B() const = 0;
  virtual Batch batch(std::int64_t n) const = 0;  // the n-th micro-batch, the same at every call
  virtual Batch probe() const = 0;
  virtual Values evaluate(GPT2& model) const = 0;  // overwrites the model's activations
  virtual Json entry() const = 0;                  // the manifest's `task`
};

class LearnSums : public Learning {
 public:
  explicit LearnSums(const Options& o)
      : sums_(o.modulus, o.train_fraction, o.data_seed),
        fraction_(o.train_fraction),
        seed_(o.data_seed),
        full_(o.B == 0),
        B_(full_ ? static_cast<int>(sums_.train().size()) : o.B) {}

  int B() const override { return B_; }
  Batch batch(std::int64_t n) const override {
    if (full_) return sums_.sequences(sums_.train().data(), B_);
    return sums_.sequences(sums_.batch_rows(n, B_).data(), B_);
  }
  Batch probe() const override {
    std::vector<std::int32_t> rows;
    for (const auto* split : {&sums_.train(), &sums_.val()})
      rows.insert(rows.end(), split->begin(), split->begin() + std::min<std::size_t>(8, split->size()));
    return sums_.sequences(rows.data(), static_cast<int>(rows.size()));
  }
  Values evaluate(GPT2& model) const override {
    const Score train = score(model, sums_.train()), val = score(model, sums_.val());
    return {{"val_loss", val.loss}, {"val_accuracy", val.accuracy}, {"train_accuracy", train.accuracy}};
  }
  Json entry() const override {
    Json names = Json::array(), splits = Json::object(), entry = Json::object();
    for (int i = 0; i < sums_.modulus(); ++i) names.add(std::to_string(i));
    names.add("=");
    splits.set("val", "test");
    entry.set("kind", "modular_addition").set("modulus", sums_.modulus()).set("train_fraction", fraction_);
    entry.set("data_seed", std::int64_t(seed_)).set("split", "splitmix64-fisher-yates-1");
    entry.set("batches", full_ ? "full" : "splitmix64-replacement-1");
    return entry.set("token_names", names).set("split_names", splits);
  }

 private:
  struct Score {
    double loss, accuracy;
  };
  Score score(GPT2& model, const std::vector<std::int32_t>& rows) const {
    double loss = 0;
    std::int64_t right = 0;
    for (std::size_t first = 0; first < rows.size(); first += B_) {
      const int count = static_cast<int>(std::min<std::size_t>(B_, rows.size() - first));
      load(model.acts, sums_.sequences(rows.data() + first, count));
      forward(model, model.acts, count);
      head(model, model.acts, count, 0, false);
      const auto losses = model.acts.losses.download();
      const auto hits = model.acts.right.download();
      for (int i = 0; i < count; ++i) {
        loss += losses[3 * i + 2];
        right += hits[3 * i + 2];
      }
    }
    const double n = static_cast<double>(rows.size());
    return {loss / n, static_cast<double>(right) / n};
  }

  ModularAddition sums_;
  double fraction_;
  std::uint64_t seed_;
  bool full_;
  int B_;
};

class LearnTokens : public Learning {
 public:
  LearnTokens(const Options& o, const Config& c) : train_(o.train_data, c.vocab_size), options_(o) {
    if (!o.val_data.empty()) val_ = std::make_unique<TokenShards>(o.val_data, c.vocab_size);
    train_.batch(0, o.B, o.T);
    if (val_) val_->batch(0, o.B, o.T);
  }

  int B() const override { return options_.B; }
  std::int64_t batches() const { return train_.batches(options_.B, options_.T); }
  Batch batch(std::int64_t n) const override { return train_.batch(n, options_.B, options_.T); }
  Batch probe() const override {
    const int T = std::min(options_.T, 64);
    return (val_ ? *val_ : train_).batch(0, std::min(4, options_.B * options_.T / T), T);
  }
  Values evaluate(GPT2& model) const override {
    if (!val_) return {};
    const std::int64_t count = std::min<std::int64_t>(options_.val_batches, val_->batches(options_.B, options_.T));
    double loss = 0, right = 0;
    for (std::int64_t n = 0; n < count; ++n) {
      load(model.acts, val_->batch(n, options_.B, options_.T));
      forward(model, model.acts, options_.B);
      head(model, model.acts, options_.B, 0, false);
      loss += sum_of_losses(model, model.acts, options_.B);
      const std::int32_t* hits = model.acts.right.data();
      right += model.device.sum(model.acts.rows(), STROBE_LAMBDA(std::int64_t i) { return double(hits[i]); });
    }
    const double tokens = static_cast<double>(count * model.acts.rows());
    return {{"val_loss", loss / tokens}, {"val_accuracy", right / tokens}};
  }
  Json entry() const override {
    Json entry = Json::object();
    entry.set("kind", "tokens").set("train_data", options_.train_data).set("train_tokens", train_.tokens());
    if (val_) entry.set("val_data", options_.val_data).set("val_tokens", val_->tokens());
    return entry;
  }

 private:
  TokenShards train_;
  std::unique_ptr<TokenShards> val_;
  Options options_;
};

}  // namespace strobe
