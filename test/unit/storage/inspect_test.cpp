#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "storage/file_storage.h"
#include "support/temporary_directory.h"
#include "unit/storage/s3_script.h"

namespace ark::test {
namespace {

Finding Found(const std::vector<Finding> &findings, const std::string &check) {
    for (const Finding &finding : findings)
        if (finding.check == check) return finding;
    ADD_FAILURE() << "nobody looked at " << check;
    return {};
}

TEST_F(S3Script, InspectTellsWhatTheBucketIs) {
    server.Expect("GET", "/bucket?versioning=")
        .Answer(200, {}, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    server.Expect("GET", "/bucket?object-lock=")
        .Answer(200, {},
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
                "<Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>");
    server.Expect("GET", "/bucket?encryption=")
        .Answer(404, {}, ErrorXml("ServerSideEncryptionConfigurationNotFoundError"));
    server.Expect("GET", "/bucket?policyStatus=").Answer(404, {}, ErrorXml("NoSuchBucketPolicy"));
    server.Expect("GET", "/bucket?acl=")
        .Answer(
            200, {},
            "<AccessControlPolicy><AccessControlList><Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/"
            "AllUsers</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>");
    std::vector<Finding> findings = Store().Inspect();
    EXPECT_TRUE(Found(findings, "credentials").ok);
    EXPECT_NE(Found(findings, "versioning").hint.find("NoncurrentVersionExpiration"), std::string::npos);
    EXPECT_EQ(Found(findings, "object lock").detail, "Enabled, COMPLIANCE for 30 days");
    EXPECT_EQ(Found(findings, "encryption at rest").detail, "the bucket has no default");
    EXPECT_TRUE(Found(findings, "public access by policy").ok);
    EXPECT_FALSE(Found(findings, "public access by grant").ok) << "everybody can read this bucket";
}

TEST_F(S3Script, InspectDoesNotFailWhereQuestionsAreRefused) {
    server.Expect("GET", "/bucket?versioning=").Answer(403, {}, ErrorXml("AccessDenied"));
    server.Expect("GET", "/bucket?object-lock=").Answer(501, {}, ErrorXml("NotImplemented"));
    server.Expect("GET", "/bucket?encryption=").Answer(400, {}, ErrorXml("InvalidRequest"));
    server.Expect("GET", "/bucket?policyStatus=").Answer(200, {}, "<html>a login page</html>");
    server.Expect("GET", "/bucket?acl=").Answer(200, {}, "<AccessControlPolicy/>");
    std::vector<Finding> findings = Store().Inspect();
    for (const char *check : {"versioning", "object lock", "encryption at rest", "public access by policy"}) {
        EXPECT_TRUE(Found(findings, check).ok) << check;
        EXPECT_TRUE(Found(findings, check).detail.starts_with("not known: ")) << Found(findings, check).detail;
    }
    EXPECT_NE(Found(findings, "versioning").detail.find("AccessDenied"), std::string::npos);
}

TEST(InspectDirectory, NamesOwnerRightsAndRoom) {
    TemporaryDirectory directory;
    chmod(directory.path().c_str(), 0700);
    std::vector<Finding> findings = MakeFileStorage(directory.path())->Inspect();
    EXPECT_TRUE(Found(findings, "permissions").ok);
    EXPECT_NE(Found(findings, "permissions").detail.find("mode 0700"), std::string::npos);
    EXPECT_NE(Found(findings, "free space").detail.find("are free"), std::string::npos);
    chmod(directory.path().c_str(), 0777);
    findings = MakeFileStorage(directory.path())->Inspect();
    EXPECT_FALSE(Found(findings, "permissions").ok);
    EXPECT_NE(Found(findings, "permissions").hint.find("chmod go-w"), std::string::npos);
    EXPECT_THROW(MakeFileStorage(directory.path() / "missing")->Inspect(), Error);
}

}    // namespace
}    // namespace ark::test
