#include "codec/compress.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.h"

namespace ark {
namespace {

constexpr int kGzipWindow = 15 + 16;    // the largest window, with a gzip header
constexpr int kDefaultGzipLevel = 6, kDefaultZstdLevel = 3;
constexpr std::size_t kMostRoom = 5 << 20;    // a usual frame is compressed in one go, a huge one piece by piece
// Up to 256 KiB zstd takes other parameters at a level than for more. At level 3 those for more are better for pages of
// tables: 3 % fewer bytes in 13 % less time.
constexpr std::size_t kPoorlyServed = 128 << 10, kWellServed = (256 << 10) + 1;
constexpr int kMostZstdLevel = 19;    // above, memory grows to gigabytes for nothing in frames of this size

const Bytef *Raw(ByteView bytes) { return reinterpret_cast<const Bytef *>(bytes.data()); }
Bytef *Raw(Bytes &bytes) { return reinterpret_cast<Bytef *>(bytes.data()); }

uInt ZlibSize(std::size_t size) {
    if (size > std::numeric_limits<uInt>::max()) throw Error(Code::kUnsupported, "a frame is too large for gzip");
    return static_cast<uInt>(size);
}

Error Damaged(std::string_view why) { return Error(Code::kCorrupt, "compressed data is damaged", std::string(why)); }

}    // namespace

std::string Compression::Name() const {
    switch (kind) {
    case CompressionKind::kZstd: return "zstd";
    case CompressionKind::kGzip: return "gzip";
    case CompressionKind::kNone: return "none";
    }
    throw Error(Code::kInternal, "a compression without a name");
}

Compression ParseCompression(std::string_view text) {
    Error wrong(
        Code::kInvalidArgument, fmt::format("compression \"{}\" is not known", text), {},
        fmt::format("Write zstd or zstd:LEVEL (1 to {}), gzip or gzip:LEVEL (1 to 9), or none.", kMostZstdLevel));
    std::size_t colon = text.find(':');
    std::string_view name = text.substr(0, colon);
    Compression compression;
    int most = 0;
    if (name == "zstd")
        compression = {CompressionKind::kZstd, kDefaultZstdLevel}, most = kMostZstdLevel;
    else if (name == "gzip")
        compression = {CompressionKind::kGzip, kDefaultGzipLevel}, most = 9;
    else if (name == "none")
        compression = {CompressionKind::kNone, 0};
    else
        throw wrong;
    if (colon == std::string_view::npos) return compression;
    std::string_view level = text.substr(colon + 1);
    auto [end, error] = std::from_chars(level.data(), level.data() + level.size(), compression.level);
    if (error != std::errc() || end != level.data() + level.size() || compression.level < 1 || compression.level > most)
        throw wrong;
    return compression;
}

CompressionKind CompressionKindFromName(std::string_view name) {
    if (name == "zstd") return CompressionKind::kZstd;
    if (name == "gzip") return CompressionKind::kGzip;
    if (name == "none") return CompressionKind::kNone;
    throw Error(Code::kUnsupported, fmt::format("compression \"{}\" is not known to this pg_ark", name));
}

struct Compressor::State {
    explicit State(Compression settings) : compression(settings) {
        if (compression.kind == CompressionKind::kZstd) {
            zstd = ZSTD_createCCtx();
            if (zstd == nullptr) throw std::bad_alloc();
            ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, compression.level);
            ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
        }
        if (compression.kind == CompressionKind::kGzip &&
            deflateInit2(&gzip, compression.level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            throw std::bad_alloc();
    }
    State(const State &) = delete;
    State &operator=(const State &) = delete;
    ~State() {
        ZSTD_freeCCtx(zstd);
        if (compression.kind == CompressionKind::kGzip) deflateEnd(&gzip);
    }

    void Zstd(ByteView plain, Bytes &stored) {
        Reserve(ZSTD_compressBound(plain.size()), stored);
        ZSTD_CCtx_reset(zstd, ZSTD_reset_session_only);
        if (compression.level == kDefaultZstdLevel) Tune(plain.size());
        ZSTD_CCtx_setPledgedSrcSize(zstd, plain.size());    // so that the frame names it
        ZSTD_inBuffer in{plain.data(), plain.size(), 0};
        for (std::size_t left = 1; left != 0;) {
            ZSTD_outBuffer out{room.data(), room.size(), 0};
            left = ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end);
            if (ZSTD_isError(left)) throw Error(Code::kInternal, "zstd could not compress", ZSTD_getErrorName(left));
            Append(stored, ByteView(room).first(out.pos));
        }
    }
    void Tune(std::size_t size) {
        bool help = size > kPoorlyServed && size < kWellServed;
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_hashLog, help ? 17 : 0);    // 0: its own
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_chainLog, help ? 16 : 0);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_minMatch, help ? 5 : 0);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_strategy, help ? ZSTD_dfast : 0);
    }
    void Gzip(ByteView plain, Bytes &stored) {
        deflateReset(&gzip);
        Reserve(deflateBound(&gzip, ZlibSize(plain.size())), stored);
        gzip.next_in = const_cast<Bytef *>(Raw(plain));
        gzip.avail_in = ZlibSize(plain.size());
        for (int result = Z_OK; result != Z_STREAM_END;) {
            gzip.next_out = Raw(room);
            gzip.avail_out = ZlibSize(room.size());
            result = deflate(&gzip, Z_FINISH);
            if (result != Z_OK && result != Z_STREAM_END) throw Error(Code::kInternal, "zlib could not compress");
            Append(stored, ByteView(room).first(room.size() - gzip.avail_out));
        }
    }
    // Memory that is reserved and not used is none; a vector that grows is copied.
    void Reserve(std::size_t worst, Bytes &stored) {
        if (worst > kMostRoom) stored.reserve(stored.size() + worst);
        if (std::size_t size = std::min(worst, kMostRoom); room.size() < size) room.resize(size);
    }

    Compression compression;
    ZSTD_CCtx *zstd = nullptr;
    z_stream gzip{};
    Bytes room;    // for the worst case of usual frames; kept, so that it is not cleared for each
};

