# Sourced by the benchmarks of clusters and WAL: pgBackRest, with a repository in the S3 gateway and one in a directory.
# shellcheck shell=bash disable=SC2154
pgbackrest_conf() {    # file, then lines of the repository
    local file=$1
    shift
    as_postgres tee "$file" > /dev/null <<CONF
[global]
$(printf '%s\n' "$@")
repo1-retention-full=100
repo1-bundle=y
compress-type=zst
compress-level=3
process-max=2
start-fast=y
archive-check=n
log-level-console=warn
log-level-file=off
lock-path=$cluster_home/lock
spool-path=$cluster_home/spool
[bench]
pg1-path=$cluster_home/data
pg1-socket-path=$cluster_home
pg1-user=postgres
CONF
}
as_postgres mkdir -p "$cluster_home/lock" "$cluster_home/spool" "$cluster_home/peer"
pgbackrest_conf "$cluster_home/s3.conf" repo1-type=s3 "repo1-path=/peer" "repo1-s3-bucket=$ARK_TEST_S3_BUCKET" repo1-s3-region=us-east-1 \
    repo1-s3-endpoint=localhost "repo1-storage-port=${ARK_TEST_S3_ENDPOINT##*:}" "repo1-storage-ca-file=$ARK_TEST_S3_CA" \
    repo1-s3-uri-style=path "repo1-s3-key=$AWS_ACCESS_KEY_ID" "repo1-s3-key-secret=$AWS_SECRET_ACCESS_KEY"
pgbackrest_conf "$cluster_home/posix.conf" "repo1-path=$cluster_home/peer"
peer() { echo "pgbackrest --config=$cluster_home/$1.conf --stanza=bench ${*:2}"; }
for repository in s3 posix; do
    as_postgres bash -c "$(peer "$repository" stanza-create)" > "$cluster_home/bench.log" 2>&1 || { cat "$cluster_home/bench.log"; return 1; }
done

