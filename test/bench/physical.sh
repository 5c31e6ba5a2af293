# Base backups and clusters made from them: pgBackRest (bundles; blocks where its version has them) and us, the same server, store and
# compression level. WAL goes into our store only: pgBackRest is told not to ask for it, so its backups wait for none.
# shellcheck shell=bash disable=SC2154
# shellcheck source=test/bench/pgbackrest.sh
source test/bench/pgbackrest.sh
s3=$(s3_store physical)
directory=file://$cluster_home/stores/physical
as_postgres pg_ark init --quiet --store="$s3"
as_postgres pg_ark init --quiet --store="$directory"
# The server's own environment has no keys.
as_postgres bash -c "umask 077; mkdir -p ~/.aws; printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY > ~/.aws/credentials"
ask bench "ALTER SYSTEM SET archive_command = 'pg_ark wal-push --quiet --store=''$s3'' %p && pg_ark wal-push --quiet --store=''$directory'' %p'" > /dev/null
ask bench 'SELECT pg_reload_conf()' > /dev/null
ark_backup() { echo "pg_ark backup --kind=physical --quiet --store='$1' ${*:2}"; }
forget() { as_postgres pg_ark delete --quiet --store="$1" "$(as_postgres pg_ark list --json --store="$1" --kind=physical | jq -r '.backups[0].backup_id')" > /dev/null; }
change() { ask bench 'UPDATE pgbench_accounts SET filler = filler WHERE aid BETWEEN 1 AND 100000; CHECKPOINT' > /dev/null; }

same_files() { as_postgres diff -rq "$1" "$2" > "$cluster_home/differ" || { head "$cluster_home/differ"; echo 'what came back differs'; exit 1; }; }

for ((round = 1; round <= rounds; round++)); do
    measure 'pgBackRest full to S3' "$(peer s3 backup --type=full)"
    measure 'pg_ark full to S3' "$(ark_backup "$s3")"
    measure 'pgBackRest full to a directory' "$(peer posix backup --type=full)"
    measure 'pg_ark full to a directory' "$(ark_backup "$directory")"
    change
    measure 'pgBackRest incremental to S3' "$(peer s3 backup --type=incr)"
    measure 'pg_ark, 100,000 rows changed, to S3' "$(ark_backup "$s3")"
    for source in s3 posix; do
        store=$s3; [ "$source" = s3 ] || store=$directory
        # Each into a directory of its own, gone at the end: a file system takes long to make files where others were just removed.
        as_postgres mkdir -m 700 "$cluster_home/peer.$source.$round" "$cluster_home/ark.$source.$round"
        measure "pgBackRest restore from $source" "$(peer "$source" restore "--pg1-path=$cluster_home/peer.$source.$round" --type=none)"
        measure "pg_ark restore from $source" "pg_ark restore --quiet --cluster=main.$(ask bench 'SELECT system_identifier FROM pg_control_system()') --store='$store' --pgdata=$cluster_home/ark.$source.$round"
        [ "$round" -gt 1 ] || same_files "$cluster_home/peer.$source.$round/base" "$cluster_home/ark.$source.$round/base"
    done
    # The next round begins without a base.
    while [ "$(as_postgres pg_ark list --json --store="$s3" --kind=physical | jq '.backups | length')" -gt 0 ]; do forget "$s3"; done
    forget "$directory"
done
report 'Base backups and restores of a cluster'
ratio 'pg_ark full to S3' 'pgBackRest full to S3' '1.2'
ratio 'pg_ark full to a directory' 'pgBackRest full to a directory' 'none'
ratio 'pg_ark, 100,000 rows changed, to S3' 'pgBackRest incremental to S3' '1'
ratio 'pg_ark restore from s3' 'pgBackRest restore from s3' '1.8'
ratio 'pg_ark restore from posix' 'pgBackRest restore from posix' '1.5'
printf '    stored in the directory: pgBackRest %s (all rounds), pg_ark %s (last full)\n' \
    "$(megabytes "$(du -sb "$cluster_home/peer/backup" | cut -f 1)")" \
    "$(megabytes "$(as_postgres du -sb "$cluster_home/stores/physical"/*/packs | cut -f 1)")"
