#include "options.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sstream>

#include "gpt2/failure.h"
#include "presets.h"

namespace strobe {

namespace {

using Setter = std::function<void(Options&, const std::string&)>;

struct Flag {
  const char *shorter, *longer, *value, *about;  // value "": the flag stands alone
  Setter set;
};

std::int64_t integer(const std::string& text, std::int64_t least, std::int64_t most) {
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end || errno || std::isspace(static_cast<unsigned char>(text[0])))
    throw Failure("'" + text + "' is not a whole number");
  if (value < least || value > most)
    throw Failure(text + " is out of range; give " + std::to_string(least) + " to " + std::to_string(most));
  return value;
}

double real(const std::string& text, double least, double most) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end || !std::isfinite(value)) throw Failure("'" + text + "' is not a number");
  if (value < least || value > most) {
    std::ostringstream words;
    words.precision(9);
    words << text << " is out of range; give " << least << " to " << most;
    throw Failure(words.str());
  }
  return value;
}

std::string one_of(const std::string& text, std::initializer_list<const char*> known) {
  std::string list;
  for (const char* name : known) {
    if (text == name) return text;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  throw Failure("'" + text + "' is not known; give one of " + list);
}

template <class T>
Setter whole(T Options::* to, std::int64_t least, std::int64_t most = 2147483647) {
  return [=](Options& o, const std::string& text) { o.*to = static_cast<T>(integer(text, least, most)); };
}
Setter model_size(int Config::* to, int least = 1) {
  return [=](Options& o, const std::string& text) { o.model.*to = static_cast<int>(integer(text, least, 1 << 24)); };
}
Setter number(double Options::* to, double least, double most) {
  return [=](Options& o, const std::string& text) { o.*to = real(text, least, most); };
}
Setter optimizer(double Optimizer::* to, double least, double most) {
  return [=](Options& o, const std::string& text) { o.optimizer.*to = real(text, least, most); };
}
Setter words(std::string Options::* to) {
  return [=](Options& o, const std::string& text) {
    if (text.empty()) throw Failure("is empty");
    o.*to = text;
  };
}
Setter choice(bool Config::* to, const char* yes, const char* no) {
  return [=](Options& o, const std::string& text) { o.model.*to = one_of(text, {yes, no}) == yes; };
}

const std::vector<Flag>& flags() {
  static const std::vector<Flag> table = {
      {"", "--task", "modadd|tokens", "sums modulo p, or token shards (default: tokens)",
       [](Options& o, const std::string& text) {
         o.modadd = one_of(text, {"modadd", "tokens"}) == "modadd";
         if (o.modadd) apply_sums(o);
       }},
      {"", "--preset", "NAME",
       "grok, small, nanda (sums), dev (7 M parameters) or gpt2 (124 M): numbers to start from",
       [](Options& o, const std::string& text) {
         o.preset = one_of(text, {"grok", "small", "nanda", "dev", "gpt2"});
         apply_preset(o);
       }},
      {"-i", "--train-data", "PATTERN", "llm.c token shards to learn (quote the pattern)",
       words(&Options::train_data)},
      {"-j", "--val-data", "PATTERN", "token shards to validate on", words(&Options::val_data)},
      {"-e", "--init-from", "FILE", "start from an llm.c checkpoint or a Strobe step_NNNNNN.bin",
       words(&Options::start)},
      {"-o", "--out", "DIR", "folder of main.log and checkpoints", words(&Options::out)},
      {"-d", "--snapshots", "DIR", "run folder to record into (default: none)", words(&Options::snapshots)},
      {"", "--take-over", "", "take -d over from a recorder of another host that is surely gone",
       [](Options& o, const std::string&) { o.take_over = true; }},
      {"-f", "--snapshot-every", "N", "steps between snapshots (default 100)",
       [](Options& o, const std::string& text) {
         o.snapshot_every = static_cast<int>(integer(text, 1, 2147483647));
         o.schedule.clear();
       }},
      {"", "--schedule", "RANGES", "steps to record, such as 0-1400/100,1500-8500/500", words(&Options::schedule)},
      {"", "--when-full", "skip|wait", "what a snapshot does that finds the disk behind (tokens: skip, sums: wait)",
       [](Options& o, const std::string& text) { o.when_full = one_of(text, {"skip", "wait"}); }},
      {"-n", "--steps", "N", "updates (default: one round of the training shards)", whole(&Options::steps, 1)},
      {"-b", "--batch-size", "N|full", "sequences in a batch (default 4)",
       [](Options& o, const std::string& text) {
         o.B = text == "full" ? 0 : static_cast<int>(integer(text, 1, 1 << 20));
       }},
      {"-t", "--sequence-length", "N", "positions in a sequence, a multiple of 4 (default 1024; sums: 3)",
       whole(&Options::T, 1, 1 << 20)},
      {"", "--tokens-per-step", "N", "tokens of one update, a multiple of -b times -t (default: that)",
       whole(&Options::tokens_per_step, 1, std::int64_t{1} << 40)},
      {"-l", "--lr", "RATE", "learning rate, constant after the warm-up (default 3e-4)",
       number(&Options::learning_rate, 1e-12, 10)},
      {"", "--warmup", "N", "steps of linear warm-up (default 0)", whole(&Options::warmup, 0)},
      {"", "--weight-decay", "X", "AdamW's, on matrices only (default 0.1)",
       optimizer(&Optimizer::weight_decay, 0, 1e6)},
      {"", "--beta1", "X", "AdamW's (default 0.9)", optimizer(&Optimizer::beta1, 0, 0.9999999)},
      {"", "--beta2", "X", "AdamW's (default 0.95)", optimizer(&Optimizer::beta2, 0, 0.9999999)},
      {"", "--grad-clip", "X", "largest norm of the gradient; 0 is none (default)",
       number(&Options::grad_clip, 0, 1e30)},
      {"-v", "--eval-every", "N", "steps between validations (default 20)", whole(&Options::eval_every, 1)},
      {"-m", "--val-batches", "N", "batches of one validation (default 20)", whole(&Options::val_batches, 1)},
      {"-s", "--sample-every", "N", "steps between generated samples; 0 is never (default)",
       whole(&Options::sample_every, 0)},
      {"-g", "--sample-tokens", "N", "tokens of a sample (default 64)", whole(&Options::sample_tokens, 1)},
      {"-k", "--checkpoint-every", "N", "steps between llm.c checkpoints in --out; 0 is never (default)",
       whole(&Options::checkpoint_every, 0)},
      {"", "--layers", "N", "", model_size(&Config::n_layer)},
      {"", "--heads", "N", "", model_size(&Config::n_head)},
      {"", "--width", "N", "channels; the MLP gets four times as many unless told",
       [](Options& o, const std::string& text) {
         o.model.n_embd = static_cast<int>(integer(text, 1, 1 << 24));
         o.model.mlp_width = 4 * o.model.n_embd;
       }},
      {"", "--mlp-width", "N", "", model_size(&Config::mlp_width)},
      {"", "--block-size", "N", "positions that the model knows", model_size(&Config::block_size)},
      {"", "--vocab-size", "N", "", model_size(&Config::vocab_size)},
      {"", "--activation", "NAME", "gelu_tanh, gelu or relu",
       [](Options& o, const std::string& text) {
         one_of(text, {"gelu_tanh", "gelu", "relu"});
         o.model.activation = text == "relu"   ? Activation::relu
                              : text == "gelu" ? Activation::gelu
                                               : Activation::gelu_tanh;
       }},
      {"", "--layernorm", "pre|none", "", choice(&Config::layernorm, "pre", "none")},
      {"", "--bias", "yes|no", "", choice(&Config::bias, "yes", "no")},
      {"", "--tied", "yes|no", "whether the head shares the token embedding", choice(&Config::tied, "yes", "no")},
      {"", "--init-std", "X", "standard deviation of the weights (default 0.02)",
       [](Options& o, const std::string& text) {
         o.model.init_std = real(text, 0, 1e3);
         o.init_gain = 0;
       }},
      {"", "--init-gain", "X", "the same as X / sqrt(width)", number(&Options::init_gain, 1e-9, 1e3)},
      {"", "--init-residual", "yes|no", "divide the two projections' by sqrt(2 layers)",
       choice(&Config::init_residual, "yes", "no")},
      {"", "--fc1-band", "N", "keep the MLP's first matrix zero further than N from its diagonal",
       model_size(&Config::fc1_band, 0)},
      {"", "--fc2-band", "N", "the same for its second", model_size(&Config::fc2_band, 0)},
      {"", "--model-seed", "N", "seed of the weights (default 999)", whole(&Options::model_seed, 0, INT64_MAX)},
      {"", "--data-seed", "N", "seed of split and minibatches (default 598)",
       whole(&Options::data_seed, 0, INT64_MAX)},
      {"", "--modulus", "P", "of the sums (default 97)", whole(&Options::modulus, 2, 4096)},
      {"", "--train-fraction", "X", "share of the sums that is learned (default 0.3)",
       number(&Options::train_fraction, 0, 1)},
      {"", "--loss-dtype", "NAME", "precision of the cross-entropy's sums: float32 or float64",
       [](Options& o, const std::string& text) {
         o.double_loss = one_of(text, {"float32", "float64"}) == "float64";
       }},
      {"", "--tf32", "", "let matrix products round their inputs to TF32",
       [](Options& o, const std::string&) { o.tf32 = true; }},
      {"", "--print-config", "", "print the model, the task and the training as JSON, and train nothing",
       [](Options& o, const std::string&) { o.print_config = true; }},
      {"-h", "--help", "", "this page", [](Options& o, const std::string&) { o.help = true; }},
  };
  return table;
}

std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t before = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = before + (a[i - 1] != b[j - 1]);
      before = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

const Flag& find_flag(const std::string& name) {
  const Flag* nearest = nullptr;
  std::size_t least = 4;
  for (const Flag& flag : flags()) {
    if (name == flag.longer || (*flag.shorter && name == flag.shorter)) return flag;
    if (const std::size_t far = distance(name, flag.longer); far < least) {
      least = far;
      nearest = &flag;
    }
  }
  throw Failure("unknown flag " + name +
                (nearest ? std::string("; did you mean ") + nearest->longer + "?" : "; --help lists them"));
}

// What a start of -e decides.
constexpr const char* kModelFlags[] = {
    "--layers",    "--heads", "--width", "--mlp-width", "--block-size", "--vocab-size",    "--activation",
    "--layernorm", "--bias",  "--tied",  "--init-std",  "--init-gain",  "--init-residual", "--model-seed"};

// What only the whole command line can tell.
void settle(Options& o) {
  Config& c = o.model;
  if (o.modadd) {
    if (o.given.count("--sequence-length") && o.T != 3) throw Failure("-t: sums have 3 positions; leave -t out");
    o.T = 3;
    c.vocab_size = o.modulus + 1;
    c.block_size = std::max(c.block_size == Config{}.block_size ? 3 : c.block_size, 3);
    if (o.given.count("--vocab-size")) throw Failure("--vocab-size: sums have as many tokens as --modulus, and one");
    if (!o.train_data.empty()) throw Failure("-i: sums need no data; leave it out, or give --task tokens");
    if (o.B == 0 && o.tokens_per_step) throw Failure("--tokens-per-step: a full batch is one update already");
  } else {
    if (o.train_data.empty()) throw Failure("-i is missing: give token shards to learn, or --task modadd");
    if (o.B == 0) throw Failure("-b: token shards have no full batch; give a number");
    if (o.T % 4)
      throw Failure("-t: " + std::to_string(o.T) +
                    " is not divisible by 4, as rows of attention must be to stay aligned");
  }
  if (!o.start.empty())
    for (const char* flag : kModelFlags)
      if (o.given.count(flag)) throw Failure(std::string(flag) + ": the model comes from -e; leave it out");
  if (o.init_gain > 0) c.init_std = o.init_gain / std::sqrt(static_cast<double>(c.n_embd));
  c.padded_vocab = padded(c.vocab_size);
  if (o.start.empty() && !c.problem().empty()) throw Failure(c.problem());
  if (o.start.empty() && o.T > c.block_size)
    throw Failure("-t: " + std::to_string(o.T) + " positions are more than the model's " +
                  std::to_string(c.block_size) + "; give --block-size");
  const std::int64_t batch = std::int64_t{o.B} * o.T;
  if (o.tokens_per_step && o.tokens_per_step % batch)
    throw Failure("--tokens-per-step: " + std::to_string(o.tokens_per_step) + " is not divisible by -b " +
                  std::to_string(o.B) + " x -t " + std::to_string(o.T) + " = " + std::to_string(batch));
  if (o.learning_rate * o.optimizer.weight_decay >= 1)
    throw Failure("--weight-decay: times the learning rate it must stay below 1");
  if (o.checkpoint_every && o.out.empty()) throw Failure("-k: checkpoints go into --out; give -o DIR");
  if (o.checkpoint_every && o.start.empty() && !c.is_llmc())
    throw Failure(
        "-k: llm.c's checkpoints hold GPT-2 with LayerNorm, biases and a tied head only; record snapshots with -d");
  if (o.when_full.empty()) o.when_full = o.modadd ? "wait" : "skip";
}

}  // namespace

