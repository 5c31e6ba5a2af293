#include "logical/long_rows.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace ark {
namespace {

constexpr std::uint64_t kLongRow = 200 << 20;    // bytes; hexadecimal text and escapes make four of one at most
constexpr std::uint64_t kMuchWhenCompressed = 1 << 20;
constexpr std::uint64_t kSlice = 8 << 20;    // characters, or bytes of bytea

void Add(RowFramer &framer, std::string_view text) {
    while (!text.empty()) {
        MutableBytes space = framer.Space();
        std::size_t part = std::min(space.size(), text.size());
        std::memcpy(space.data(), text.data(), part);
        framer.Added(part);
        text.remove_prefix(part);
    }
}

// COPY's text format (CopyAttributeOutText).
void AddEscaped(RowFramer &framer, ByteView bytes) {
    std::string text;
    text.reserve(bytes.size() + bytes.size() / 16);
    for (char c : AsText(bytes)) {
        switch (c) {
        case '\b': text += "\\b"; break;
        case '\f': text += "\\f"; break;
        case '\n': text += "\\n"; break;
        case '\r': text += "\\r"; break;
        case '\t': text += "\\t"; break;
        case '\v': text += "\\v"; break;
        case '\\': text += "\\\\"; break;
        default: text += c;
        }
    }
    Add(framer, text);
}

const BackupColumn &ColumnOf(const BackupTable &table, const std::string &name) {
    for (const BackupColumn &column : table.columns)
        if (column.name == name) return column;
    throw Error(Code::kInternal, fmt::format("table \"{}\" has no column \"{}\"", table.name, name));
}

class LongRowReader {
public:
    LongRowReader(Connection &connection, const BackupTable &table, const std::string &encoding, RowFramer &framer)
        : connection_(connection),
          table_(table),
          encoding_(encoding),
          framer_(framer),
          from_(fmt::format(" FROM ONLY {}", QualifiedName(table.schema, table.name))) {}

    std::vector<std::string> LongRows(const std::string &where) {
        std::string size;
        for (const std::string &name : table_.copy) size += (size.empty() ? "" : " + ") + Length(name);
        Result result = connection_.Query(
            fmt::format("SELECT ctid{} WHERE ({}) AND ({}) > {} ORDER BY ctid", from_, where, size, kLongRow));
        std::vector<std::string> ctids;
        for (int row = 0; row < result.rows(); row++) ctids.push_back(result.String(row, 0));
        return ctids;
    }

    void ReadOrdinary(const std::string &where) {
        std::string columns;
        for (const std::string &name : table_.copy) columns += (columns.empty() ? "" : ", ") + QuoteIdentifier(name);
        auto stream = connection_.BeginCopyOut(fmt::format("COPY (SELECT {}{} WHERE {}) TO STDOUT WITH (ENCODING {})",
                                                           columns, from_, where, QuoteLiteral(encoding_)));
        while (stream.NextCopy())
            while (std::size_t length = stream.Read(framer_.Space())) framer_.Added(length);
    }

    void ReadLong(const std::string &ctid) {
        std::string row = fmt::format("{} WHERE ctid = {}::pg_catalog.tid", from_, QuoteLiteral(ctid));
        for (std::size_t i = 0; i < table_.copy.size(); i++) {
            if (i > 0) Add(framer_, "\t");
            ReadValue(ColumnOf(table_, table_.copy[i]), row, ctid);
        }
        Add(framer_, "\n");
    }

private:
    // A bound for a value's bytes, without reading it: text and bytea know their length; of others the stored size is known, which is
    // compressed, so that more than a little may be very much.
    std::string Length(const std::string &column) const {
        const std::string &type = ColumnOf(table_, column).base_type;
        std::string name = QuoteIdentifier(column);
        if (type == "bytea" || type == "text" || type.starts_with("character"))
            return fmt::format("coalesce(pg_catalog.octet_length({}), 0)::bigint", name);
        return fmt::format(
            "CASE WHEN pg_catalog.pg_column_size({0}) > {1} THEN {2} ELSE coalesce(pg_catalog.pg_column_size({0}), 0) "
            "END::bigint",
            name, kMuchWhenCompressed, kLongRow + 1);
    }

    void ReadValue(const BackupColumn &column, const std::string &row, const std::string &ctid) {
        std::string name = QuoteIdentifier(column.name);
        try {
            if (connection_.Query(fmt::format("SELECT {} IS NULL{}", name, row)).Bool(0, 0)) return Add(framer_, "\\N");
            bool bytea = column.base_type == "bytea";
            if (bytea) Add(framer_, "\\\\x");
            for (std::uint64_t at = 1;; at += kSlice) {
                std::string slice =
                    bytea ? fmt::format("pg_catalog.substring({}, {}, {})", name, at, kSlice)
                          : fmt::format(
                                "pg_catalog.convert_to(pg_catalog.substring(pg_catalog.format('%s', {}), {}, {}), {})",
                                name, at, kSlice, QuoteLiteral(encoding_));
                Result result = connection_.Query(fmt::format("SELECT {}{}", slice, row));
                std::string_view hex = result.Text(0, 0).substr(2);    // bytea_output is hex: \x…
                if (hex.empty()) break;
                if (bytea)
                    Add(framer_, hex);
                else
                    AddEscaped(framer_, HexDecode(hex));
            }
        } catch (Error &error) {
            if (!IsRowTooLong(error)) throw;
            error.detail = fmt::format("row {}, column {}: {}", ctid, name, error.message);
            error.message = fmt::format("could not read table {}: a value is too long for the server to give it out",
                                        QualifiedName(table_.schema, table_.name));
            error.hint =
                "the text of a value may not be longer than 1 GB; shorten it, or leave the row out of the backup with "
                "a filter";
            throw;
        }
    }

    Connection &connection_;
    const BackupTable &table_;
    const std::string &encoding_;
    RowFramer &framer_;
    std::string from_;
};

}    // namespace

bool IsRowTooLong(const Error &error) {
    return error.sqlstate == "54000" ||
           (error.sqlstate == "XX000" && error.message.find("memory alloc request size") != std::string::npos);
}

void ReadWithLongRows(Connection &connection, const BackupTable &table, const std::optional<BlockRange> &range,
                      const std::string &encoding, RowFramer &framer) {
    LongRowReader reader(connection, table, encoding, framer);
    std::string where = WhereOfChunk(table, range);
    std::string after;
    for (const std::string &ctid : reader.LongRows(where)) {
        std::string tid = QuoteLiteral(ctid) + "::pg_catalog.tid";
        reader.ReadOrdinary(fmt::format("{}{} AND ctid < {}", where, after, tid));
        reader.ReadLong(ctid);
        after = " AND ctid > " + tid;
    }
    reader.ReadOrdinary(where + after);
}

}    // namespace ark
