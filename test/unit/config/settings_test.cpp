#include "config/settings.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <type_traits>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

static_assert(std::is_trivially_destructible_v<Setting> && std::is_trivially_copyable_v<Setting>);
static_assert(std::is_trivially_destructible_v<SettingFault>);

std::string ErrorOf(std::string_view name, std::string_view value) {
    try {
        CheckSetting(*FindSetting(name), value);
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kInvalidArgument);
        EXPECT_FALSE(error.hint.empty());
        return error.message;
    }
    return "accepted";
}

TEST(Settings, EveryRowIsWhole) {
    std::set<std::string> names;
    for (const Setting &setting : Settings()) {
        SCOPED_TRACE(setting.name);
        EXPECT_TRUE(names.insert(setting.name).second) << "declared twice";
        for (const char *c = setting.name; *c; c++) EXPECT_TRUE((*c >= 'a' && *c <= 'z') || *c == '_');
        for (const char *text : {setting.group, setting.default_value, setting.unit, setting.choices, setting.unset,
                                 setting.summary, setting.help, setting.example})
            ASSERT_NE(text, nullptr);
        EXPECT_TRUE(setting.used_by == kUsedByServer || setting.used_by == kUsedByEngine ||
                    setting.used_by == (kUsedByServer | kUsedByEngine));
        EXPECT_NO_THROW(CheckSetting(setting, setting.default_value));
        EXPECT_NO_THROW(CheckSetting(setting, setting.example));
        EXPECT_STRNE(setting.default_value, setting.example) << "an example teaches nothing if it is the default";
        EXPECT_TRUE(*setting.summary >= 'a' && *setting.summary <= 'z');
        EXPECT_NE(setting.summary[std::strlen(setting.summary) - 1], '.');
        EXPECT_EQ(setting.help[std::strlen(setting.help) - 1], '.');
        EXPECT_EQ(*setting.choices != '\0', setting.type == SettingType::kEnum);
        bool measured = setting.type == SettingType::kInt || setting.type == SettingType::kSize ||
                        setting.type == SettingType::kDuration;
        EXPECT_EQ(setting.min < setting.max, measured);
        EXPECT_EQ(FindSetting(setting.name), &setting);
    }
    EXPECT_EQ(FindSetting("stores"), nullptr);
    EXPECT_EQ(FindSetting(""), nullptr);
}

TEST(Settings, HaveOneNameForEachPlace) {
    const Setting &setting = *FindSetting("memory_limit");
    EXPECT_EQ(ServerName(setting), "ark.memory_limit");
    EXPECT_EQ(FlagName(setting), "--memory-limit");
    EXPECT_EQ(EnvironmentName(setting), "ARK_MEMORY_LIMIT");
}

TEST(Settings, AcceptWhatPeopleWrite) {
    for (auto [name, value] : std::initializer_list<std::pair<const char *, const char *>>{
             {"enabled", "Off"},
             {"enabled", "TRUE"},
             {"jobs", "64"},
             {"max_rate", "0"},
             {"max_rate", "50MB"},
             {"memory_limit", "512 MiB"},
             {"yield_after", "0"},
             {"yield_after", "1500 ms"},
             {"full_every", "1 day"},
             {"tls_min_version", "1.3"},
             {"timezone", "Etc/GMT+5"},
             {"store", ""},
             {"store", "file:///srv/backups"},
             {"store", "s3://a/b?region=eu-central-1&name=eu, file:///mnt/b?name=nas"},
             {"compression", "zstd"},
             {"compression", "zstd:19"},
             {"compression", "gzip:9"},
             {"compression", "none"},
             {"encryption_key", "file:/etc/pg_ark/key"},
             {"encryption_key", "env:ARK_KEY"},
             {"encryption_key", "command:vault read -field=key secret/ark"},
             {"conninfo", "host=/run/postgresql user=backup passfile=/etc/pass"},
             {"conninfo", "postgresql://backup@db.internal:5433/?sslmode=verify-full"},
             {"cluster", "Shop_2-eu"},
             {"cluster", "shop.7412345678901234567"},
             {"cluster", ""},
             {"environment", "Produktion Süd"},
             {"database", "Order Items"}})
        EXPECT_EQ(ErrorOf(name, value), "accepted") << name << " = " << value;
}

