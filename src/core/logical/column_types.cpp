#include "logical/column_types.h"

#include <vector>

namespace ark {
namespace {

constexpr Oid kFirstUserOid = 16384;    // FirstNormalObjectId

Oid OidAt(const Result &result, int row, int column) { return static_cast<Oid>(result.Unsigned(row, column)); }

}    // namespace

void ColumnTypes::Learn(Connection &connection, const std::set<ColumnType> &types) {
    std::set<Oid> wanted;
    for (const ColumnType &type : types) wanted.insert(type.oid);
    LearnFacts(connection, std::move(wanted));
    std::set<ColumnType> bases;
    for (const ColumnType &type : types) bases.insert(Resolve(type));
    LearnNames(connection, bases);
}

void ColumnTypes::LearnFacts(Connection &connection, std::set<Oid> wanted) {
    static const std::string sql =
        "SELECT t.oid, t.typtype, t.typbasetype, t.typtypmod, CASE WHEN t.typlen = -1 THEN t.typelem ELSE 0 END, "
        "t.typarray,"
        " coalesce(r.rngsubtype, 0), coalesce(r.rngsubopc >= " +
        std::to_string(kFirstUserOid) + " OR r.rngcanonical::oid >= " + std::to_string(kFirstUserOid) +
        ", false)"
        " FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)"
        " WHERE t.oid = ANY ($1::oid[])";
    while (!wanted.empty()) {
        std::erase_if(wanted, [&](Oid oid) { return facts_.contains(oid); });
        if (wanted.empty()) return;
        Result result = connection.Query(sql, {ArrayParameter(wanted)});
        wanted.clear();
        for (int row = 0; row < result.rows(); row++) {
            Facts facts;
            facts.kind = result.Text(row, 1).at(0);
            facts.base = {OidAt(result, row, 2), static_cast<std::int32_t>(result.Int(row, 3))};
            facts.element = OidAt(result, row, 4);
            facts.array = OidAt(result, row, 5);
            facts.subtype = OidAt(result, row, 6);
            facts.own_comparison = result.Bool(row, 7);
            for (Oid part : {facts.base.oid, facts.element, facts.subtype})
                if (part != 0) wanted.insert(part);
            facts_.emplace(OidAt(result, row, 0), facts);
        }
    }
}

void ColumnTypes::LearnNames(Connection &connection, const std::set<ColumnType> &types) {
    std::vector<ColumnType> unknown;
    std::vector<Oid> oids;
    std::vector<std::int32_t> modifiers;
    for (const ColumnType &type : types) {
        if (names_.contains(type)) continue;
        unknown.push_back(type);
        oids.push_back(type.oid);
        modifiers.push_back(type.modifier);
    }
    if (unknown.empty()) return;
    Result result = connection.Query(
        "SELECT pg_catalog.format_type(u.type, u.modifier)"
        " FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY AS u(type, modifier, at) ORDER BY u.at",
        {ArrayParameter(oids), ArrayParameter(modifiers)});
    for (int row = 0; row < result.rows(); row++)
        names_.emplace(unknown[static_cast<std::size_t>(row)], result.String(row, 0));
}

ColumnType ColumnTypes::Resolve(const ColumnType &type) const {
    auto at = facts_.find(type.oid);
    if (at == facts_.end()) return type;
    const Facts &facts = at->second;
    if (facts.kind == 'd') return Resolve(facts.base);
    if (facts.element == 0) return type;
    ColumnType element = Resolve({facts.element, type.modifier});
    if (element.oid == facts.element) return type;
    auto base = facts_.find(element.oid);
    return base != facts_.end() && base->second.array != 0 ? ColumnType{base->second.array, element.modifier} : type;
}

const std::string &ColumnTypes::BaseName(const ColumnType &type) const { return names_.at(Resolve(type)); }

bool ColumnTypes::IsPlain(Oid type) const {
    auto at = facts_.find(type);
    if (at == facts_.end()) return false;
    const Facts &facts = at->second;
    if (facts.kind == 'd' || facts.kind == 'c' || facts.own_comparison) return false;
    if (facts.element != 0) return IsPlain(facts.element);
    return facts.subtype == 0 || IsPlain(facts.subtype);
}

}    // namespace ark
