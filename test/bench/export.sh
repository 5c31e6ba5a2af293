# A whole database to S3.
# shellcheck shell=bash disable=SC2154
s3=s3://$ARK_TEST_S3_BUCKET/pipe
for ((round = 1; round <= rounds; round++)); do
    measure 'pg_dump | gzip -6 | aws s3 cp' "pg_dump -Fp bench | gzip -6 | $s3_copy - $s3/$round.gz"
    measure 'pg_ark zstd:3 to S3' "pg_ark backup --quiet --database=bench --compression=zstd:3 --store='$(s3_store "plain$round")'"
    measure 'pg_dump | zstd -3 | aws s3 cp' "pg_dump -Fp bench | zstd -q -3 | $s3_copy - $s3/$round.zst"
    measure 'pg_ark zstd:3, encrypted, to S3' "pg_ark backup --quiet --database=bench --compression=zstd:3 --encryption-key=file:$cluster_home/key --store='$(s3_store "secret$round")'"
    measure 'pg_dump -Fd -j2 -Z1 to disk' "pg_dump -Fd -j2 -Z1 -f $cluster_home/out/speed bench; rm -rf $cluster_home/out/speed"
    measure 'pg_ark zstd:1 to S3' "pg_ark backup --quiet --database=bench --compression=zstd:1 --store='$(s3_store "fast$round")'"
    measure 'pg_ark zstd:3 to a directory' "mkdir $cluster_home/stores/full$round; pg_ark backup --quiet --database=bench --compression=zstd:3 --store=file://$cluster_home/stores/full$round; rm -rf $cluster_home/stores/full$round"
done
report "Export of a whole database ($(ask bench 'SELECT pg_size_pretty(pg_database_size(current_database()))'))"
ratio 'pg_ark zstd:3 to S3' 'pg_dump | gzip -6 | aws s3 cp' '3 now, 4 later'
ratio 'pg_ark zstd:1 to S3' 'pg_dump | gzip -6 | aws s3 cp' '5 later'
ratio 'pg_ark zstd:3 to S3' 'pg_dump | zstd -3 | aws s3 cp' 'none'
ratio 'pg_ark zstd:3 to S3' 'pg_dump -Fd -j2 -Z1 to disk' '1.0 later'
ratio 'pg_ark zstd:3 to a directory' 'pg_dump -Fd -j2 -Z1 to disk' 'none'
printf '    stored: gzip %s, zstd %s, pg_ark zstd:3 %s, encrypted %s, zstd:1 %s\n' "$(megabytes "$(s3_bytes pipe/1.gz)")" \
    "$(megabytes "$(s3_bytes pipe/1.zst)")" "$(megabytes "$(s3_bytes plain1/)")" "$(megabytes "$(s3_bytes secret1/)")" "$(megabytes "$(s3_bytes fast1/)")"