TEST(Settings, RefuseTheRestAndSayWhatIsAllowed) {
    EXPECT_EQ(ErrorOf("enabled", "maybe"), "setting \"enabled\" must be on or off, not \"maybe\"");
    EXPECT_EQ(ErrorOf("jobs", "65"), "setting \"jobs\" must be a whole number from 1 to 64, not \"65\"");
    EXPECT_EQ(ErrorOf("jobs", "2x"), "setting \"jobs\" must be a whole number from 1 to 64, not \"2x\"");
    EXPECT_EQ(ErrorOf("memory_limit", "1MB"),
              "setting \"memory_limit\" must be a number of bytes, or a number with kB, MB, GB or TB, from 64MB to "
              "1TB, not \"1MB\"");
    EXPECT_EQ(ErrorOf("full_every", "1 h"),
              "setting \"full_every\" must be a number and a unit (ms, s, min, h, days), from 1 day to 3650 days, not "
              "\"1 h\"");
    EXPECT_EQ(ErrorOf("tls_min_version", "1.1"), "setting \"tls_min_version\" must be one of 1.2, 1.3, not \"1.1\"");
    EXPECT_EQ(ErrorOf("compression", "zstd:20"),
              "setting \"compression\" must be zstd or zstd:1 to zstd:19, gzip or gzip:1 to gzip:9, or none, not "
              "\"zstd:20\"");
    for (auto [name, value] :
         std::initializer_list<std::pair<const char *, const char *>>{{"enabled", ""},
                                                                      {"jobs", ""},
                                                                      {"jobs", "-1"},
                                                                      {"jobs", "1.5"},
                                                                      {"jobs", "99999999999999999999"},
                                                                      {"max_rate", "fast"},
                                                                      {"max_rate", "1e30 TB"},
                                                                      {"max_rate", "nan"},
                                                                      {"yield_after", "soon"},
                                                                      {"yield_after", "-1 s"},
                                                                      {"yield_after", "1e300 days"},
                                                                      {"tls_min_version", ""},
                                                                      {"tls_min_version", "1.2|1.3"},
                                                                      {"compression", ""},
                                                                      {"compression", "zstd:"},
                                                                      {"compression", "zstd:3 "},
                                                                      {"compression", "lz4"},
                                                                      {"compression", "gzip:0"},
                                                                      {"store", "/srv/backups"},
                                                                      {"store", "s3://a,"},
                                                                      {"store", "file:relative"},
                                                                      {"store", "http://a/b"},
                                                                      {"encryption_key", "hunter2"},
                                                                      {"encryption_key", "file:key"},
                                                                      {"encryption_key", "env:"},
                                                                      {"encryption_key", "file:"},
                                                                      {"encryption_key", "env:A B"},
                                                                      {"secrets_dir", "secrets"},
                                                                      {"pg_bindir", "bin"},
                                                                      {"cluster", "a/b"},
                                                                      {"cluster", "a.b"},
                                                                      {"timezone", ""},
                                                                      {"timezone", "/etc/passwd"},
                                                                      {"timezone", "Europe Vienna"},
                                                                      {"database", ""},
                                                                      {"environment", "two\nlines"}})
        EXPECT_NE(ErrorOf(name, value), "accepted") << name << " = " << value;
    EXPECT_NE(ErrorOf("actor", std::string_view("a\0b", 3)), "accepted");
}

TEST(Settings, RefuseSecretsAndNeverRepeatThem) {
    for (auto [name, value] : std::initializer_list<std::pair<const char *, const char *>>{
             {"conninfo", "host=db password=hunter2"},
             {"conninfo", "host=db PASSWORD = 'hunter2'"},
             {"conninfo", "postgres://backup:hunter2@db/"},
             {"conninfo", "postgresql://db/?user=a&password=hunter2"},
             {"conninfo", "host=db sslpassword=hunter2"},
             {"encryption_key", "hunter2"},
             {"encryption_key", "hunter2:hunter2"},
             {"store", "s3://AKIA:hunter2@bucket/prefix"}}) {
        std::string message = ErrorOf(name, value);
        EXPECT_NE(message, "accepted") << value;
        EXPECT_EQ(message.find("hunter2"), std::string::npos) << message;
    }
}

TEST(Settings, ServerHooksGetAPlainResult) {
    const Setting &jobs = *FindSetting("jobs");
    EXPECT_TRUE(TrySetting(jobs, "4").ok);
    SettingFault fault = TrySetting(jobs, "many");
    EXPECT_FALSE(fault.ok);
    EXPECT_STREQ(fault.message, "setting \"jobs\" must be a whole number from 1 to 64, not \"many\"");
    EXPECT_STREQ(fault.hint, "For example ark.jobs = '4'.");
    EXPECT_FALSE(TrySetting(jobs, nullptr).ok);
    EXPECT_TRUE(TrySetting(*FindSetting("store"), nullptr).ok);
    std::string endless(100'000, 'x');
    fault = TrySetting(jobs, endless.c_str());
    EXPECT_FALSE(fault.ok);
    EXPECT_EQ(std::strlen(fault.message), sizeof fault.message - 1);
}

TEST(Settings, TheDocumentationIsMadeFromTheTable) {
    std::string made = SettingsMarkdown();
    for (const Setting &setting : Settings()) {
        EXPECT_NE(made.find("### " + std::string(setting.name) + "\n"), std::string::npos) << setting.name;
        EXPECT_NE(made.find(EnvironmentName(setting)) != std::string::npos, setting.used_by == kUsedByServer)
            << setting.name;
    }
    EXPECT_TRUE(made == ReadWholeFile(ARK_SOURCE_DIR "/docs/settings.md"))
        << "docs/settings.md is out of date: run make docs";
}

}    // namespace
}    // namespace ark
