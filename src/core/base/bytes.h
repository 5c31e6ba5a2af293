// Bytes as they travel: views, owned buffers, numbers of either byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ark {

using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;
using Bytes = std::vector<std::byte>;

inline ByteView AsBytes(std::string_view text) {
    return {reinterpret_cast<const std::byte *>(text.data()), text.size()};
}
inline std::string_view AsText(ByteView bytes) { return {reinterpret_cast<const char *>(bytes.data()), bytes.size()}; }
inline Bytes ToBytes(std::string_view text) {
    ByteView view = AsBytes(text);
    return {view.begin(), view.end()};
}
inline void Append(Bytes &to, ByteView more) { to.insert(to.end(), more.begin(), more.end()); }

template <class Unsigned>
void PutBigEndian(std::byte *to, Unsigned value) {
    for (std::size_t i = 0; i < sizeof(Unsigned); i++)
        to[i] = static_cast<std::byte>(value >> (8 * (sizeof(Unsigned) - 1 - i)));
}
template <class Unsigned>
Unsigned GetBigEndian(const std::byte *from) {
    Unsigned value = 0;
    for (std::size_t i = 0; i < sizeof(Unsigned); i++)
        value = static_cast<Unsigned>((value << 8) | std::to_integer<Unsigned>(from[i]));
    return value;
}

template <class Unsigned>
void PutLittleEndian(std::byte *to, Unsigned value) {
    for (std::size_t i = 0; i < sizeof(Unsigned); i++) to[i] = static_cast<std::byte>(value >> (8 * i));
}
template <class Unsigned>
Unsigned GetLittleEndian(const std::byte *from) {
    Unsigned value = 0;
    for (std::size_t i = sizeof(Unsigned); i-- > 0;)
        value = static_cast<Unsigned>((value << 8) | std::to_integer<Unsigned>(from[i]));
    return value;
}

}    // namespace ark
