#include "json.h"

#include <locale.h>
#include <stdlib.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace strobe {

namespace {

void append_escaped(std::string& out, std::string_view text) {
  out += '"';
  for (char raw : text) {
    const auto byte = static_cast<unsigned char>(raw);
    constexpr const char* hex = "0123456789abcdef";
    switch (raw) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (byte < 0x20) {
          out += "\\u00";
          out += hex[byte >> 4];
          out += hex[byte & 15];
        } else {
          out += raw;
        }
    }
  }
  out += '"';
}

void append(std::string& out, const Json& value) {
  switch (value.kind) {
    case Json::Kind::null:
      out += "null";
      break;
    case Json::Kind::boolean:
      out += value.boolean ? "true" : "false";
      break;
    case Json::Kind::integer:
      out += value.text;
      break;
    case Json::Kind::text:
      append_escaped(out, value.text);
      break;
    case Json::Kind::real:
      if (std::isfinite(value.real)) {
        out += python_repr(value.real);
      } else {
        out += std::isnan(value.real) ? "\"NaN\"" : value.real > 0 ? "\"Infinity\"" : "\"-Infinity\"";
      }
      break;
    case Json::Kind::array: {
      out += '[';
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (i) out += ',';
        append(out, value.items[i]);
      }
      out += ']';
      break;
    }
    case Json::Kind::object: {
      out += '{';
      for (std::size_t i = 0; i < value.members.size(); ++i) {
        if (i) out += ',';
        append_escaped(out, value.members[i].first);
        out += ':';
        append(out, value.members[i].second);
      }
      out += '}';
    }
  }
}

}  // namespace

Json& Json::set(std::string key, Json value) {
  members.emplace_back(std::move(key), std::move(value));
  return *this;
}

Json& Json::add(Json value) {
  items.push_back(std::move(value));
  return *this;
}

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name == key) return &value;
  return nullptr;
}

bool Json::operator==(const Json& other) const {
  // As in Python, 1 and 1.0 are equal.
  if (kind != other.kind) {
    const bool numbers =
        (kind == Kind::integer && other.kind == Kind::real) || (kind == Kind::real && other.kind == Kind::integer);
    const auto value = [](const Json& x) { return x.kind == Kind::real ? x.real : to_double(x.text.c_str()); };
    return numbers && value(*this) == value(other);
  }
  if (kind == Kind::object) {
    if (members.size() != other.members.size()) return false;
    for (const auto& [name, value] : members) {
      const Json* there = other.find(name);
      if (!there || *there != value) return false;
    }
    return true;
  }
  return boolean == other.boolean && real == other.real && text == other.text && items == other.items;
}

std::string Json::dump() const {
  std::string out;
  append(out, *this);
  return out;
}

double to_double(const char* text) {
  static const locale_t plain = ::newlocale(LC_ALL_MASK, "C", nullptr);
  return plain ? ::strtod_l(text, nullptr, plain) : std::strtod(text, nullptr);
}

std::string python_repr(double value) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string shortest(buffer, result.ptr);
  std::string sign;
  if (shortest[0] == '-') {
    sign = "-";
    shortest.erase(0, 1);
  }
  const std::size_t mark = shortest.find('e');
  const int exponent = std::atoi(shortest.c_str() + mark + 1);
  std::string digits = shortest.substr(0, 1);
  if (mark > 2) digits += shortest.substr(2, mark - 2);
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    std::string out = sign + digits.substr(0, 1);
    if (count > 1) out += "." + digits.substr(1);
    const std::string power = std::to_string(std::abs(exponent));
    return out + (exponent < 0 ? "e-" : "e+") + (power.size() < 2 ? "0" : "") + power;
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const int zeros = exponent + 1 - count;
  if (zeros >= 0) return sign + digits + std::string(static_cast<std::size_t>(zeros), '0') + ".0";
  const auto point = static_cast<std::size_t>(exponent + 1);
  return sign + digits.substr(0, point) + "." + digits.substr(point);
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const int more = first < 0x80 ? 0 : first >> 5 == 6 ? 1 : first >> 4 == 14 ? 2 : first >> 3 == 30 ? 3 : -1;
    if (more < 0 || i + static_cast<std::size_t>(more) >= text.size()) return false;
    unsigned code = more == 0 ? first : first & (0x3Fu >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if (next >> 6 != 2) return false;
      code = (code << 6) | (next & 63u);
    }
    constexpr unsigned least[] = {0, 0x80, 0x800, 0x10000};
    if (code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    i += static_cast<std::size_t>(more) + 1;
  }
  return true;
}

}  // namespace strobe
