#include "manifest.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <unordered_set>

namespace strobe {

namespace {

constexpr std::size_t kMaxName = 16'384;          // characters
constexpr std::ptrdiff_t kMaxValues = 2'500'000;  // commas and opening brackets
constexpr std::int64_t kMaxLayers = 32'767;       // the tables' SMALLINT
constexpr const char* kDtypes = "float32, float64, float16, bfloat16, int8, int32, int64, uint8";

// The code point at `at` of sound UTF-8, and `at` moved past it.
unsigned next_code(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  const int more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  unsigned code = more == 0 ? first : first & (0x3Fu >> more);
  for (int k = 0; k < more; ++k) code = (code << 6) | (static_cast<unsigned char>(text[at++]) & 63u);
  return code;
}

// Controls, line separators, and the marks that turn the direction of writing.
bool is_control(unsigned code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 || code == 0x061C ||
         code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

bool is_path_part(std::string_view text) { return text == "." || text == ".."; }

std::string tensor_name_fault(const std::string& name) {
  if (const std::string fault = text_fault(name); !fault.empty()) return fault;
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == name.size()) return "must be section/tensor";
  const std::string_view section = std::string_view(name).substr(0, slash);
  const std::string_view rest = std::string_view(name).substr(slash + 1);
  if (name.find('\\') != std::string::npos || rest.find('/') != std::string_view::npos || is_path_part(section) ||
      is_path_part(rest))
    return "must be section/tensor and no path";
  return {};
}

std::string tensor_fault(const Tensor& tensor) {
  if (const std::string fault = tensor_name_fault(tensor.name); !fault.empty()) return "name: " + fault;
  if (tensor.shape.empty() || tensor.shape.size() > 8) return "shape: must have 1 to 8 axes";
  if (tensor.dims.size() != tensor.shape.size()) return "dims: must be as many as the shape has axes";
  for (std::size_t i = 0; i < tensor.dims.size(); ++i) {
    if (const std::string fault = text_fault(tensor.dims[i]); !fault.empty()) return "dims: a name " + fault;
    if (std::find(tensor.dims.begin(), tensor.dims.begin() + static_cast<std::ptrdiff_t>(i), tensor.dims[i]) !=
        tensor.dims.begin() + static_cast<std::ptrdiff_t>(i))
      return "dims: " + shown(tensor.dims[i]) + " stands twice";
    if (tensor.shape[i] < 1)
      return "shape: is " + std::to_string(tensor.shape[i]) + " along " + shown(tensor.dims[i]);
  }
  if (tensor.dims[0] == "layer" && tensor.shape[0] > kMaxLayers)
    return "shape: has " + std::to_string(tensor.shape[0]) + " layers; at most 32767 are read";
  if (itemsize(tensor.dtype) == 0) return "dtype: " + shown(tensor.dtype) + " is unknown; known are " + kDtypes;
  return {};
}

bool is_size(const Json* value) {
  if (!value || value->kind != Json::Kind::integer) return false;
  std::int64_t number = 0;
  const char* end = value->text.data() + value->text.size();
  return std::from_chars(value->text.data(), end, number).ec == std::errc() && number >= 1;
}

bool is_one_of(const Json* value, std::initializer_list<std::string_view> known) {
  return value && value->kind == Json::Kind::text &&
         std::find(known.begin(), known.end(), value->text) != known.end();
}

// What family "gpt2" must give.
std::string gpt2_fault(const Json& model) {
  for (const char* key : {"n_layer", "n_head", "n_embd", "mlp_width", "block_size", "vocab_size"})
    if (!is_size(model.find(key))) return std::string("model.") + key + ": must be a whole number >= 1";
  if (!is_one_of(model.find("activation"), {"gelu_tanh", "gelu", "relu"}))
    return "model.activation: must be gelu_tanh, gelu or relu";
  if (!is_one_of(model.find("layernorm"), {"pre", "none"})) return "model.layernorm: must be pre or none";
  const Json* eps = model.find("layernorm_eps");
  if (!eps || (eps->kind != Json::Kind::real && !is_size(eps) && eps->text != "0"))
    return "model.layernorm_eps: must be a number";
  for (const char* key : {"bias", "tied_embeddings"})
    if (const Json* value = model.find(key); !value || value->kind != Json::Kind::boolean)
      return std::string("model.") + key + ": must be true or false";
  return {};
}

std::string model_fault(const Json& model) {
  const Json* family = model.find("family");
  if (!family || family->kind != Json::Kind::text) return "model.family: is missing; \"other\" is any model";
  if (const std::string fault = text_fault(family->text); !fault.empty()) return "model.family: " + fault;
  return family->text == "gpt2" ? gpt2_fault(model) : std::string();
}

Json tensor_entry(const Tensor& tensor) {
  Json dims = Json::array(), shape = Json::array(), entry = Json::object();
  for (const std::string& dim : tensor.dims) dims.add(dim);
  for (const std::int64_t extent : tensor.shape) shape.add(extent);
  entry.set("name", tensor.name).set("section", tensor.name.substr(0, tensor.name.find('/')));
  entry.set("dims", std::move(dims)).set("shape", std::move(shape)).set("dtype", tensor.dtype);
  entry.set("taken", "before_update").set("offset", static_cast<std::uint64_t>(tensor.offset));
  return entry;
}

std::string shown_value(const Json* value) { return value ? shown(value->dump()) : "absent"; }

// A tensor of a manifest as a person tells it from another.
std::string shown_tensor(const Json& tensor) {
  return shown_value(tensor.find("name")) + " " + shown_value(tensor.find("shape")) + " " +
         shown_value(tensor.find("dtype"));
}

}  // namespace

std::string text_fault(std::string_view text) {
  if (!is_utf8(text)) return "is not UTF-8";
  if (text.empty()) return "is empty";
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size();) {
    const unsigned code = next_code(text, at);
    if (is_control(code)) {
      char shown_code[16];
      std::snprintf(shown_code, sizeof shown_code, "U+%04X", code);
      return std::string("holds the control character ") + shown_code;
    }
    if (++characters > kMaxName) return "is longer than 16384 characters";
  }
  return {};
}

