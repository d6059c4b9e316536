// What of a GPT-2 is recorded, and the one call that records it.
#pragma once

#include <string>

#include "forward.h"
#include "model_entry.h"
#include "recorder/json.h"
#include "recorder/recorder.h"

namespace strobe {

// The probe's own forward pass, the batch's statistics, and the recorder that they go to.
struct Record {
  Record(GPT2& model, const Batch& probe, Json task, Json training);
  ~Record() { strobe_close(recorder, "interrupted", "the program ended without closing the run"); }
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  Batch probe;
  Json task, training;
  Activations acts;                                             // of the probe, without a head
  Floats ln1_mean, ln1_rstd, ln2_mean, ln2_rstd, residual_rms;  // (L)
  Floats lnf_mean, lnf_rstd;                                    // (1)
  Floats unit_active;                                           // (L, F)
  Floats m_norms, v_norms;      // of each layer of each parameter, one parameter after another
  Floats channel_squares;       // (C)
  bool wait_when_full = false;  // else a snapshot that finds the writer busy is skipped
  bool take_over = false;       // of a folder that another host's recorder left
  strobe_recorder* recorder = nullptr;
  std::string problem;  // why nothing can be recorded, once that is known
};

inline Record::Record(GPT2& model, const Batch& probe_, Json task_, Json training_)
    : probe(probe_),
      task(std::move(task_)),
      training(std::move(training_)),
      acts(model.device, model.config, probe_.B, probe_.T, false),
      ln1_mean(model.device, model.config.n_layer),
      ln1_rstd(model.device, model.config.n_layer),
      ln2_mean(model.device, model.config.n_layer),
      ln2_rstd(model.device, model.config.n_layer),
      residual_rms(model.device, model.config.n_layer),
      lnf_mean(model.device, 1),
      lnf_rstd(model.device, 1),
      unit_active(model.device, std::size_t(model.config.n_layer) * model.config.mlp_width),
      m_norms(model.device, std::size_t(kParameters) * model.config.n_layer),
      v_norms(model.device, std::size_t(kParameters) * model.config.n_layer),
      channel_squares(model.device, model.config.n_embd) {
  load(acts, probe);
}

// The tensors of a snapshot, in the order of docs/snapshot-format.md; the names outlive the recorder's opening.
class TensorList {
 public:
  void add(const std::string& name, const std::vector<const char*>& dims, const std::vector<std::int64_t>& shape,
           const void* data, const char* dtype = "float32") {
    names_.push_back(std::make_unique<std::string>(name));
    strobe_tensor tensor{};
    tensor.name = names_.back()->c_str();
    std::copy(dims.begin(), dims.end(), tensor.dims);
    std::copy(shape.begin(), shape.end(), tensor.shape);
    tensor.n_dims = static_cast<int>(dims.size());
    tensor.dtype = dtype;
    tensor.data = data;
    tensors_.push_back(tensor);
  }
  const strobe_tensor* data() const { return tensors_.data(); }
  int size() const { return static_cast<int>(tensors_.size()); }

