#include "plan.h"

#include "manifest.h"

namespace strobe {

namespace {

constexpr const char* kScalars[] = {"train_loss",        "val_loss",      "train_accuracy",
                                    "val_accuracy",      "learning_rate", "grad_norm",
                                    "grad_clip_scale",   "tokens_seen",   "step_time_ms",
                                    "tokens_per_second", "mfu",           "memory_allocated_bytes",
                                    "memory_peak_bytes", "recorder_ms"};
constexpr int kDefaultScalars = sizeof kScalars / sizeof *kScalars;

std::string or_empty(const char* text) { return text ? text : ""; }

bool take_tensor(const strobe_tensor& given, std::vector<Tensor>& out, std::string& why) {
  Tensor tensor;
  tensor.name = or_empty(given.name);
  tensor.dtype = or_empty(given.dtype);
  const std::string where = "tensor " + shown(tensor.name) + " (number " + std::to_string(out.size()) + "): ";
  if (given.n_dims < 1 || given.n_dims > STROBE_MAX_DIMS) return why = where + "shape: must have 1 to 8 axes", false;
  for (int i = 0; i < given.n_dims; ++i) tensor.dims.push_back(or_empty(given.dims[i]));
  tensor.shape.assign(given.shape, given.shape + given.n_dims);
  if (!given.data) return why = where + "data: is NULL", false;
  if (given.l2_of < 0) return why = where + "l2_of: is " + std::to_string(given.l2_of), false;
  if (given.l2_of && tensor.dtype != "float32" && tensor.dtype != "float64")
    return why = where + "dtype: norms are float32 or float64, not " + shown(tensor.dtype), false;
  out.push_back(std::move(tensor));
  return true;
}

void take_scalars(const strobe_options& options, std::vector<Tensor>& out) {
  const int count = options.scalars ? options.n_scalars : kDefaultScalars;
  for (int i = 0; i < count; ++i) {
    Tensor tensor;
    tensor.name = "scalars/" + or_empty(options.scalars ? options.scalars[i] : kScalars[i]);
    tensor.dims = {"one"};
    tensor.shape = {1};
    tensor.dtype = "float64";
    out.push_back(std::move(tensor));
  }
}

// Where each tensor's bytes go; values that norms are taken of lie behind the file's image.
bool lay_out(const strobe_tensor* given, std::size_t count, Plan& plan, std::string& why) {
  Layout& layout = plan.layout;
  layout.slot_bytes = layout.file_bytes;
  for (std::size_t i = 0; i < count; ++i) {
    const Tensor& tensor = plan.tensors[i];
    if (given[i].l2_of == 0) {
      layout.copies.push_back({given[i].data, tensor.offset, tensor.bytes});
      continue;
    }
    const std::size_t runs = tensor.bytes / itemsize(tensor.dtype), from = layout.slot_bytes;
    std::size_t bytes = 0, end = 0;
    if (__builtin_mul_overflow(runs * sizeof(float), static_cast<std::size_t>(given[i].l2_of), &bytes) ||
        __builtin_add_overflow(from, bytes, &end) || end > kMostBytes)
      return why = "tensor " + shown(tensor.name) + ": what its norms are taken of is larger than any memory", false;
    layout.copies.push_back({given[i].data, from, bytes});
    layout.norms.push_back({from, tensor.offset, runs, bytes / sizeof(float) / runs, tensor.dtype == "float64"});
    layout.slot_bytes = aligned(end);
  }
  return true;
}

}  // namespace

bool make_plan(const strobe_options& options, const strobe_tensor* tensors, int n_tensors, Plan& out,
               std::string& why) {
  if (n_tensors < 0 || (n_tensors && !tensors)) return why = "no tensors were given", false;
  if (options.scalars && options.n_scalars < 0) return why = "n_scalars is negative", false;
  for (int i = 0; i < n_tensors; ++i)
    if (!take_tensor(tensors[i], out.tensors, why)) return false;
  take_scalars(options, out.tensors);
  if (!check_tensors(out.tensors, why) || !place(out.tensors, out.layout.file_bytes, why)) return false;
  const auto count = static_cast<std::size_t>(n_tensors);
  for (std::size_t i = count; i < out.tensors.size(); ++i)
    out.scalars.emplace(out.tensors[i].name.substr(out.tensors[i].name.find('/') + 1), out.tensors[i].offset);
  return lay_out(tensors, count, out, why);
}

}  // namespace strobe
