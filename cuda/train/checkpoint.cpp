#include "checkpoint.h"

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "gpt2/failure.h"
#include "recorder/checksum.h"
#include "recorder/files.h"
#include "snapshot_start.h"

namespace strobe {

namespace {

constexpr std::int32_t kMagic = 20240326, kVersion = 3;
constexpr int kHeaderInts = 256;
// llm.c leaves the last of them 0 and reads none of them: ours hold a mark and a CRC-32 of the whole file with that 0.
constexpr int kMarkAt = 254, kCrcAt = 255;
constexpr std::int32_t kMark = 0x43524333;
const char kSnapshotMagic[8] = {'S', 'T', 'R', 'O', 'B', 'E', '1', '\0'};

using Integers = std::array<std::int32_t, kHeaderInts>;
using Shapes = std::array<ParameterShape, kParameters>;

std::string number(std::int64_t value) { return std::to_string(value); }

void require(bool good, const std::string& path, const std::string& what) {
  if (!good) throw Failure(path + ": " + what);
}

void read_floats(std::ifstream& file, float* to, std::size_t count, const std::string& path) {
  file.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(count * sizeof(float)));
  require(bool(file), path, "cannot be read to its end");
}

// The order and sizes of llm.c's file, which are ours without the gaps.
std::int64_t checkpoint_floats(const Config& config) {
  std::int64_t count = 0;
  for (const ParameterShape& shape : parameter_shapes(config)) count += static_cast<std::int64_t>(shape.count);
  return count;
}

std::int32_t checksum(Integers header, const Shapes& shapes, const std::vector<float>& values) {
  header[kCrcAt] = 0;
  std::uint32_t crc = crc32(header.data(), sizeof header);
  for (const ParameterShape& shape : shapes)
    crc = crc32(values.data() + shape.offset, shape.count * sizeof(float), crc);
  return static_cast<std::int32_t>(crc);
}

void require_checksum(const Integers& header, const Shapes& shapes, const std::vector<float>& values,
                      const std::string& path) {
  if (!header[kMarkAt] && !header[kCrcAt]) return;
  require(header[kMarkAt] == kMark && header[kCrcAt] == checksum(header, shapes, values), path,
          "is damaged: its checksum does not fit its bytes; put a copy of it back, or start from another file");
}

Start read_llmc(std::ifstream& file, const std::string& path, std::int64_t size) {
  Integers header{};
  require(size >= std::int64_t{sizeof header}, path, "is cut off inside its header (" + number(size) + " bytes)");
  file.read(reinterpret_cast<char*>(header.data()), sizeof header);
  require(header[0] == kMagic, path, "magic is " + number(header[0]) + ", not 20240326: no checkpoint of llm.c");
  require(header[1] == kVersion, path, "version is " + number(header[1]) + "; float32 checkpoints have version 3");
  Start start;
  Config& c = start.config;
  c.block_size = header[2];
  c.vocab_size = header[3];
  c.n_layer = header[4];
  c.n_head = header[5];
  c.n_embd = header[6];
  c.padded_vocab = header[7];
  for (const int value : {header[2], header[3], header[4], header[5], header[6], header[7]})
    require(value > 0 && value < (1 << 24), path, "a size in its header is " + number(value));
  c.mlp_width = 4 * c.n_embd;
  require(c.problem().empty(), path, c.problem());
  const std::int64_t expected = std::int64_t{sizeof header} + 4 * checkpoint_floats(c);
  require(
      size == expected, path,
      "has " + number(size) + " bytes where its header's sizes need " + number(expected) + ": truncated or damaged");
  const auto shapes = parameter_shapes(c);
  start.parameters.assign(total_count(shapes), 0.0f);
  for (const ParameterShape& shape : shapes)
    read_floats(file, start.parameters.data() + shape.offset, shape.count, path);
  require_checksum(header, shapes, start.parameters, path);
  return start;
}

}  // namespace

Start read_start(const std::string& path) {
  std::error_code trouble;
  require(std::filesystem::is_regular_file(path, trouble), path,
          "no such file; give a checkpoint or a step_NNNNNN.bin");
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path, trouble));
  std::ifstream file(path, std::ios::binary);
  char magic[8] = "";
  file.read(magic, sizeof magic);
  require(bool(file), path, "cannot be read, or has fewer than 8 bytes");
  if (std::memcmp(magic, kSnapshotMagic, sizeof magic) == 0) return read_snapshot(path);
  file.seekg(0);
  return read_llmc(file, path, size);
}

void write_checkpoint(const std::string& path, const Config& config, const std::vector<float>& parameters) {
  if (!config.is_llmc())
    throw Failure(path + ": llm.c's checkpoints hold GPT-2 with LayerNorm, biases and a tied head only");
  Integers header{};
  const std::int32_t fields[] = {kMagic,         kVersion,      config.block_size, config.vocab_size,
                                 config.n_layer, config.n_head, config.n_embd,     config.padded_vocab};
  std::copy(std::begin(fields), std::end(fields), header.begin());
  header[kMarkAt] = kMark;
  header[kCrcAt] = checksum(header, parameter_shapes(config), parameters);
  const std::filesystem::path whole(path);
  const std::string folder = whole.has_parent_path() ? whole.parent_path().string() : ".";
  const std::string part = whole.filename().string() + ".part";
  std::error_code trouble;
  std::filesystem::remove(std::filesystem::path(folder) / part, trouble);
  int code = create_file(folder, part, true, [&](int descriptor) {
    if (const int failed = write_all(descriptor, header.data(), sizeof header)) return failed;
    for (const ParameterShape& shape : parameter_shapes(config))
      if (const int failed = write_all(descriptor, parameters.data() + shape.offset, shape.count * sizeof(float)))
        return failed;
    return 0;
  });
  if (!code) std::filesystem::rename(std::filesystem::path(folder) / part, whole, trouble);
  if (!code && trouble) code = trouble.value();
  if (code) throw Failure(path + ": cannot be written: " + std::strerror(code));
}

}  // namespace strobe