 private:
  std::vector<std::unique_ptr<std::string>> names_;
  std::vector<strobe_tensor> tensors_;
};

inline void list_activations(const GPT2& model, const Record& r, TensorList& list) {
  const std::int64_t L = model.config.n_layer, F = model.config.mlp_width;
  list.add("activations/residual_rms", {"layer"}, {L}, r.residual_rms.data());
  list.add("activations/unit_active", {"layer", "neuron"}, {L, F}, r.unit_active.data());
  if (!model.config.layernorm) return;
  list.add("activations/ln1_mean", {"layer"}, {L}, r.ln1_mean.data());
  list.add("activations/ln1_rstd", {"layer"}, {L}, r.ln1_rstd.data());
  list.add("activations/ln2_mean", {"layer"}, {L}, r.ln2_mean.data());
  list.add("activations/ln2_rstd", {"layer"}, {L}, r.ln2_rstd.data());
  list.add("activations/lnf_mean", {"one"}, {1}, r.lnf_mean.data());
  list.add("activations/lnf_rstd", {"one"}, {1}, r.lnf_rstd.data());
}

inline TensorList list_tensors(const GPT2& model, const Record& r) {
  TensorList list;
  const std::int64_t L = model.config.n_layer, C = model.config.n_embd, H = model.config.n_head;
  const std::int64_t B = r.probe.B, T = r.probe.T;
  for (const auto& [section, values] :
       {std::pair{"params/", &model.parameters}, std::pair{"grads/", &model.gradients}})
    for (const ParameterShape& shape : model.shapes)
      if (shape.present)
        list.add(std::string(section) + shape.name, shape.dims, shape.shape, values->data() + shape.offset);
  list.add("attention/att", {"layer", "probe", "head", "query", "key"}, {L, B, H, T, T}, r.acts.att.data());
  list.add("residual/encoded", {"probe", "position", "channel"}, {B, T, C}, r.acts.encoded.data());
  list.add("residual/residual3", {"layer", "probe", "position", "channel"}, {L, B, T, C}, r.acts.residual3.data());
  list.add("probe/tokens", {"probe", "position"}, {B, T}, r.acts.tokens.data(), "int32");
  list_activations(model, r, list);
  for (const auto& [moment, norms] : {std::pair{"m", &r.m_norms}, std::pair{"v", &r.v_norms}})
    for (int i = 0; i < kParameters; ++i) {
      const ParameterShape& shape = model.shapes[i];
      if (shape.present)
        list.add(std::string("optimizer/") + moment + "_l2." + shape.name, {shape.per_layer() ? "layer" : "one"},
                 {shape.per_layer() ? L : 1}, norms->data() + i * L);
    }
  return list;
}

// Begins recording into `dir`; false with record.problem set when that cannot be.
inline bool open_record(GPT2& model, const char* dir) {
  Record& r = *model.record;
  const std::string about = model_entry(model.config).dump(), task = r.task.dump(), training = r.training.dump();
  strobe_options options{};
  options.folder = dir;
  options.model = about.c_str();
  options.task = task.c_str();
  options.training = training.c_str();
  options.writer = "strobe train_gpt2_fp32";
  options.wait_when_full = r.wait_when_full;
  options.take_over = r.take_over;
#ifdef __CUDACC__
  strobe_memory memory{};
  if (const int code = strobe_cuda_memory(&memory)) {
    r.problem = std::string("the device's copy stream: ") + cudaGetErrorString(static_cast<cudaError_t>(code));
    return false;
  }
  options.memory = &memory;
#endif
  const TensorList tensors = list_tensors(model, r);
  char error[1024] = "";
  r.recorder = strobe_open(&options, tensors.data(), tensors.size(), error, sizeof error);
  if (!r.recorder) r.problem = error;
  return r.recorder != nullptr;
}

// The mean over rows of a position's statistic, for each of `count` layers of `stride` rows.
inline void position_means(GPT2& model, Floats& out, const Floats& from, int count, std::int64_t stride,
                           std::int64_t rows) {
  for (int layer = 0; layer < count; ++layer) {
    const float* at = from.data() + layer * stride;
    model.device.column_sums(
        out.data() + layer, rows, 1, 1.0f / static_cast<float>(rows), false,
        STROBE_LAMBDA(std::int64_t row, int) { return at[row]; });
  }
}

inline void residual_rms(GPT2& model, Record& r, int layer, std::int64_t rows) {
  const int C = model.config.n_embd;
  const float* stream = model.acts.residual3.data() + layer * model.acts.rows() * C;
  float *squares = r.channel_squares.data(), *out = r.residual_rms.data() + layer;
  model.device.column_sums(
      squares, rows, C, 1.0f / static_cast<float>(rows), false,
      STROBE_LAMBDA(std::int64_t row, int c) { return stream[row * C + c] * stream[row * C + c]; });
  model.device.column_sums(
      out, C, 1, 1.0f / static_cast<float>(C), false, STROBE_LAMBDA(std::int64_t row, int) { return squares[row]; });
  model.device.elements(1, STROBE_LAMBDA(std::int64_t) { *out = sqrtf(*out); });
}

// The norms of Adam's moments, taken where they lie: only they travel to the host.
inline void observe_optimizer(GPT2& model) {
  Record& r = *model.record;
  for (int i = 0; i < kParameters; ++i) {
    const ParameterShape& shape = model.shapes[i];
    if (!shape.present) continue;
    const int L = model.config.n_layer, layers = shape.per_layer() ? L : 1;
    const auto n = static_cast<std::int64_t>(shape.count) / layers;
    model.device.norms(r.m_norms.data() + std::size_t(i) * L, model.m.data() + shape.offset, n, layers);
    model.device.norms(r.v_norms.data() + std::size_t(i) * L, model.v.data() + shape.offset, n, layers);
  }
}

// The statistics of the batch whose forward pass `model.acts` still holds; a validation pass overwrites it.
inline void observe_batch(GPT2& model, int B) {
  if (!model.record) return;
  Record& r = *model.record;
  const Activations& a = model.acts;
  const int L = model.config.n_layer, F = model.config.mlp_width;
  const std::int64_t rows = std::int64_t{B} * a.T;
  for (int layer = 0; layer < L; ++layer) {
    residual_rms(model, r, layer, rows);
    const float* before = a.fch.data() + layer * a.rows() * F;
    model.device.column_sums(
        r.unit_active.data() + std::size_t(layer) * F, rows, F, 1.0f / static_cast<float>(rows), false,
        STROBE_LAMBDA(std::int64_t row, int i) { return before[row * F + i] > 0 ? 1.0f : 0.0f; });
  }
  if (!model.config.layernorm) return;
  position_means(model, r.ln1_mean, a.ln1_mean, L, a.rows(), rows);
  position_means(model, r.ln1_rstd, a.ln1_rstd, L, a.rows(), rows);
  position_means(model, r.ln2_mean, a.ln2_mean, L, a.rows(), rows);
  position_means(model, r.ln2_rstd, a.ln2_rstd, L, a.rows(), rows);
  position_means(model, r.lnf_mean, a.lnf_mean, 1, a.rows(), rows);
  position_means(model, r.lnf_rstd, a.lnf_rstd, 1, a.rows(), rows);
}

}  // namespace strobe

// Records the model as it stands after `step` updates, with the gradients of update step + 1, into the run folder
// `dir`. Call it after the backward pass and before the update, after observe_batch. It never fails: what cannot be
// recorded is counted and said once.
inline void gpt2_save_snapshot(strobe::GPT2* model, const char* dir, int step) {
  strobe::Record* record = model->record.get();
  if (!record || !dir) return;
  if (!record->recorder && record->problem.empty()) strobe::open_record(*model, dir);
  if (!record->recorder) return;
  strobe::forward(*model, record->acts, record->probe.B);
  strobe::observe_optimizer(*model);
  strobe_snapshot(record->recorder, step, model->device.stream());
}
