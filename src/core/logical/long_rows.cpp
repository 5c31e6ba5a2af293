#include "logical/long_rows.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace ark {
namespace {

constexpr std::uint64_t kLongRow = 64 << 20;       // bytes of text
constexpr std::uint64_t kLongValue = 256 << 20;    // escapes and hexadecimal digits make two of one
constexpr std::uint64_t kMuchStored = 8 << 20, kMuchStoredAfterFailure = 1 << 20;
constexpr std::uint64_t kSlice =
    32 << 20;    // characters, or bytes of bytea; of text, the server reads all that is before it too

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
    LongRowReader(Connection &connection, const BackupTable &table, const std::string &encoding, LongRowSearch search,
                  RowFramer &framer)
        : connection_(connection),
          table_(table),
          encoding_(encoding),
          search_(search),
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

    // As COPY reads them: the whole chunk, or the rows of a condition.
    void ReadChunk(const std::optional<BlockRange> &range) { Copy(CopyChunkSql(table_, range, encoding_)); }
    void ReadOrdinary(const std::string &where) {
        std::string columns;
        for (const std::string &name : table_.copy) columns += (columns.empty() ? "" : ", ") + QuoteIdentifier(name);
        Copy(fmt::format("COPY (SELECT {}{} WHERE {}) TO STDOUT WITH (ENCODING {})", columns, from_, where,
                         QuoteLiteral(encoding_)));
    }

    void ReadLong(const std::string &ctid) {
        std::string row = fmt::format("{} WHERE ctid = {}::pg_catalog.tid", from_, QuoteLiteral(ctid));
        std::string sizes;
        for (const std::string &name : table_.copy) sizes += (sizes.empty() ? "" : ", ") + Length(name);
        Result size = connection_.Query(fmt::format("SELECT {}{}", sizes, row));
        for (std::size_t i = 0; i < table_.copy.size(); i++) {
            const BackupColumn &column = ColumnOf(table_, table_.copy[i]);
            if (i > 0) Add(framer_, "\t");
            try {
                if (size.Unsigned(0, static_cast<int>(i)) > kLongValue)
                    ReadInSlices(column, row);
                else
                    ReadWhole(column, row);
            } catch (Error &error) {
                if (IsRowTooLong(error) && search_ == LongRowSearch::kAfterFailure) Explain(error, column, ctid);
                throw;
            }
        }
        Add(framer_, "\n");
    }

private:
    void Copy(const std::string &sql) {
        auto stream = connection_.BeginCopyOut(sql);
        while (stream.NextCopy())
            while (std::size_t length = stream.Read(framer_.Space())) framer_.Added(length);
    }

    // The bytes of a value's text, without reading it: text and bytea know their length; of others the stored size is known,
    // which is compressed, so that more than a little may be very much. Escapes are left out.
    std::string Length(const std::string &column) const {
        const std::string &type = ColumnOf(table_, column).base_type;
        std::string name = QuoteIdentifier(column);
        if (type == "bytea" || type == "text" || type.starts_with("character"))
            return fmt::format("coalesce(pg_catalog.octet_length({}), 0)::bigint{}", name,
                               type == "bytea" ? " * 2" : "");
        bool usual = search_ == LongRowSearch::kUsual;
        return fmt::format(
            "CASE WHEN pg_catalog.pg_column_size({0}) > {1} THEN {2} ELSE coalesce(pg_catalog.pg_column_size({0}), 0) "
            "END::bigint",
            name, usual ? kMuchStored : kMuchStoredAfterFailure, (usual ? kLongRow : kLongValue) + 1);
    }

    void ReadWhole(const BackupColumn &column, const std::string &row) {
        auto stream = connection_.BeginCopyOut(fmt::format("COPY (SELECT {}{}) TO STDOUT WITH (ENCODING {})",
                                                           QuoteIdentifier(column.name), row, QuoteLiteral(encoding_)));
        while (stream.NextCopy()) {
            for (;;) {
                MutableBytes space = framer_.Space();
                std::size_t length = stream.Read(space);
                if (length == 0) break;
                framer_.Added(length - (space[length - 1] == std::byte{'\n'} ? 1 : 0));    // the row does not end here
            }
        }
    }

    void ReadInSlices(const BackupColumn &column, const std::string &row) {
        std::string name = QuoteIdentifier(column.name);
        bool bytea = column.base_type == "bytea";
        std::string text = column.base_type == "text" ? name : fmt::format("pg_catalog.format('%s', {})", name);
        if (bytea) Add(framer_, "\\\\x");
        for (std::uint64_t at = 1;; at += kSlice) {
            std::string slice = bytea ? fmt::format("pg_catalog.substring({}, {}, {})", name, at, kSlice)
                                      : fmt::format("pg_catalog.convert_to(pg_catalog.substring({}, {}, {}), {})", text,
                                                    at, kSlice, QuoteLiteral(encoding_));
            Result result = connection_.Query(fmt::format("SELECT {}{}", slice, row));
            std::string_view hex = result.Text(0, 0).substr(2);    // bytea_output is hex: \x…
            if (bytea)
                Add(framer_, hex);
            else
                AddEscaped(framer_, HexDecode(hex));
            if (hex.size() / 2 < kSlice) break;    // a character has a byte or more
        }
    }

    void Explain(Error &error, const BackupColumn &column, const std::string &ctid) const {
        error.detail = fmt::format("row {}, column {}: {}", ctid, QuoteIdentifier(column.name), error.message);
        error.message = fmt::format("could not read table {}: a value is too long for the server to give it out",
                                    QualifiedName(table_.schema, table_.name));
        error.hint =
            "the text of a value may not be longer than 1 GB; shorten it, or leave the row out of the backup with a "
            "filter";
    }

    Connection &connection_;
    const BackupTable &table_;
    const std::string &encoding_;
    LongRowSearch search_;
    RowFramer &framer_;
    std::string from_;
};

}    // namespace

bool IsRowTooLong(const Error &error) {
    return error.sqlstate == "54000" ||
           (error.sqlstate == "XX000" && error.message.find("memory alloc request size") != std::string::npos);
}

void ReadWithLongRows(Connection &connection, const BackupTable &table, const std::optional<BlockRange> &range,
                      const std::string &encoding, LongRowSearch search, RowFramer &framer) {
    LongRowReader reader(connection, table, encoding, search, framer);
    std::string where = WhereOfChunk(table, range);
    std::vector<std::string> long_rows = reader.LongRows(where);
    if (long_rows.empty()) return reader.ReadChunk(range);
    std::string after;
    for (const std::string &ctid : long_rows) {
        std::string tid = QuoteLiteral(ctid) + "::pg_catalog.tid";
        reader.ReadOrdinary(fmt::format("({}){} AND ctid < {}", where, after, tid));
        reader.ReadLong(ctid);
        after = " AND ctid > " + tid;
    }
    reader.ReadOrdinary(fmt::format("({}){}", where, after));
}

}    // namespace ark
