#include "storage/storage.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/error.h"

namespace ark {
namespace {

constexpr std::size_t kLongestName = 900, kLongestPart = 255;

// At most `most` bytes of an object; nullopt if it is missing.
std::optional<Bytes> ReadUpTo(Storage &storage, std::string_view name, std::size_t most) {
    auto reader = storage.Open(name, {0, most});
    if (!reader) return std::nullopt;
    Bytes out;
    for (;;) {
        std::size_t have = out.size();
        out.resize(have + std::min<std::size_t>(std::max<std::size_t>(have, 16 << 10), most - have));
        std::size_t n = out.size() == have ? 0 : reader->Read(MutableBytes(out).subspan(have));
        out.resize(have + n);
        if (n == 0) return out;
    }
}

}    // namespace

std::vector<std::string> Storage::Folders(std::string_view prefix) {
    std::vector<std::string> found;
    List(prefix, [&](const ObjectInfo &info) {
        std::string_view below = std::string_view(info.name).substr(prefix.size());
        std::size_t slash = below.find('/');
        if (slash != std::string_view::npos && (found.empty() || found.back() != below.substr(0, slash)))
            found.emplace_back(below.substr(0, slash));
        return true;
    });
    std::ranges::sort(found);    // "a-b/" is listed before "a/"
    return found;
}

std::size_t MemorySource::Read(MutableBytes to) {
    std::size_t n = std::min(to.size(), bytes_.size() - at_);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), n, to.begin());
    at_ += n;
    return n;
}

std::optional<Bytes> ReadObject(Storage &storage, std::string_view name, std::size_t limit) {
    std::optional<Bytes> bytes = ReadUpTo(storage, name, limit + 1);
    if (bytes && bytes->size() > limit)
        throw Error(Code::kCorrupt, fmt::format("object \"{}\" is longer than {} bytes", name, limit),
                    storage.Describe());
    return bytes;
}

bool PutNew(Storage &storage, std::string_view name, ByteView bytes) {
    MemorySource source(bytes);
    try {
        storage.Put(name, source, PutMode::kCreate);
        return true;
    } catch (const Error &error) {
        if (error.code != Code::kAlreadyExists) throw;
        std::optional<Bytes> found = ReadUpTo(storage, name, bytes.size() + 1);
        if (!found || !std::ranges::equal(*found, bytes)) throw;
        return false;
    }
}

void CheckObjectName(std::string_view name) {
    auto fail = [&](std::string_view why) {
        return Error(Code::kInvalidArgument,
                     fmt::format("object name \"{}\" is not valid: {}", PercentEncode(name, true), why));
    };
    if (name.empty()) throw fail("it is empty");
    if (name.size() > kLongestName) throw fail(fmt::format("it is longer than {} bytes", kLongestName));
    if (name.find('\0') != std::string_view::npos || !IsValidUtf8(name)) throw fail("it is not UTF-8 text");
    for (std::size_t at = 0; at <= name.size();) {
        std::size_t end = std::min(name.find('/', at), name.size());
        std::string_view part = name.substr(at, end - at);
        if (part.empty()) throw fail("it begins or ends with a slash, or has two in a row");
        if (part == "." || part == "..") throw fail("it has a part \".\" or \"..\"");
        if (part.size() > kLongestPart) throw fail(fmt::format("a part of it is longer than {} bytes", kLongestPart));
        at = end + 1;
    }
}

}    // namespace ark
