// AES-256-GCM (NIST SP 800-38D) and HKDF-SHA256 (RFC 5869), over OpenSSL.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"

namespace ark {

// 32 key bytes, wiped when they go.
class Key {
public:
    Key() = default;
    explicit Key(ByteView bytes);    // throws kInvalidArgument unless 32 bytes
    Key(const Key &) = default;
    Key &operator=(const Key &) = default;
    ~Key();
    ByteView bytes() const { return bytes_; }

private:
    std::array<std::byte, 32> bytes_{};
};

using Nonce = std::array<std::byte, 12>;
constexpr std::size_t kGcmTagSize = 16;

Nonce NumberNonce(std::uint64_t number);    // big-endian, 12 bytes

// Appends ciphertext and tag to `sealed`. A (key, nonce) pair must never be used for two plaintexts.
void GcmSeal(const Key &key, const Nonce &nonce, std::string_view associated, ByteView plain, Bytes &sealed);
// The same in place, for what lies in `bytes` from `from` on.
void GcmSealTail(const Key &key, const Nonce &nonce, std::string_view associated, Bytes &bytes, std::size_t from);
// Replaces `plain`; throws kCorrupt if the tag does not fit (wrong key, wrong place, or altered bytes).
void GcmOpen(const Key &key, const Nonce &nonce, std::string_view associated, ByteView sealed, Bytes &plain);
// Into memory as long as `sealed` without its tag; wiped when it throws.
void GcmOpen(const Key &key, const Nonce &nonce, std::string_view associated, ByteView sealed, MutableBytes plain);

Key Hkdf(ByteView key, ByteView salt, std::string_view info);    // 32 bytes; an empty salt is the RFC's zeros

}    // namespace ark