Compressor::Compressor(Compression compression) : state_(std::make_unique<State>(compression)) {}
Compressor::~Compressor() = default;

void Compressor::Compress(ByteView plain, Bytes &stored) {
    if (state_->compression.kind == CompressionKind::kNone) {
        Append(stored, plain);
        return;
    }
    if (state_->compression.kind == CompressionKind::kZstd)
        state_->Zstd(plain, stored);
    else
        state_->Gzip(plain, stored);
}

struct Decompressor::State {
    explicit State(CompressionKind which) : kind(which) {
        if (kind == CompressionKind::kZstd && (zstd = ZSTD_createDCtx()) == nullptr) throw std::bad_alloc();
        if (kind == CompressionKind::kGzip && inflateInit2(&gzip, kGzipWindow) != Z_OK) throw std::bad_alloc();
    }
    State(const State &) = delete;
    State &operator=(const State &) = delete;
    ~State() {
        ZSTD_freeDCtx(zstd);
        if (kind == CompressionKind::kGzip) inflateEnd(&gzip);
    }

    void Zstd(ByteView stored, MutableBytes plain) {
        if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != plain.size())
            throw Damaged("The zstd frame is not of the expected size.");
        if (ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size())
            throw Damaged("The zstd frame does not end where it should.");
        std::size_t size = ZSTD_decompressDCtx(zstd, plain.data(), plain.size(), stored.data(), stored.size());
        if (ZSTD_isError(size)) throw Damaged(ZSTD_getErrorName(size));
        if (size != plain.size()) throw Damaged("The zstd frame is too short.");
    }
    void Gzip(ByteView stored, MutableBytes plain) {
        inflateReset(&gzip);
        std::byte spill{};    // zlib wants room even for a member of zero bytes
        gzip.next_in = const_cast<Bytef *>(Raw(stored));
        gzip.avail_in = ZlibSize(stored.size());
        gzip.next_out = reinterpret_cast<Bytef *>(plain.empty() ? &spill : plain.data());
        gzip.avail_out = plain.empty() ? 1 : ZlibSize(plain.size());
        if (int result = inflate(&gzip, Z_FINISH); result != Z_STREAM_END)
            throw Damaged(gzip.msg != nullptr ? gzip.msg : zError(result));
        if (gzip.total_out != plain.size()) throw Damaged("The gzip member is not of the expected size.");
        if (gzip.avail_in != 0) throw Damaged("The gzip member does not end where it should.");
    }

    CompressionKind kind;
    ZSTD_DCtx *zstd = nullptr;
    z_stream gzip{};
};

Decompressor::Decompressor(CompressionKind kind) : state_(std::make_unique<State>(kind)) {}
Decompressor::~Decompressor() = default;

void Decompressor::Decompress(ByteView stored, MutableBytes plain) {
    switch (state_->kind) {
    case CompressionKind::kNone:
        if (stored.size() != plain.size()) throw Damaged("It has another size than it should.");
        std::ranges::copy(stored, plain.begin());
        return;
    case CompressionKind::kZstd: return state_->Zstd(stored, plain);
    case CompressionKind::kGzip: return state_->Gzip(stored, plain);
    }
}

void Decompressor::Decompress(ByteView stored, std::uint64_t size, Bytes &plain) {
    plain.resize(size);
    Decompress(stored, plain);
}

std::uint64_t ZstdContentSize(ByteView stored, std::uint64_t limit) {
    unsigned long long size = ZSTD_getFrameContentSize(stored.data(), stored.size());
    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > limit)
        throw Damaged("It is no zstd frame of a sensible size.");
    return size;
}

}    // namespace ark
