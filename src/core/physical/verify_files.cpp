#include "physical/verify_files.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "physical/base_files.h"

namespace ark {
namespace {

// A file's entry comes before its pieces, and another entry behind them.
class FileVerifier : public EntryVerifier {
public:
    explicit FileVerifier(DomainKey key) : key_(std::move(key)) {}

    void Frame(const Json &entry, const FrameRef &, ByteView plain) override {
        std::optional<std::uint64_t> number = NumberOf(entry);
        if (!number || !problem_.empty()) return;
        try {
            if (!piece_) piece_ = PieceFromEntry(entry, PieceLength(file_.facts.size, *number), file_.unit);
            Compare(*piece_, PieceLength(file_.facts.size, *number), plain);
        } catch (const Error &error) {
            problem_ = error.message + (error.detail.empty() ? "" : ": " + error.detail);
        }
        frame_++;
    }

    std::string EntryDone(const Json &entry) override {
        std::string problem = std::exchange(problem_, {}), path = entry.value("path", "");
        piece_.reset();
        frame_ = 0;
        if (std::optional<std::uint64_t> number = NumberOf(entry)) {
            pieces_++;
            return problem;
        }
        if (path.find('#') != std::string::npos) return "it is a piece of no file, or not of the one before it";
        if (!path_.empty() && pieces_ * kPieceSize < file_.facts.size)
            problem =
                fmt::format("\"{}\" before it has {} pieces, too few for {} bytes", path_, pieces_, file_.facts.size);
        path_.clear();
        pieces_ = 0;
        if (!path.starts_with(kFiles) || path.ends_with('/')) return problem;
        try {
            file_ = FileFromEntry(entry);
            path_ = path;
        } catch (const Error &error) {
            problem = error.message;
        }
        return problem;
    }

private:
    // Of a piece of the file at hand; pieces come in order.
    std::optional<std::uint64_t> NumberOf(const Json &entry) const {
        if (path_.empty() || pieces_ * kPieceSize >= file_.facts.size ||
            entry.value("path", "") != PiecePath(path_, pieces_))
            return std::nullopt;
        return pieces_;
    }

    void Compare(const Piece &piece, std::uint64_t length, ByteView plain) {
        std::uint64_t number = 0;
        for (const UnitRun &run : piece.map) {
            for (std::uint64_t i = 0; i < run.units && run.frame == frame_; i++) {
                ByteView unit = plain.subspan((run.first + i) * file_.unit, UnitLength(number + i, length, file_.unit));
                if (std::string_view(key_.Digest(unit)).substr(0, kUnitDigits) != piece.Unit(number + i)) {
                    problem_ = fmt::format("unit {} is not what its digest says", number + i);
                    return;
                }
            }
            number += run.units;
        }
    }

    DomainKey key_;
    std::string path_;    // of the file at hand; empty: none
    BaseFile file_;
    std::uint64_t pieces_ = 0;    // of it, so far
    std::optional<Piece> piece_;
    std::size_t frame_ = 0;
    std::string problem_;
};

}    // namespace

std::unique_ptr<EntryVerifier> MakeFileVerifier(DomainKey key) {
    return std::make_unique<FileVerifier>(std::move(key));
}

}    // namespace ark
