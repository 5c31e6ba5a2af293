#include "codec/encrypt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/digest.h"
#include "base/error.h"

namespace ark {
namespace {

struct FreeContext {
    void operator()(EVP_CIPHER_CTX *context) const { EVP_CIPHER_CTX_free(context); }    // wipes the key schedule
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

void Must(bool ok, const char *what) {
    if (!ok) throw Error(Code::kInternal, std::string("OpenSSL could not ") + what);
}

const unsigned char *Raw(const std::byte *bytes) { return reinterpret_cast<const unsigned char *>(bytes); }
unsigned char *Raw(std::byte *bytes) { return reinterpret_cast<unsigned char *>(bytes); }

// Fetched once: an implicit fetch costs as much as a small frame.
const EVP_CIPHER *Aes256Gcm() {
    static EVP_CIPHER *cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    Must(cipher != nullptr, "find AES-256-GCM");
    return cipher;
}

Context Start(const Key &key, const Nonce &nonce, std::string_view associated, bool seal) {
    Context context(EVP_CIPHER_CTX_new());
    Must(context && EVP_CipherInit_ex2(context.get(), Aes256Gcm(), Raw(key.bytes().data()), Raw(nonce.data()), seal,
                                       nullptr) == 1,
         "start AES-256-GCM");
    int length = 0;
    ByteView more = AsBytes(associated);
    Must(EVP_CipherUpdate(context.get(), nullptr, &length, Raw(more.data()), static_cast<int>(more.size())) == 1,
         "authenticate data");
    return context;
}

// OpenSSL counts in int, so long inputs go in pieces.
void Run(EVP_CIPHER_CTX *context, ByteView from, std::byte *to) {
    constexpr std::size_t kPiece = 1 << 30;
    while (!from.empty()) {
        ByteView piece = from.first(std::min(from.size(), kPiece));
        int length = 0;
        Must(EVP_CipherUpdate(context, Raw(to), &length, Raw(piece.data()), static_cast<int>(piece.size())) == 1,
             "run AES-256-GCM");
        to += length;
        from = from.subspan(piece.size());
    }
}

}    // namespace

Key::Key(ByteView bytes) {
    if (bytes.size() != bytes_.size()) throw Error(Code::kInvalidArgument, "a key must have 32 bytes");
    std::ranges::copy(bytes, bytes_.begin());
}

Key::~Key() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

Nonce NumberNonce(std::uint64_t number) {
    Nonce nonce{};
    PutBigEndian(nonce.data() + 4, number);
    return nonce;
}

void GcmSeal(const Key &key, const Nonce &nonce, std::string_view associated, ByteView plain, Bytes &sealed) {
    std::size_t at = sealed.size();
    Append(sealed, plain);
    GcmSealTail(key, nonce, associated, sealed, at);
}

void GcmSealTail(const Key &key, const Nonce &nonce, std::string_view associated, Bytes &bytes, std::size_t from) {
    std::size_t end = bytes.size();
    bytes.resize(end + kGcmTagSize);
    Context context = Start(key, nonce, associated, true);
    Run(context.get(), ByteView(bytes).subspan(from, end - from), bytes.data() + from);
    int length = 0;
    Must(EVP_CipherFinal_ex(context.get(), Raw(bytes.data() + end), &length) == 1, "finish AES-256-GCM");
    Must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, bytes.data() + end) == 1,
         "get the tag");
}

void GcmOpen(const Key &key, const Nonce &nonce, std::string_view associated, ByteView sealed, Bytes &plain) {
    plain.resize(sealed.size() < kGcmTagSize ? 0 : sealed.size() - kGcmTagSize);
    try {
        GcmOpen(key, nonce, associated, sealed, MutableBytes(plain));
    } catch (const Error &) {
        plain.clear();
        throw;
    }
}

void GcmOpen(const Key &key, const Nonce &nonce, std::string_view associated, ByteView sealed, MutableBytes plain) {
    if (sealed.size() < kGcmTagSize)
        throw Error(Code::kCorrupt, "encrypted data is shorter than its authentication tag");
    Must(plain.size() == sealed.size() - kGcmTagSize, "open into memory of another length");
    Context context = Start(key, nonce, associated, false);
    Run(context.get(), sealed.first(plain.size()), plain.data());
    std::array<std::byte, kGcmTagSize> tag;
    std::ranges::copy(sealed.last(kGcmTagSize), tag.begin());
    Must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagSize, tag.data()) == 1, "set the tag");
    int length = 0;
    std::byte nothing{};
    if (EVP_CipherFinal_ex(context.get(), Raw(&nothing), &length) == 1) return;
    OPENSSL_cleanse(plain.data(), plain.size());
    throw Error(Code::kCorrupt, "the authentication tag does not fit",
                "The bytes were altered, stand in another place, or were encrypted with another key.");
}

Key Hkdf(ByteView key, ByteView salt, std::string_view info) {
    Sha256Digest extracted = HmacSha256(salt, key);
    Bytes block = ToBytes(info);
    block.push_back(std::byte{1});    // the first block of the expansion is all that 32 bytes need
    Sha256Digest expanded = HmacSha256(extracted, block);
    Key derived{ByteView(expanded)};
    OPENSSL_cleanse(extracted.data(), extracted.size());
    OPENSSL_cleanse(expanded.data(), expanded.size());
    return derived;
}

}    // namespace ark
