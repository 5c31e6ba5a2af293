#include "server/libpq.h"

#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "server/connection.h"

namespace ark {
namespace {

PGresult *Pg(void *result) { return static_cast<PGresult *>(result); }

template <class Number>
Number ParseNumber(std::string_view text) {
    Number value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        throw Error(Code::kInternal,
                    "a query of ours gave \"" + std::string(text) + "\" where a whole number was expected");
    return value;
}

}    // namespace

Result::Result(Result &&other) noexcept : result_(other.result_) { other.result_ = nullptr; }

Result &Result::operator=(Result &&other) noexcept {
    std::swap(result_, other.result_);
    return *this;
}

Result::~Result() { pq->PQclear(Pg(result_)); }

int Result::rows() const { return pq->PQntuples(Pg(result_)); }
bool Result::IsNull(int row, int column) const { return pq->PQgetisnull(Pg(result_), row, column) == 1; }

std::string_view Result::Text(int row, int column) const {
    return {pq->PQgetvalue(Pg(result_), row, column),
            static_cast<std::size_t>(pq->PQgetlength(Pg(result_), row, column))};
}

std::int64_t Result::Int(int row, int column) const { return ParseNumber<std::int64_t>(Text(row, column)); }
std::uint64_t Result::Unsigned(int row, int column) const { return ParseNumber<std::uint64_t>(Text(row, column)); }
bool Result::Bool(int row, int column) const { return Text(row, column) == "t"; }

std::uint64_t Result::affected() const {
    std::string_view count = pq->PQcmdTuples(Pg(result_));
    return count.empty() ? 0 : ParseNumber<std::uint64_t>(count);
}

}    // namespace ark
