// Names and values in their order: HTTP headers and query parameters.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ark::s3 {

using Field = std::pair<std::string, std::string>;
using Fields = std::vector<Field>;

// The first value of that name, compared as bytes; nullptr if there is none.
inline const std::string *Find(const Fields &fields, std::string_view name) {
    for (const Field &field : fields)
        if (field.first == name) return &field.second;
    return nullptr;
}

}    // namespace ark::s3
