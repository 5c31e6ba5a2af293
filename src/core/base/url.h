// URLs of stores: scheme://authority/path?key=value&key=value
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace ark {

struct Url {
    std::string scheme;                               // lower case
    std::string host;                                 // bucket, host name, or empty
    int port = 0;                                     // 0: not given
    std::string path;                                 // percent-decoded, begins with '/' or is empty
    std::map<std::string, std::string> parameters;    // decoded

    std::string ToString() const;    // no secrets can be in it: user information is refused
    // What a store is called that has no name: the bucket, or the last part of a directory's path.
    std::string Label() const;
};

// Throws Error(kInvalidArgument) naming the text's fault; user:password@ is refused with a hint.
Url ParseUrl(std::string_view text);

}    // namespace ark
