#include "tasks.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>

#include "gpt2/failure.h"
#include "gpt2/splitmix64.h"

namespace strobe {

namespace {

constexpr std::int32_t kShardMagic = 20240520, kShardVersion = 1;
constexpr std::int64_t kHeaderBytes = 256 * 4, kCheckedAtOnce = std::int64_t{1} << 27;
constexpr std::uint64_t kBatchStream = 0x6261746368657331;

std::vector<std::string> matching(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;
}

}  // namespace

ModularAddition::ModularAddition(int modulus, double train_fraction, std::uint64_t data_seed)
    : modulus_(modulus), data_seed_(data_seed) {
  if (modulus < 2 || modulus > 4096) throw Failure("modulus " + std::to_string(modulus) + "; give 2 to 4096");
  const std::int32_t n = modulus * modulus;
  const bool inside = train_fraction > 0 && train_fraction < 1;
  const auto n_train = inside ? static_cast<std::int32_t>(std::floor(train_fraction * n)) : 0;
  if (n_train < 1 || n_train >= n)
    throw Failure("train fraction " + std::to_string(train_fraction) + " of " + std::to_string(n) +
                  " pairs leaves a split empty; give a number between 0 and 1");
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  for (std::int32_t i = n - 1, k = 0; i > 0; --i, ++k)
    std::swap(order[i], order[splitmix64(data_seed, k) % static_cast<std::uint64_t>(i + 1)]);
  train_.assign(order.begin(), order.begin() + n_train);
  val_.assign(order.begin() + n_train, order.end());
}

std::vector<std::int32_t> ModularAddition::batch_rows(std::int64_t step, int batch_size) const {
  std::vector<std::int32_t> rows(batch_size);
  for (int k = 0; k < batch_size; ++k) {
    const auto n = static_cast<std::uint64_t>(step) * batch_size + k;
    rows[k] = train_[splitmix64(data_seed_ ^ kBatchStream, n) % train_.size()];
  }
  return rows;
}

Batch ModularAddition::sequences(const std::int32_t* rows, int count) const {
  Batch batch{count, 3, {}, {}};
  for (int i = 0; i < count; ++i) {
    const std::int32_t a = rows[i] / modulus_, b = rows[i] % modulus_;
    batch.tokens.insert(batch.tokens.end(), {a, b, modulus_});
    batch.targets.insert(batch.targets.end(), {-1, -1, (a + b) % modulus_});
  }
  return batch;
}

TokenShards::TokenShards(const std::string& pattern, int vocab_size) : vocab_size_(vocab_size) {
  const auto paths = matching(pattern);
  if (paths.empty()) throw Failure(pattern + ": no such file; give a token shard or a pattern in quotes");
  for (const std::string& path : paths) {
    std::array<std::int32_t, 256> header{};
    struct stat facts{};
    // Before it is opened: a pipe would wait for its writer.
    if (::stat(path.c_str(), &facts) || !S_ISREG(facts.st_mode)) throw Failure(path + ": is not a file");
    std::ifstream file(path, std::ios::binary);
    if (!file) throw Failure(path + ": cannot be read");
    if (!file.read(reinterpret_cast<char*>(header.data()), kHeaderBytes))
      throw Failure(path + ": is cut off inside its header (" + std::to_string(facts.st_size) + " bytes)");
    if (header[0] != kShardMagic)
      throw Failure(path + ": magic is " + std::to_string(header[0]) + ", not 20240520: no token shard");
    if (header[1] != kShardVersion)
      throw Failure(path + ": version is " + std::to_string(header[1]) + "; uint16 shards have version 1");
    const std::int64_t expected = kHeaderBytes + 2 * std::int64_t{header[2]};
    if (header[2] < 1 || facts.st_size != expected)
      throw Failure(path + ": has " + std::to_string(facts.st_size) + " bytes where its header's " +
                    std::to_string(header[2]) + " tokens need " + std::to_string(expected) +
                    ": truncated or damaged");
    shards_.push_back({path, header[2]});
  }
  // A token that the model does not know is found here where that is quick, else when its batch comes.
  if (tokens() <= kCheckedAtOnce)
    for (const Shard& shard : shards_) read(shard, 0, shard.tokens);
}

std::int64_t TokenShards::tokens() const {
  return std::accumulate(shards_.begin(), shards_.end(), std::int64_t{0},
                         [](std::int64_t sum, const Shard& shard) { return sum + shard.tokens; });
}

std::int64_t TokenShards::batches(int B, int T) const {
  std::int64_t count = 0;
  for (const Shard& shard : shards_) count += (shard.tokens - 1) / (std::int64_t{B} * T);
  return count;
}

Batch TokenShards::batch(std::int64_t n, int B, int T) const {
  const std::int64_t size = std::int64_t{B} * T, round = batches(B, T);
  if (round < 1)
    throw Failure(shards_[0].path + ": has too few tokens for one batch of " + std::to_string(size) +
                  "; try a smaller -b or -t");
  n %= round;
  for (const Shard& shard : shards_) {
    const std::int64_t here = (shard.tokens - 1) / size;
    if (n >= here) {
      n -= here;
      continue;
    }
    const auto read_tokens = read(shard, n * size, size + 1);
    Batch batch{B, T, {}, {}};
    batch.tokens.assign(read_tokens.begin(), read_tokens.end() - 1);
    batch.targets.assign(read_tokens.begin() + 1, read_tokens.end());
    return batch;
  }
  throw Failure("no batch is left");
}

std::vector<std::uint16_t> TokenShards::read(const Shard& shard, std::int64_t first, std::int64_t count) const {
  std::vector<std::uint16_t> tokens(count);
  std::ifstream file(shard.path, std::ios::binary);
  file.seekg(kHeaderBytes + 2 * first);
  if (!file.read(reinterpret_cast<char*>(tokens.data()), 2 * count))
    throw Failure(shard.path + ": cannot be read on");
  const auto worst = *std::max_element(tokens.begin(), tokens.end());
  if (worst >= vocab_size_)
    throw Failure(shard.path + ": holds token " + std::to_string(worst) + ", the model knows " +
                  std::to_string(vocab_size_));
  return tokens;
}

}  // namespace strobe
