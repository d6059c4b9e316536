#include "slots.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace strobe {

namespace {

constexpr std::size_t kPage = 4096;

int allocate(void*, std::size_t bytes, void** out) {
  if (bytes > SIZE_MAX - kPage) return ENOMEM;
  *out = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  return *out ? 0 : ENOMEM;
}

void release(void*, void* memory) { std::free(memory); }

int make_ticket(void*, void** out) {
  *out = nullptr;
  return 0;
}

int begin(void*, void*, void*) { return 0; }

int copy(void*, void* to, const void* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
  return 0;
}

int end(void*, void*, void*) { return 0; }

int wait(void*, void*, double* copy_ms) {
  *copy_ms = 0;
  return 0;
}

void drop_ticket(void*, void*) {}

void close(void*) {}

const char* describe(int code) { return std::strerror(code); }

}  // namespace

strobe_memory host_memory() {
  strobe_memory calls{};
  calls.allocate = allocate;
  calls.release = release;
  calls.make_ticket = make_ticket;
  calls.begin = begin;
  calls.copy = copy;
  calls.end = end;
  calls.wait = wait;
  calls.drop_ticket = drop_ticket;
  calls.close = close;
  calls.describe = describe;
  return calls;
}

Memory::~Memory() {
  if (calls_.close) calls_.close(calls_.context);
}

bool Memory::is_whole() const {
  return calls_.allocate && calls_.release && calls_.make_ticket && calls_.begin && calls_.copy && calls_.end &&
         calls_.wait && calls_.drop_ticket && calls_.close && calls_.describe;
}

std::string Memory::words(int code) const {
  const char* said = calls_.describe(code);
  return said ? said : "error " + std::to_string(code);
}

Slot::~Slot() {
  const strobe_memory& memory = memory_.calls();
  if (ticket_) memory.drop_ticket(memory.context, ticket_);
  if (data_) memory.release(memory.context, data_);
}

int Slot::allocate(std::size_t bytes) {
  const strobe_memory& memory = memory_.calls();
  if (const int code = memory.allocate(memory.context, bytes, &data_)) return data_ = nullptr, code;
  // The gaps between tensors stay zero; and every page is there before training counts its time.
  std::memset(data_, 0, bytes);
  return memory.make_ticket(memory.context, &ticket_);
}

double l2_norm(const float* values, std::size_t count) {
  // Eight sums side by side: vector units take them at once, and their errors stay small.
  constexpr std::size_t lanes = 8;
  double sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (std::size_t k = 0; k < lanes; ++k) sums[k] += static_cast<double>(values[i + k]) * values[i + k];
  for (; i < count; ++i) sums[0] += static_cast<double>(values[i]) * values[i];
  return std::sqrt(((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])));
}

void take_norms(const Norms& norms, unsigned char* slot) {
  const auto* values = reinterpret_cast<const float*>(slot + norms.from);
  for (std::size_t run = 0; run < norms.runs; ++run, values += norms.length) {
    const double norm = l2_norm(values, norms.length);
    const auto narrow = static_cast<float>(norm);
    if (norms.as_float64) {
      std::memcpy(slot + norms.to + 8 * run, &norm, 8);
    } else {
      std::memcpy(slot + norms.to + 4 * run, &narrow, 4);
    }
  }
}

}  // namespace strobe