std::string shown(std::string_view name) {
  constexpr std::size_t most = 80;
  if (name.size() <= most) return std::string(name);
  std::size_t cut = most;
  while (cut > most - 4 && (static_cast<unsigned char>(name[cut]) & 0xC0) == 0x80) --cut;
  return std::string(name.substr(0, cut)) + "...";
}

std::string run_id(std::string_view name) {
  std::string fitted;
  for (std::size_t at = 0; at < name.size();) {
    const char c = name[at];
    // The two letters beyond ASCII whose small ones begin with an ASCII letter.
    const bool kelvin = name.substr(at, 3) == "\xE2\x84\xAA", dotted_i = name.substr(at, 2) == "\xC4\xB0";
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-') {
      fitted += c;
    } else if (c >= 'A' && c <= 'Z') {
      fitted += static_cast<char>(c - 'A' + 'a');
    } else if (kelvin || dotted_i) {
      fitted += kelvin ? "k" : std::string("i\0", 2);
    } else {
      fitted += '\0';
    }
    at += kelvin ? 3 : dotted_i ? 2 : 1;
  }
  // A zero byte stands for whatever else was there; a row of them becomes one dash.
  fitted.erase(std::unique(fitted.begin(), fitted.end(), [](char a, char b) { return a == '\0' && b == '\0'; }),
               fitted.end());
  std::replace(fitted.begin(), fitted.end(), '\0', '-');
  const std::size_t first = fitted.find_first_not_of("-._"), last = fitted.find_last_not_of("-._");
  fitted = first == std::string::npos ? "run" : fitted.substr(first, last - first + 1);
  if (fitted[0] < 'a') fitted.insert(0, "r-");
  return fitted.substr(0, 64);
}

bool check_tensors(const std::vector<Tensor>& tensors, std::string& why) {
  std::unordered_set<std::string> names;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::string fault = tensor_fault(tensors[i]);
    if (fault.empty() && !names.insert(tensors[i].name).second) fault = "name: stands twice";
    if (fault.empty()) continue;
    why = "tensor " + shown(tensors[i].name) + " (number " + std::to_string(i) + "): " + fault;
    return false;
  }
  return true;
}

bool read_object(const char* text, const char* what, Json& out, std::string& why) {
  std::string fault;
  auto parsed = parse_json(text, fault);
  if (!parsed) return why = std::string(what) + ": " + fault, false;
  if (parsed->kind != Json::Kind::object) return why = std::string(what) + ": is not a JSON object", false;
  auto& members = parsed->members;
  members.erase(std::remove_if(members.begin(), members.end(),
                               [](const auto& member) { return member.second.kind == Json::Kind::null; }),
                members.end());
  out = std::move(*parsed);
  return true;
}

bool build_manifest(const RunEntry& run, Json model, Json task, Json training, const std::vector<Tensor>& tensors,
                    std::size_t bytes, Json& out, std::string& why) {
  if (const std::string fault = text_fault(run.name); !fault.empty())
    return why = "run.name: " + fault + "; give another name", false;
  if (const std::string fault = text_fault(run.writer); !fault.empty()) return why = "run.writer: " + fault, false;
  if (why = model_fault(model); !why.empty()) return false;
  Json entries = Json::array(), about = Json::object(), snapshot = Json::object();
  for (const Tensor& tensor : tensors) entries.add(tensor_entry(tensor));
  about.set("id", run.id).set("name", run.name).set("created_at", run.created_at).set("writer", run.writer);
  snapshot.set("bytes", static_cast<std::uint64_t>(bytes)).set("tensors", std::move(entries));
  out = Json::object();
  out.set("format", "strobe-snapshot").set("version", 1).set("run", std::move(about)).set("model", std::move(model));
  out.set("task", std::move(task)).set("training", std::move(training)).set("snapshot", std::move(snapshot));
  const std::string text = out.dump();
  const auto counts = [](char c) { return c == ',' || c == '[' || c == '{'; };
  const auto values = std::count_if(text.begin(), text.end(), counts);
  if (text.size() >= kManifestLimit || values > kMaxValues)
    return why = "the manifest is larger than any reader takes (" + std::to_string(text.size()) + " bytes)", false;
  return true;
}

std::string first_change(const Json& there, const Json& ours) {
  const Json* old_model = there.find("model");
  const Json* new_model = ours.find("model");
  for (const Json* side : {old_model, new_model})
    for (const auto& [key, ignored] : side->members) {
      const Json *old_value = old_model->find(key), *new_value = new_model->find(key);
      if (!old_value || !new_value || *old_value != *new_value)
        return "model." + key + " is " + shown_value(old_value) + " there and " + shown_value(new_value) + " now";
    }
  const Json* old_tensors = there.find("snapshot")->find("tensors");
  const Json* new_tensors = ours.find("snapshot")->find("tensors");
  for (std::size_t i = 0; old_tensors && i < std::min(old_tensors->items.size(), new_tensors->items.size()); ++i)
    if (old_tensors->items[i] != new_tensors->items[i])
      return shown_tensor(old_tensors->items[i]) + " there, " + shown_tensor(new_tensors->items[i]) + " now";
  return "its tensors are not these";
}

}  // namespace strobe
