#include "training_entry.h"

#include "gpt2/model_entry.h"

namespace strobe {

Json training_entry(const Options& o, std::int64_t steps) {
  Json entry = Json::object();
  entry.set("steps", steps).set("learning_rate", o.learning_rate).set("weight_decay", o.optimizer.weight_decay);
  entry.set("beta1", o.optimizer.beta1).set("beta2", o.optimizer.beta2).set("eps", o.optimizer.eps);
  entry.set("warmup", o.warmup).set("loss_dtype", o.double_loss ? "float64" : "float32").set("tf32", o.tf32);
  if (o.B) entry.set("batch_size", o.B);
  if (o.grad_clip > 0) entry.set("grad_clip", o.grad_clip);
  entry.set("eval_every", o.eval_every).set("model_seed", std::int64_t(o.model_seed));
  return entry.set("data_seed", std::int64_t(o.data_seed)).set("optimizer", "adamw");
}

Json config_entry(const Options& o, const Config& model) {
  Json task = Json::object(), record = Json::object(), entry = Json::object();
  task.set("kind", o.modadd ? "modular_addition" : "tokens");
  if (o.modadd) task.set("modulus", o.modulus).set("train_fraction", o.train_fraction);
  if (o.schedule.empty()) record.set("snapshot_every", o.snapshot_every);
  if (!o.schedule.empty()) record.set("schedule", o.schedule);
  entry.set("model", model_entry(model)).set("task", task).set("training", training_entry(o, o.steps));
  return entry.set("sequence_length", o.T).set("record", record);
}

}  // namespace strobe
