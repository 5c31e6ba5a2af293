// Which cluster of a store a restore opens, beside a server of another cluster.
#include "cli/engine.h"

#include <gmock/gmock.h>

#include "repo/repository.h"
#include "support/private_postgres.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

using cli::Engine;
using testing::HasSubstr;

class OpenToRestore : public testing::Test {
protected:
    OpenToRestore()
        : url_("file://" + directory_.path().string()), storage_(OpenStorage({.url = url_}, NeverCancelled())) {}

    void Make(const std::string &name, const std::string &system_identifier) {
        Repository::Init(storage_, {name, system_identifier}, false, SystemClock(), SystemRandom());
    }
    // "old.7301", or why there is none.
    std::string Opened(const std::string &system_identifier, const std::string &cluster = {}) {
        return Ask(cluster, [&](Engine &engine) { return engine.OpenToRestore(system_identifier); });
    }
    std::string OpenedForReading() {
        return Ask({}, [](Engine &engine) { return engine.OpenForReading(); });
    }

    PrivatePostgres &server_ = PrivatePostgres::Shared();
    std::string own_ = server_.Sql("postgres", "SELECT system_identifier FROM pg_control_system()");

private:
    std::string Ask(const std::string &cluster, const std::function<std::shared_ptr<Repository>(Engine &)> &open) try {
        Config config;
        config.Set("store", url_, Origin::kFlag);
        config.Set("conninfo", server_.Conninfo(), Origin::kFlag);
        if (!cluster.empty()) config.Set("cluster", cluster, Origin::kFlag);
        Engine engine(config, {}, SilentLog(), NeverCancelled());
        return open(engine)->cluster().Path();
    } catch (const Error &error) {
        return error.message + " " + error.detail;
    }

    TemporaryDirectory directory_;
    std::string url_;
    StoragePtr storage_;
};

TEST_F(OpenToRestore, TheOnlyClusterIsMeantWhateverServerRunsHere) {
    Make("old", "7301");
    EXPECT_EQ(Opened(""), "old.7301");
    EXPECT_EQ(Opened("7301"), "old.7301");
    EXPECT_EQ(Opened("9999"), "old.7301") << "that the directory is of another one is said later";
    EXPECT_THAT(OpenedForReading(), HasSubstr("has no backups of this server"));
}

TEST_F(OpenToRestore, OfSeveralTheDirectoryOrTheNameSaysWhich) {
    Make("old", "7301");
    Make("new", "7302");
    EXPECT_EQ(Opened("7302"), "new.7302");
    EXPECT_EQ(Opened("", "old"), "old.7301");
    EXPECT_EQ(Opened("", "new.7302"), "new.7302");
    EXPECT_THAT(Opened(""), AllOf(HasSubstr("has no backups of this server"), HasSubstr("new.7302, old.7301")));
    EXPECT_THAT(Opened("7301", "neither"), HasSubstr("has no backups of this server"));
}

TEST_F(OpenToRestore, OneOfThisServerIsItsOwnOnlyWhereNothingSaysOtherwise) {
    Make("old", "7301");
    Make("mine", own_);
    EXPECT_EQ(Opened(""), "mine." + own_);
    EXPECT_EQ(Opened("7301"), "old.7301");
    EXPECT_EQ(Opened("", "old"), "old.7301");
}

}    // namespace
}    // namespace ark::test
