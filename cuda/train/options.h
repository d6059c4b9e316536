// The trainer's command line.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "gpt2/config.h"
#include "gpt2/optimizer.h"

namespace strobe {

struct Options {
  bool modadd = false;
  std::string preset, start;              // start: a checkpoint of llm.c or a snapshot
  std::string train_data, val_data, out;  // -i -j -o
  std::string snapshots;                  // -d; empty: off
  int snapshot_every = 100;               // -f
  std::string schedule;
  int B = 4, T = 1024;                       // -b -t; B 0: the full training split
  std::int64_t tokens_per_step = 0;          // 0: B * T
  double learning_rate = 3e-4;               // -l
  int steps = 0;                             // -n; 0: one round of the training shards
  int eval_every = 20, val_batches = 20;     // -v -m
  int sample_every = 0, sample_tokens = 64;  // -s -g
  int checkpoint_every = 0;                  // -k
  int warmup = 0;
  double grad_clip = 0;  // 0: none
  Optimizer optimizer;
  Config model;
  double init_gain = 0;  // above 0: init_std = init_gain / sqrt(width)
  std::uint64_t model_seed = 999, data_seed = 598;
  int modulus = 97;
  double train_fraction = 0.3;
  bool double_loss = false, tf32 = false;
  bool take_over = false;  // of a run folder that another host's recorder left
  std::string when_full;        // "skip" or "wait"; empty: wait for sums, skip for tokens
  std::set<std::string> given;  // the long names of the flags that were
  bool help = false, print_config = false;
};

// Reads the arguments after the program's name; a preset's values come first, whatever the order. Throws Failure with
// one line: the flag, what is wrong, what to give.
Options parse_options(int count, const char* const* arguments);

std::string help_text();

}  // namespace strobe
