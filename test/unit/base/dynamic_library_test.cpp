#include "base/dynamic_library.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"

namespace ark::test {
namespace {

Error ErrorOf(const std::function<void()> &work) {
    try {
        work();
    } catch (const Error &error) {
        return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(Code::kInternal, "");
}

TEST(DynamicLibrary, GivesFunctions) {
    DynamicLibrary library("libm.so.6");
    double (*cosine)(double) = nullptr;
    library.Find(cosine, "cos");
    ASSERT_NE(cosine, nullptr);
    EXPECT_EQ(cosine(0.0), 1.0);
}

TEST(DynamicLibrary, NamesWhatIsNotThere) {
    Error library = ErrorOf([] { DynamicLibrary("libpg_ark_lacks.so.1"); });
    EXPECT_EQ(library.code, Code::kUnsupported);
    EXPECT_EQ(library.message, "could not load the library \"libpg_ark_lacks.so.1\"");
    EXPECT_NE(library.detail.find("libpg_ark_lacks.so.1"), std::string::npos) << library.detail;
    EXPECT_FALSE(library.hint.empty());
    Error function = ErrorOf([] {
        void (*lacks)() = nullptr;
        DynamicLibrary("libm.so.6").Find(lacks, "pg_ark_lacks");
    });
    EXPECT_EQ(function.code, Code::kUnsupported);
    EXPECT_EQ(function.message, "the library \"libm.so.6\" has no function pg_ark_lacks");
}

}    // namespace
}    // namespace ark::test
