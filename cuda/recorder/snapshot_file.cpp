#include "snapshot_file.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

#include "checksum.h"
#include "files.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the snapshot format is little-endian, and this writer copies memory as it is"
#endif

namespace strobe {

namespace {

constexpr std::uint32_t kCrcValid = 1;

// `digits` of a file's name, between `least` and `most` of them; -1 for anything else.
std::int64_t number_in(std::string_view digits, std::size_t least, std::size_t most) {
  std::int64_t value = -1;
  if (digits.size() < least || digits.size() > most) return -1;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return problem == std::errc() && end == digits.data() + digits.size() && value >= 0 ? value : -1;
}

}  // namespace

std::size_t itemsize(std::string_view dtype) {
  if (dtype == "float32" || dtype == "int32") return 4;
  if (dtype == "float64" || dtype == "int64") return 8;
  if (dtype == "float16" || dtype == "bfloat16") return 2;
  return dtype == "int8" || dtype == "uint8" ? 1 : 0;
}

bool place(std::vector<Tensor>& tensors, std::size_t& file_bytes, std::string& why) {
  std::size_t end = kHeaderBytes;
  for (Tensor& tensor : tensors) {
    std::size_t bytes = itemsize(tensor.dtype);
    for (const std::int64_t extent : tensor.shape)
      if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(extent), &bytes) || bytes > kMostBytes)
        return why = "a shape is larger than any file, that of tensor " + tensor.name, false;
    tensor.offset = aligned(end);
    tensor.bytes = bytes;
    end = tensor.offset + bytes;
    if (end > kMostBytes) return why = "the snapshot gets larger than any file with tensor " + tensor.name, false;
  }
  file_bytes = aligned(end);
  return true;
}

std::array<unsigned char, kHeaderBytes> Header::pack() const {
  std::array<unsigned char, kHeaderBytes> out{};
  const auto put = [&](std::size_t at, const void* value, std::size_t bytes) {
    std::memcpy(out.data() + at, value, bytes);
  };
  put(0, "STROBE1", 8);
  put(8, &step, 8);
  put(16, &payload_bytes, 8);
  put(24, &payload_crc, 4);
  put(28, &kCrcValid, 4);
  put(32, &time, 8);
  put(40, &manifest_hash, 8);
  put(48, &attempt, 4);
  const std::uint32_t own = crc32(out.data(), 60);
  put(60, &own, 4);
  return out;
}

std::string file_name(std::int64_t step, std::int64_t attempt) {
  char text[64];
  std::snprintf(text, sizeof text, "step_%06lld", static_cast<long long>(step));
  return text + (attempt ? "." + std::to_string(attempt) : std::string()) + ".bin";
}

bool parse_file_name(std::string_view name, std::int64_t& step, std::int64_t& attempt) {
  constexpr std::string_view head = "step_", tail = ".bin";
  if (name.size() <= head.size() + tail.size() || name.substr(0, head.size()) != head) return false;
  if (name.substr(name.size() - tail.size()) != tail) return false;
  const std::string_view middle = name.substr(head.size(), name.size() - head.size() - tail.size());
  const std::size_t dot = middle.find('.');
  step = number_in(middle.substr(0, dot), 6, 20);
  attempt = dot == std::string_view::npos ? 0 : number_in(middle.substr(dot + 1), 1, 10);
  return is_step(step) && attempt >= 0 && attempt <= kMaxAttempt && file_name(step, attempt) == name;
}

int find_files(const std::string& folder, Found& out) {
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(::opendir(folder.c_str()), ::closedir);
  if (!opened) return errno;
  std::int64_t step = 0, attempt = 0;
  while (const dirent* entry = ::readdir(opened.get())) {
    if (!parse_file_name(entry->d_name, step, attempt)) continue;
    ++out.files;
    out.highest_attempt = std::max(out.highest_attempt, attempt);
  }
  return 0;
}

int write_snapshot(const std::string& folder, unsigned char* image, std::size_t bytes, Header header, bool sync) {
  header.payload_bytes = bytes - kHeaderBytes;
  header.payload_crc = crc32(image + kHeaderBytes, bytes - kHeaderBytes);
  const auto packed = header.pack();
  std::memcpy(image, packed.data(), packed.size());
  return create_file(folder, file_name(header.step, header.attempt), sync,
                     [&](int file) { return write_all(file, image, bytes); });
}

}  // namespace strobe
