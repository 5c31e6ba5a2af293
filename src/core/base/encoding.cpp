#include "base/encoding.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kUpperHex = "0123456789ABCDEF";
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int HexValue(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::array<int, 256> MakeBase64Values() {
    std::array<int, 256> values;
    values.fill(-1);
    for (std::size_t i = 0; i < kBase64.size(); i++)
        values[static_cast<unsigned char>(kBase64[i])] = static_cast<int>(i);
    return values;
}

}    // namespace

std::string HexEncode(ByteView bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (std::byte b : bytes) {
        auto v = std::to_integer<unsigned>(b);
        out += kHex[v >> 4];
        out += kHex[v & 15];
    }
    return out;
}

Bytes HexDecode(std::string_view text) {
    if (text.size() % 2 != 0) throw Error(Code::kInvalidArgument, "hexadecimal text has an odd length");
    Bytes out(text.size() / 2);
    for (std::size_t i = 0; i < out.size(); i++) {
        int high = HexValue(text[2 * i]), low = HexValue(text[2 * i + 1]);
        if (high < 0 || low < 0) throw Error(Code::kInvalidArgument, "text is not hexadecimal");
        out[i] = static_cast<std::byte>(high << 4 | low);
    }
    return out;
}

std::string Base64Encode(ByteView bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; k++)
            group = group << 8 | (k < n ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; k++) out += k <= n ? kBase64[group >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

Bytes Base64Decode(std::string_view text) {
    static const std::array<int, 256> values = MakeBase64Values();
    if (text.size() % 4 != 0) throw Error(Code::kInvalidArgument, "base64 text has a wrong length");
    Bytes out;
    out.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::uint32_t group = 0;
        std::size_t padding = 0;
        for (std::size_t k = 0; k < 4; k++) {
            char c = text[i + k];
            bool may_pad = i + 4 == text.size() && k >= 2;
            if (c == '=' && may_pad) {
                padding++;
                group <<= 6;
                continue;
            }
            int value = values[static_cast<unsigned char>(c)];
            if (value < 0 || padding > 0) throw Error(Code::kInvalidArgument, "text is not base64");
            group = group << 6 | static_cast<std::uint32_t>(value);
        }
        if ((group & ((1u << 8 * padding) - 1)) != 0)
            throw Error(Code::kInvalidArgument, "text is not base64");    // bits behind the end
        for (std::size_t k = 0; k < 3 - padding; k++) out.push_back(static_cast<std::byte>(group >> (16 - 8 * k)));
    }
    return out;
}

std::string PercentEncode(std::string_view text, bool keep_slash) {
    std::string out;
    for (char c : text) {
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
        if (plain) {
            out += c;
        } else {
            auto v = static_cast<unsigned char>(c);
            out += '%';
            out += kUpperHex[v >> 4];
            out += kUpperHex[v & 15];
        }
    }
    return out;
}

std::string PercentDecode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
        int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
        if (high < 0 || low < 0) throw Error(Code::kInvalidArgument, "text has a broken percent escape");
        out += static_cast<char>(high << 4 | low);
        i += 2;
    }
    return out;
}

bool IsValidUtf8(std::string_view text) {
    auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    for (std::size_t i = 0; i < text.size();) {
        unsigned c = at(i);
        std::size_t more = c < 0x80                ? 0
                           : c >= 0xC2 && c < 0xE0 ? 1
                           : c >= 0xE0 && c < 0xF0 ? 2
                           : c >= 0xF0 && c < 0xF5 ? 3
                                                   : 9;
        if (more == 9 || i + more >= text.size() + (more == 0)) return false;
        for (std::size_t k = 1; k <= more; k++)
            if ((at(i + k) & 0xC0) != 0x80) return false;
        if ((c == 0xE0 && at(i + 1) < 0xA0) || (c == 0xED && at(i + 1) > 0x9F) || (c == 0xF0 && at(i + 1) < 0x90) ||
            (c == 0xF4 && at(i + 1) > 0x8F))
            return false;
        i += more + 1;
    }
    return true;
}

}    // namespace ark
