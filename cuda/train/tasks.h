// What is learned: sums modulo p (docs/tasks.md, the same integers as in Python), or the tokens of llm.c's shards.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gpt2/batch.h"

namespace strobe {

class ModularAddition {
 public:
  ModularAddition(int modulus, double train_fraction, std::uint64_t data_seed);  // throws Failure

  int modulus() const { return modulus_; }
  const std::vector<std::int32_t>& train() const {
    return train_;
  }  // rows a * p + b, in the order of the permutation
  const std::vector<std::int32_t>& val() const { return val_; }
  std::vector<std::int32_t> batch_rows(std::int64_t step, int batch_size) const;
  Batch sequences(const std::int32_t* rows, int count) const;  // [a, b, p] with (a + b) mod p at the last position

 private:
  int modulus_;
  std::uint64_t data_seed_;
  std::vector<std::int32_t> train_, val_;
};

// The token shards that a pattern names, one after another and round again.
class TokenShards {
 public:
  TokenShards(const std::string& pattern, int vocab_size);  // throws Failure: no file, wrong header, cut off
  std::int64_t tokens() const;
  // The n-th batch of B x T tokens with the next tokens as targets; each call may be for any n.
  Batch batch(std::int64_t n, int B, int T) const;
  std::int64_t batches(int B, int T) const;  // whole ones in one round

 private:
  struct Shard {
    std::string path;
    std::int64_t tokens;
  };
  std::vector<std::uint16_t> read(const Shard& shard, std::int64_t first, std::int64_t count) const;

  std::vector<Shard> shards_;
  int vocab_size_;
};

}  // namespace strobe
