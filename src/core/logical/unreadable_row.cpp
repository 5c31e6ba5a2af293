#include "logical/unreadable_row.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr std::uint32_t kPageHeader = 24, kLeastRow = 28;    // SizeOfPageHeaderData; a line pointer and a tuple header

class Prober {
public:
    Prober(Connection &connection, const BackupTable &table) : connection_(connection) {
        std::string columns;
        for (const std::string &column : table.copy) columns += (columns.empty() ? "" : ", ") + QuoteIdentifier(column);
        query_ = fmt::format("SELECT {} FROM ONLY {} WHERE ", columns, QualifiedName(table.schema, table.name));
        if (!table.filter.empty()) filter_ = fmt::format(" AND ({}\n)", table.filter);
    }

    bool Readable(const std::string &where) {
        connection_.Execute("SAVEPOINT ark_probe");
        bool readable = true;
        try {
            connection_.CopyOut(fmt::format("COPY ({}{}{}) TO STDOUT", query_, where, filter_),
                                [](std::string_view) {});
        } catch (const Error &error) {
            if (!IsFaultOfARow(error)) throw;
            readable = false;
        }
        connection_.Execute("ROLLBACK TO SAVEPOINT ark_probe");
        return readable;
    }
    bool BlocksReadable(std::uint64_t first, std::uint64_t end) {
        return Readable(
            fmt::format("ctid >= '({},0)'::pg_catalog.tid AND ctid < '({},0)'::pg_catalog.tid", first, end));
    }
    bool RowReadable(std::uint64_t block, std::uint32_t line) {
        return Readable(fmt::format("ctid = '({},{})'::pg_catalog.tid", block, line));
    }

private:
    Connection &connection_;
    std::string query_, filter_;
};

}    // namespace

bool IsFaultOfARow(const Error &error) {
    return error.sqlstate.starts_with("XX") || error.sqlstate.starts_with("58") || error.sqlstate.starts_with("22") ||
           error.sqlstate == "54000";
}

std::string FindUnreadableRow(Connection &connection, const BackupTable &table, const std::optional<BlockRange> &range,
                              std::uint32_t block_size) {
    if (!range || range->first == range->end) return {};
    Prober prober(connection, table);
    std::uint64_t first = range->first, end = range->end;
    if (prober.BlocksReadable(first, end)) return {};
    while (end - first > 1) {
        std::uint64_t middle = first + (end - first) / 2;
        (prober.BlocksReadable(first, middle) ? first : end) = middle;
    }
    constexpr std::uint32_t kNoRow = 65535;    // on a page that can be read this is nothing, and no error
    if (prober.RowReadable(first, kNoRow))
        for (std::uint32_t line = 1; line <= (block_size - kPageHeader) / kLeastRow; line++)
            if (!prober.RowReadable(first, line)) return fmt::format("row ({},{}): ", first, line);
    return fmt::format("block {}: ", first);
}

}    // namespace ark
