#include "snapshot_start.h"

#include <cmath>
#include <cstring>
#include <filesystem>

#include "gpt2/failure.h"
#include "recorder/checksum.h"
#include "recorder/files.h"
#include "recorder/json.h"
#include "recorder/snapshot_file.h"

namespace strobe {

namespace {

constexpr std::size_t kMostManifest = std::size_t{64} << 20, kMostFile = std::size_t{1} << 40;

std::string number(std::int64_t value) { return std::to_string(value); }

void require(bool good, const std::string& where, const std::string& what) {
  if (!good) throw Failure(where + ": " + what);
}

std::string read_file(const std::string& path, std::size_t limit) {
  std::string bytes;
  const int code = read_whole(path, bytes, limit);
  require(code == 0, path, std::string("cannot be read: ") + std::strerror(code));
  return bytes;
}

const Json& member(const Json& object, const char* name, Json::Kind kind, const std::string& where) {
  const Json* value = object.find(name);
  require(value && value->kind == kind, where, std::string(name) + " is missing or not what it must be");
  return *value;
}

std::int64_t integer(const Json& value, const std::string& where) {
  require(value.kind == Json::Kind::integer && value.text.size() < 19, where, "is not an integer");
  return std::stoll(value.text);
}

std::int64_t integer(const Json& object, const char* name, const std::string& where) {
  return integer(member(object, name, Json::Kind::integer, where), where + ": " + name);
}

std::string words(const Json& object, const char* name, const std::string& where) {
  return member(object, name, Json::Kind::text, where).text;
}

int size_of(const Json& model, const char* name, const std::string& where) {
  const std::int64_t value = integer(model, name, where);
  require(value > 0 && value <= kMostOfASize, where, std::string(name) + " is " + number(value));
  return static_cast<int>(value);
}

int band_of(const Json& model, const char* name, const std::string& where) {
  if (!model.find(name)) return -1;
  const std::int64_t value = integer(model, name, where);
  require(value >= 0 && value <= kMostOfASize, where, std::string(name) + " is " + number(value));
  return static_cast<int>(value);
}

double eps_of(const Json& model, const std::string& where) {
  const Json* eps = model.find("layernorm_eps");
  require(eps && (eps->kind == Json::Kind::real || eps->kind == Json::Kind::integer), where,
          "layernorm_eps is no number");
  const double value = eps->kind == Json::Kind::real ? eps->real : static_cast<double>(integer(*eps, where));
  require(std::isfinite(value) && value >= 0 && value < 1, where, "layernorm_eps is not between 0 and 1");
  return value;
}

Activation activation_of(const Json& model, const std::string& where) {
  const std::string name = words(model, "activation", where);
  for (const Activation kind : {Activation::gelu_tanh, Activation::gelu, Activation::relu})
    if (name == activation_name(kind)) return kind;
  throw Failure(where + ": activation is not gelu_tanh, gelu or relu");
}

Config config_of(const Json& model, const std::string& where) {
  require(words(model, "family", where) == "gpt2", where, "family is not gpt2");
  const std::string norm = words(model, "layernorm", where);
  require(norm == "pre" || norm == "none", where, "layernorm is not pre or none");
  Config c;
  c.n_layer = size_of(model, "n_layer", where);
  c.n_head = size_of(model, "n_head", where);
  c.n_embd = size_of(model, "n_embd", where);
  c.mlp_width = size_of(model, "mlp_width", where);
  c.block_size = size_of(model, "block_size", where);
  c.vocab_size = size_of(model, "vocab_size", where);
  c.activation = activation_of(model, where);
  c.layernorm = norm == "pre";
  c.layernorm_eps = eps_of(model, where);
  c.bias = member(model, "bias", Json::Kind::boolean, where).boolean;
  c.tied = member(model, "tied_embeddings", Json::Kind::boolean, where).boolean;
  c.fc1_band = band_of(model, "fc1_band", where);
  c.fc2_band = band_of(model, "fc2_band", where);
  c.padded_vocab = padded(c.vocab_size);
  require(c.problem().empty(), where, c.problem());
  return c;
}

// Every tensor, with the offset that its place in the list gives it; the manifest must say the same.
std::vector<Tensor> tensors_of(const Json& snapshot, std::size_t file_bytes, const std::string& where) {
  std::vector<Tensor> tensors;
  std::vector<std::int64_t> offsets;
  for (const Json& entry : member(snapshot, "tensors", Json::Kind::array, where).items) {
    require(entry.kind == Json::Kind::object, where, "a tensor is not an object");
    Tensor tensor;
    tensor.name = words(entry, "name", where);
    tensor.dtype = words(entry, "dtype", where);
    require(itemsize(tensor.dtype) > 0, where, "a tensor's dtype is unknown");
    for (const Json& size : member(entry, "shape", Json::Kind::array, where).items) {
      tensor.shape.push_back(integer(size, where + ": a shape"));
      require(tensor.shape.back() >= 1, where, "a shape has a size below 1");
    }
    require(!tensor.shape.empty() && tensor.shape.size() <= 8, where, "a shape has no size, or more than 8");
    offsets.push_back(integer(entry, "offset", where));
    tensors.push_back(std::move(tensor));
  }
  std::size_t bytes = 0;
  std::string why;
  require(place(tensors, bytes, why), where, why);
  require(bytes == file_bytes, where,
          "its tensors need " + std::to_string(bytes) + " bytes, the file has " + std::to_string(file_bytes));
  for (std::size_t i = 0; i < tensors.size(); ++i)
    require(tensors[i].offset == static_cast<std::size_t>(offsets[i]), where,
            "offset: a tensor lies where it must not");
  return tensors;
}

template <class T>
T field(const std::string& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// Header, name and checksum of the file, and that it belongs to this manifest.
void check_file(const std::string& bytes, const std::string& manifest, const std::string& path) {
  require(bytes.size() >= kHeaderBytes, path, "is cut off inside its header");
  require(field<std::uint32_t>(bytes, 60) == crc32(bytes.data(), 60), path, "header crc: the header is damaged");
  require(field<std::uint32_t>(bytes, 28) == 1 && field<std::uint64_t>(bytes, 52) == 0, path,
          "has flags or reserved bytes that are unknown");
  require(field<std::uint64_t>(bytes, 16) == bytes.size() - kHeaderBytes, path, "is truncated or extended");
  require(field<std::uint64_t>(bytes, 40) == fnv1a64(manifest), path, "was written under another manifest");
  std::int64_t step = 0, attempt = 0;
  const std::string name = std::filesystem::path(path).filename().string();
  if (parse_file_name(name, step, attempt))
    require(step == field<std::int64_t>(bytes, 8) && attempt == field<std::uint32_t>(bytes, 48), path,
            "its header names another step than its name");
  require(field<std::uint32_t>(bytes, 24) == crc32(bytes.data() + kHeaderBytes, bytes.size() - kHeaderBytes), path,
          "payload crc: the file is damaged");
}

void take(const std::string& bytes, const std::vector<Tensor>& tensors, const ParameterShape& shape, float* to,
          const std::string& where) {
  const std::string name = std::string("params/") + shape.name;
  for (const Tensor& tensor : tensors) {
    if (tensor.name != name) continue;
    require(tensor.dtype == "float32", where, name + " is not float32");
    require(tensor.shape == shape.shape, where, name + " has another shape than the model's sizes give");
    std::memcpy(to, bytes.data() + tensor.offset, tensor.bytes);
    return;
  }
  throw Failure(where + ": has no tensor " + name);
}

}  // namespace

Start read_snapshot(const std::string& path) {
  const std::string beside = (std::filesystem::path(path).parent_path() / "manifest.json").string();
  const std::string text = read_file(beside, kMostManifest);
  std::string error;
  const auto manifest = parse_json(text, error);
  require(manifest.has_value(), beside, error);
  require(manifest->kind == Json::Kind::object, beside, "is not an object");
  require(words(*manifest, "format", beside) == "strobe-snapshot", beside, "format is not strobe-snapshot");
  require(integer(*manifest, "version", beside) == 1, beside, "version is not 1");
  const std::string bytes = read_file(path, kMostFile);
  check_file(bytes, text, path);
  const Json& snapshot = member(*manifest, "snapshot", Json::Kind::object, beside);
  require(integer(snapshot, "bytes", beside) == static_cast<std::int64_t>(bytes.size()), path,
          "is not as long as its manifest says");
  const auto tensors = tensors_of(snapshot, bytes.size(), beside);
  Start start;
  start.config = config_of(member(*manifest, "model", Json::Kind::object, beside), beside + ": model");
  const auto shapes = parameter_shapes(start.config);
  require(static_cast<std::size_t>(n_params(shapes)) * sizeof(float) <= bytes.size(), path,
          "is too short for its model's sizes");
  start.parameters.assign(total_count(shapes), 0.0f);
  for (const ParameterShape& shape : shapes)
    if (shape.present) take(bytes, tensors, shape, start.parameters.data() + shape.offset, beside);
  return start;
}

}  // namespace strobe
