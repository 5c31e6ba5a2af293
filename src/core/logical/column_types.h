// What the types of exported columns are made of, learned from the catalog as they are met. Memory: the types that are used.
#pragma once

#include <map>
#include <set>
#include <string>

#include "server/connection.h"

namespace ark {

using Oid = std::uint32_t;

struct ColumnType {
    Oid oid = 0;
    std::int32_t modifier = -1;
    auto operator<=>(const ColumnType &) const = default;
};

class ColumnTypes {
public:
    // Reads what is not known yet, with all that these types are built of, and the names of what they come down to.
    void Learn(Connection &connection, const std::set<ColumnType> &types);

    // As format_type spells the type that is left when domains are resolved, in arrays too. Learned types only.
    const std::string &BaseName(const ColumnType &type) const;
    // False for domains, composites and whatever is built of them: their input runs code that a user may have written.
    bool IsPlain(Oid type) const;

private:
    struct Facts {
        char kind = 'b';                // typtype
        ColumnType base;                // of a domain
        Oid element = 0;                // of an array
        Oid array = 0;                  // the array of it
        Oid subtype = 0;                // of a range or multirange
        bool own_comparison = false;    // a range that compares by code which is not the server's own
    };
    void LearnFacts(Connection &connection, std::set<Oid> wanted);
    void LearnNames(Connection &connection, const std::set<ColumnType> &types);
    ColumnType Resolve(const ColumnType &type) const;

    std::map<Oid, Facts> facts_;
    std::map<ColumnType, std::string> names_;
};

// "{1,2,3}", as a parameter of type oid[].
template <class Numbers>
std::string ArrayParameter(const Numbers &numbers) {
    std::string text = "{";
    for (auto number : numbers) text += (text.size() > 1 ? "," : "") + std::to_string(number);
    return text + "}";
}

}    // namespace ark
