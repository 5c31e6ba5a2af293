#include "logical/verify_rows.h"

#include <fmt/format.h>

#include <utility>

#include "logical/rows_digest.h"

namespace ark {
namespace {

// Entries of a table come in the order columns, data/…, totals; the sums are compared when the totals come.
class RowVerifier : public EntryVerifier {
public:
    void Frame(const Json &entry, const FrameRef &ref, ByteView plain) override {
        if (!IsData(entry)) return;
        std::uint64_t rows = digest_.AddRows(plain);
        if (rows != ref.rows && problem_.empty())
            problem_ =
                fmt::format("frame {} of pack {} holds {} rows instead of {}", ref.frame, ref.pack, rows, ref.rows);
        chunk_rows_ += rows;
        chunk_bytes_ += plain.size();
    }

    std::string EntryDone(const Json &entry) override {
        std::string path = entry.value("path", "");
        std::string problem = std::exchange(problem_, {});
        if (path.ends_with("/columns")) {
            rows_ = bytes_ = 0;
            digest_ = {};
        } else if (IsData(entry)) {
            if (problem.empty()) problem = Compare("chunk", entry, chunk_rows_, chunk_bytes_);
            rows_ += std::exchange(chunk_rows_, 0);
            bytes_ += std::exchange(chunk_bytes_, 0);
        } else if (path.ends_with("/totals")) {
            if (problem.empty()) problem = Compare("table", entry, rows_, bytes_);
            if (problem.empty() && entry.value("rows_digest", "") != digest_.Hex())
                problem = "the digest of its rows is not the one recorded";
        }
        return problem;
    }

private:
    static bool IsData(const Json &entry) {
        return entry.value("path", "").find("/data/") != std::string::npos && entry.contains("rows");
    }
    static std::string Compare(const char *what, const Json &entry, std::uint64_t rows, std::uint64_t bytes) {
        if (entry.value("rows", rows) == rows && entry.value("bytes", bytes) == bytes) return {};
        return fmt::format("the {} holds {} rows and {} bytes instead of {} and {}", what, rows, bytes,
                           entry.value("rows", rows), entry.value("bytes", bytes));
    }

    RowsDigest digest_;
    std::string problem_;
    std::uint64_t rows_ = 0, bytes_ = 0, chunk_rows_ = 0, chunk_bytes_ = 0;
};

}    // namespace

std::unique_ptr<EntryVerifier> MakeRowVerifier() { return std::make_unique<RowVerifier>(); }

}    // namespace ark
