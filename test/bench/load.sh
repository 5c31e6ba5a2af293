# What a full base backup costs those who work meanwhile: transactions of pgbench that were not made while it ran, against the rate just
# before and just after. pgBackRest and us in turn; WAL is archived by neither meanwhile but for what our backup itself waits for.
# shellcheck shell=bash disable=SC2154
# shellcheck source=test/bench/pgbackrest.sh
source test/bench/pgbackrest.sh
s3=$(s3_store load)
as_postgres pg_ark init --quiet --store="$s3"
as_postgres bash -c "umask 077; mkdir -p ~/.aws; printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY > ~/.aws/credentials"
ask bench "ALTER SYSTEM SET archive_command = 'pg_ark wal-push --quiet --store=''$s3'' %p'" > /dev/null
ask bench 'SELECT pg_reload_conf()' > /dev/null
# Seconds, and transactions that were committed meanwhile.
committed() { ask bench 'SELECT extract(epoch FROM clock_timestamp()), count(*) FROM pgbench_history' | tr '|' ' '; }
lost() {    # name, command
    local before from to after
    before=$(committed)
    sleep 5
    from=$(committed)
    measure "$1" "$2"
    to=$(committed)
    sleep 5
    after=$(committed)
    echo "$before $from $to $after" | awk -v name="$1" '{
        usual = ($4 - $2 + $8 - $6) / ($3 - $1 + $7 - $5)
        printf "%s\t%.2f\t%.0f\n", name, usual * ($5 - $3) - ($6 - $4), usual
        printf "      %.0f transactions/s without it, %.0f while it ran, %.0f lost\n", usual, ($6 - $4) / ($5 - $3), usual * ($5 - $3) - ($6 - $4) > "/dev/stderr"
    }' >> "$cluster_home/lost"
}
: > "$cluster_home/lost"
as_postgres pgbench -n -c 4 -j 1 -T 36000 bench > "$cluster_home/load.log" 2>&1 &
pgbench=$!
sleep 15    # until its rate is the usual one
for ((round = 1; round <= rounds; round++)); do
    lost 'pgBackRest full to S3' "$(peer s3 backup --type=full)"
    lost 'pg_ark full to S3' "pg_ark backup --kind=physical --quiet --store='$s3'"
    as_postgres pg_ark delete --quiet --store="$s3" "$(as_postgres pg_ark list --json --store="$s3" --kind=physical | jq -r '.backups[0].backup_id')" > /dev/null
done
ask postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgbench'" > /dev/null
wait "$pgbench" || true
report 'Full base backups while pgbench runs'
cp "$cluster_home/lost" "$results"
medians | awk -F '\t' '{ printf "    %-44s lost %8.0f transactions, at %.0f a second otherwise\n", $1, $2, $3 }'
ratio 'pg_ark full to S3' 'pgBackRest full to S3' '1'
