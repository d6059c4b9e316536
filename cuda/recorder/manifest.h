// manifest.json: built from what strobe_open was given, refused where a reader would refuse it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json.h"
#include "snapshot_file.h"

namespace strobe {

constexpr std::size_t kManifestLimit = std::size_t{64} << 20;

struct RunEntry {
  std::string id;
  std::string name;
  std::string writer;
  double created_at = 0;
};

// `name` made to fit what a run may be called: [a-z][a-z0-9._-]{0,63}.
std::string run_id(std::string_view name);

// What keeps `text` from being a name that a person reads, or "".
std::string text_fault(std::string_view text);

// `name` as a message shows it, cut after 80 bytes or so.
std::string shown(std::string_view name);

// Whether readers take these tensors (still without offsets), by themselves and together.
bool check_tensors(const std::vector<Tensor>& tensors, std::string& why);

// The members of a JSON object without those that are null: absent means unknown. `what` is named in `why`.
bool read_object(const char* text, const char* what, Json& out, std::string& why);

// The manifest of placed tensors, checked; `bytes` is the size of every file.
bool build_manifest(const RunEntry& run, Json model, Json task, Json training, const std::vector<Tensor>& tensors,
                    std::size_t bytes, Json& out, std::string& why);

// What a run that is there has otherwise than this one, in words: of use when they are not equal.
std::string first_change(const Json& there, const Json& ours);

}  // namespace strobe
