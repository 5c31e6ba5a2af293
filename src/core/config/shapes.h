// What the text of a setting may look like. Each returns why it may not, to complete "must …", or nullptr.
// Deeper meaning (does the store answer, is there such a zone) is for those who use the value.
#pragma once

#include <string_view>

namespace ark::shape {

const char *Stores(std::string_view text);         // URLs with commas between them
const char *ClusterName(std::string_view text);    // becomes part of object names; or a full path
const char *DatabaseName(std::string_view text);
const char *ConnectionString(std::string_view text);    // without a password
const char *AbsolutePath(std::string_view text);
const char *Compression(std::string_view text);        // zstd[:1-19], gzip[:1-9], none
const char *SecretReference(std::string_view text);    // file:PATH, env:NAME, command:LINE
const char *ZoneName(std::string_view text);
const char *ShortLabel(std::string_view text);    // one line of at most 100 bytes

}    // namespace ark::shape
