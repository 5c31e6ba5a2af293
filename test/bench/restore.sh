# A whole database back: from S3 for us and for the users' pipe, from local disk for pg_restore.
# shellcheck shell=bash disable=SC2154
as_postgres bash -c "set -o pipefail; pg_dump -Fp bench | gzip -6 | $s3_copy - s3://$ARK_TEST_S3_BUCKET/pipe/restore.gz; pg_dump -Fd -j2 -Z1 -f $cluster_home/out/dump bench"
store=$(s3_store restore)
as_postgres pg_ark backup --quiet --database=bench --encryption-key="file:$cluster_home/key" --store="$store" > /dev/null
as_postgres pg_ark backup --quiet --database=bench --store="file://$cluster_home/stores/plain" > /dev/null
fresh() { as_postgres dropdb --if-exists back; as_postgres createdb back; as_postgres psql -Xq -d back -c CHECKPOINT; rm -rf "$cluster_home/out/export"; }
back_by_pipe() { measure 'aws s3 cp | gunzip | psql' "$s3_copy s3://$ARK_TEST_S3_BUCKET/pipe/restore.gz - | gunzip | psql -Xq -v ON_ERROR_STOP=1 -d back"; }
back_from_s3() {
    measure 'pg_ark restore-database from S3' "pg_ark restore-database --quiet --jobs=2 --no-analyze --restore-point=latest --database=bench --target-database=back --encryption-key=file:$cluster_home/key --store='$store'"
    compare_back
}
back_from_directory() {
    measure 'pg_ark restore-database from a directory' "pg_ark restore-database --quiet --jobs=2 --no-analyze --restore-point=latest --database=bench --target-database=back --store=file://$cluster_home/stores/plain"
    compare_back
}
back_by_export() {
    measure 'pg_ark export from S3 + pg_restore -j2' "pg_ark export --quiet --restore-point=latest --database=bench --format=directory --output=$cluster_home/out/export --encryption-key=file:$cluster_home/key --store='$store' && pg_restore -j2 -d back $cluster_home/out/export"
    compare_back
}
back_by_pg_restore() { measure 'pg_restore -j2 from disk' "pg_restore -j2 -d back $cluster_home/out/dump"; }
compare_back() { [ "$round" -gt 1 ] || [ "$(digest_of back)" = "$(digest_of bench)" ] || { echo 'what came back differs'; exit 1; }; }

# A machine is seldom as fast in one minute as in the next: every other round runs in the opposite order.
ways=(back_from_s3 back_by_pg_restore back_from_directory back_by_export back_by_pipe)
for ((round = 1; round <= rounds; round++)); do
    for ((i = 0; i < ${#ways[@]}; i++)); do
        fresh
        if ((round % 2)); then "${ways[i]}"; else "${ways[-1 - i]}"; fi
    done
done
report 'Restore of a whole database'
ratio 'pg_ark restore-database from S3' 'aws s3 cp | gunzip | psql' 'none'
ratio 'pg_ark restore-database from S3' 'pg_restore -j2 from disk' '1.0'
ratio 'pg_ark restore-database from a directory' 'pg_restore -j2 from disk' '1.0'
ratio 'pg_ark export from S3 + pg_restore -j2' 'aws s3 cp | gunzip | psql' 'none'
ratio 'pg_ark export from S3 + pg_restore -j2' 'pg_restore -j2 from disk' 'none'
as_postgres dropdb back
