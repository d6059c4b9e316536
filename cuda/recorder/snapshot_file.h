// One snapshot file (docs/snapshot-format.md): where each tensor lies, the header, the name, the writing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace strobe {

constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMostBytes = std::size_t{1} << 62;  // of a file, or of a slot
constexpr std::int64_t kMaxAttempt = 0x7FFFFFFF;
constexpr std::int64_t kMaxStep = std::int64_t{1} << 53;  // readers count steps in float64
constexpr const char* kStepRange = "a step is 0 to 2^53";

constexpr bool is_step(std::int64_t value) { return value >= 0 && value <= kMaxStep; }

// A tensor as the manifest describes it.
struct Tensor {
  std::string name;  // "section/tensor"
  std::vector<std::string> dims;
  std::vector<std::int64_t> shape;
  std::string dtype;
  std::size_t offset = 0;  // from the start of the file
  std::size_t bytes = 0;
};

// Bytes of one element of a dtype of the format; 0 for a name that is none.
std::size_t itemsize(std::string_view dtype);

constexpr std::size_t aligned(std::size_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

// Gives each tensor its bytes and its offset. False, and the tensor in `why`, when they pass kMostBytes. `shape`
// and `dtype` are sound already.
bool place(std::vector<Tensor>& tensors, std::size_t& file_bytes, std::string& why);

struct Header {
  std::int64_t step = 0;
  std::uint64_t payload_bytes = 0;
  std::uint32_t payload_crc = 0;
  double time = 0;
  std::uint64_t manifest_hash = 0;
  std::uint32_t attempt = 0;

  std::array<unsigned char, kHeaderBytes> pack() const;
};

// step_000042.bin, or step_000042.1.bin in attempt 1.
std::string file_name(std::int64_t step, std::int64_t attempt);
bool parse_file_name(std::string_view name, std::int64_t& step, std::int64_t& attempt);

struct Found {
  std::int64_t files = 0;
  std::int64_t highest_attempt = -1;  // -1: no file
};

// What snapshots a folder holds; 0 or an errno.
int find_files(const std::string& folder, Found& out);

// Writes `image`, a whole file in memory but for its header, as the snapshot that `header` names: never half a file,
// never over another one. The payload's size and checksum are filled in. 0 or an errno.
int write_snapshot(const std::string& folder, unsigned char* image, std::size_t bytes, Header header, bool sync);

}  // namespace strobe
