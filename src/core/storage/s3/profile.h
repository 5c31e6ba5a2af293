// The shared files of the AWS tools: ~/.aws/credentials and ~/.aws/config.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "storage/s3/environment.h"

namespace ark::s3 {

using Section = std::map<std::string, std::string>;

// "[name]" lines and "key = value" lines; '#' and ';' begin comments at a line's start; indented lines belong to a
// nested setting and are passed over. Throws kInvalidArgument naming `file` and the line.
std::map<std::string, Section> ParseIni(std::string_view text, const std::string &file);

struct Profile {
    std::string name;
    Section settings;     // the credentials file wins over the config file
    std::string files;    // where it was looked for, for messages
    bool found = false;
};

// `name` empty: AWS_PROFILE, or "default". Files: AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE, or those below HOME.
Profile ReadProfile(const Environment &environment, std::string name);

}    // namespace ark::s3