Options parse_options(int count, const char* const* arguments) {
  Options options;
  std::vector<std::pair<const Flag*, std::string>> given;
  for (int i = 0; i < count; ++i) {
    std::string name = arguments[i], value;
    const std::size_t equals = name.rfind("--", 0) == 0 ? name.find('=') : std::string::npos;
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    if (name.empty() || name[0] != '-') throw Failure("'" + name + "' is not a flag; --help lists them");
    const Flag& flag = find_flag(name);
    if (!*flag.value && equals != std::string::npos) throw Failure(name + " takes no value");
    if (*flag.value && equals == std::string::npos) {
      if (i + 1 == count) throw Failure(name + ": a value is missing; give " + flag.value);
      value = arguments[++i];
    }
    given.emplace_back(&flag, value);
    options.given.insert(flag.longer);
  }
  // A preset and a task say where to start from, so they come first.
  const auto rank = [](const Flag* flag) {
    return !std::strcmp(flag->longer, "--preset")  ? 0
           : !std::strcmp(flag->longer, "--task")  ? 1
           : !std::strcmp(flag->longer, "--width") ? 2
                                                   : 3;
  };
  std::stable_sort(given.begin(), given.end(),
                   [&](const auto& a, const auto& b) { return rank(a.first) < rank(b.first); });
  for (const auto& [flag, value] : given) {
    try {
      flag->set(options, value);
    } catch (const Failure& error) {
      throw Failure(std::string(flag->longer) + ": " + error.what());
    }
  }
  if (!options.help) settle(options);
  return options;
}

std::string help_text() {
  std::ostringstream out;
  out << "Trains GPT-2 in float32 and records snapshots for Strobe.\n\n"
         "  train_gpt2_fp32 --preset grok -d runs/grok-cuda\n"
         "  train_gpt2_fp32 -i 'data/train_*.bin' -j 'data/val_*.bin' -e gpt2_124M.bin -d runs/gpt2 -f 100\n\n";
  for (const Flag& flag : flags()) {
    std::string left = *flag.shorter ? std::string("  ") + flag.shorter + ", " : "      ";
    left += std::string(flag.longer) + (*flag.value ? " " : "") + flag.value;
    out << left << std::string(left.size() < 40 ? 40 - left.size() : 1, ' ') << flag.about << "\n";
  }
  return out.str();
}

}  // namespace strobe
