#include <charconv>
#include <cmath>

#include "json.h"

namespace strobe {

namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxDigits = 4300;  // what Python reads of one integer

void append_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 63));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

class Parser {
 public:
  Parser(std::string_view text, std::string& error) : text_(text), error_(error) {}

  std::optional<Json> whole() {
    Json value;
    if (!is_utf8(text_)) return error_ = "is not UTF-8", std::nullopt;
    if (!read(value, 0)) return std::nullopt;
    skip();
    if (at_ != text_.size()) return fail("goes on after its value"), std::nullopt;
    return value;
  }

 private:
  bool fail(const char* what) {
    if (error_.empty()) error_ = std::string(what) + " (byte " + std::to_string(at_) + ")";
    return false;
  }

  void skip() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  bool take(char wanted) {
    skip();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  bool word(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) return fail("is not JSON");
    at_ += wanted.size();
    return true;
  }

  bool read(Json& value, int depth) {
    if (depth > kMaxDepth) return fail("is nested too deeply");
    skip();
    if (at_ >= text_.size()) return fail("ends early");
    switch (text_[at_]) {
      case '{':
        return read_object(value, depth);
      case '[':
        return read_array(value, depth);
      case '"':
        value.kind = Json::Kind::text;
        return read_text(value.text);
      case 't':
        value = Json(true);
        return word("true");
      case 'f':
        value = Json(false);
        return word("false");
      case 'n':
        value = Json();
        return word("null");
      default:
        return read_number(value);
    }
  }

  bool read_object(Json& value, int depth) {
    value = Json::object();
    ++at_;
    if (take('}')) return true;
    do {
      skip();
      std::string key;
      if (at_ >= text_.size() || text_[at_] != '"' || !read_text(key)) return fail("lacks a key");
      if (value.find(key)) return fail("has a key twice");
      if (!take(':')) return fail("lacks a colon");
      value.members.emplace_back(std::move(key), Json());
      if (!read(value.members.back().second, depth + 1)) return false;
    } while (take(','));
    return take('}') || fail("lacks a closing brace");
  }

  bool read_array(Json& value, int depth) {
    value = Json::array();
    ++at_;
    if (take(']')) return true;
    do {
      value.items.emplace_back();
      if (!read(value.items.back(), depth + 1)) return false;
    } while (take(','));
    return take(']') || fail("lacks a closing bracket");
  }

  bool read_number(Json& value) {
    const std::size_t start = at_;
    const auto digits = [&] {
      const std::size_t first = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      return at_ - first;
    };
    if (text_[at_] == '-') ++at_;
    const bool leading_zero = at_ < text_.size() && text_[at_] == '0';
    const std::size_t whole_digits = digits();
    if (whole_digits == 0 || (leading_zero && whole_digits > 1)) return fail("is not JSON");
    bool real = false;
    if (at_ < text_.size() && text_[at_] == '.') {
      real = true;
      ++at_;
      if (digits() == 0) return fail("has a bad number");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      real = true;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (digits() == 0) return fail("has a bad number");
    }
    const std::string token(text_.substr(start, at_ - start));
    if (real) {
      value = Json(to_double(token.c_str()));
      if (!std::isfinite(value.real)) return fail("has a number beyond a double");
    } else {
      if (token.size() > kMaxDigits) return fail("has a number of too many digits");
      value.kind = Json::Kind::integer;
      value.text = token == "-0" ? "0" : token;
    }
    return true;
  }

  bool read_hex(unsigned& code) {
    if (at_ + 4 > text_.size()) return fail("ends early");
    const auto [end, problem] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, code, 16);
    if (problem != std::errc() || end != text_.data() + at_ + 4) return fail("has a bad escape");
    at_ += 4;
    return true;
  }

  bool read_escape(std::string& out) {
    const char kind = text_[at_++];
    static constexpr std::string_view plain = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    if (const auto place = plain.find(kind); place != std::string_view::npos) {
      out += meant[place];
      return true;
    }
    unsigned code = 0, low = 0;
    if (kind != 'u' || !read_hex(code)) return fail("has a bad escape");
    if (code >= 0xD800 && code < 0xDC00) {
      if (text_.substr(at_, 2) != "\\u") return fail("has half of a surrogate pair");
      at_ += 2;
      if (!read_hex(low) || low < 0xDC00 || low > 0xDFFF) return fail("has half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      return fail("has half of a surrogate pair");
    }
    append_utf8(out, code);
    return true;
  }

  bool read_text(std::string& out) {
    for (++at_; at_ < text_.size();) {
      const char next = text_[at_++];
      if (next == '"') return true;
      if (static_cast<unsigned char>(next) < 0x20) return fail("has a control character in a string");
      if (next != '\\') {
        out += next;
      } else if (at_ >= text_.size() || !read_escape(out)) {
        return fail("ends early");
      }
    }
    return fail("ends early");
  }

  std::string_view text_;
  std::string& error_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<Json> parse_json(std::string_view text, std::string& error) { return Parser(text, error).whole(); }

}  // namespace strobe
