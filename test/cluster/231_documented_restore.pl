# What docs/restore.md promises: on a machine with nothing but the store, the key and the packages, its one command brings the cluster back
# to a chosen second, from a directory and from S3. The command is taken from the page; the moment and the bucket are ours, the rest
# stands there word for word.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use File::Copy;
use IPC::Run;
use Test::More;
use Time::HiRes qw(time sleep);

my $page = PostgreSQL::Test::Utils::slurp_file(ArkCluster::tree() . '/docs/restore.md');
my ($command) = $page =~ /^## A whole cluster, to any moment\n.*?^```\n(.*?)^```/ms or die 'docs/restore.md has no command under "A whole cluster, to any moment"';
like($command, qr/--target-time '[^']+'/, 'the command of docs/restore.md names a moment');
unlike($command, qr/\.\.\.|…/, 'and leaves nothing out');
my ($in_s3) = $page =~ m{^A store in S3 is `(--store 's3://[^'`]+')`}m or die 'docs/restore.md does not say what a store in S3 is';

# Machines one after the other, with a disk each; all else that they share is reached by the same socket.
my $base = PostgreSQL::Test::Utils::tempdir();
my $line = ArkCluster->new('machines');
my ($major) = $line->pg_version =~ /^(\d+)/;
$command =~ s{/15/}{/$major/}g;
my $data = "/var/lib/postgresql/$major/main";
my $bin = "/usr/lib/postgresql/$major/bin";
mkdir "$base/store" or die $!;
PostgreSQL::Test::Utils::append_to_file("$base/key", unpack('H*', join '', map { chr int rand 256 } 1 .. 32) . "\n");
my @machines;
my %mounted;    # what it has as /mnt/backups
sub machine
{
	my ($name, $directory) = @_;
	mkdir "$base/$name" or die "$base/$name: $!";
	push @machines, $name;
	$mounted{$name} = $directory // "$base/store";
	return $name;
}
# Runs commands there: { exit, told }.
sub on
{
	my ($machine, $commands) = @_;
	IPC::Run::run([ ArkCluster::tree() . '/test/support/bare_machine', "$base/$machine", $mounted{$machine}, "$base/key", $line->host, $commands ],
		'<', '/dev/null', '>', "$base/told", '2>&1', IPC::Run::timeout(180));
	return { exit => ArkCluster::exit_status(), told => PostgreSQL::Test::Utils::slurp_file("$base/told") };
}
# Credentials where docs/storage.md has them, and, because no authority of the packages has signed for this gateway, its certificate.
sub knows_s3
{
	my $machine = shift;
	mkdir "$base/$machine/.aws", 0700 or die $!;
	PostgreSQL::Test::Utils::append_to_file("$base/$machine/.aws/credentials", "[default]\naws_access_key_id = $ENV{AWS_ACCESS_KEY_ID}\naws_secret_access_key = $ENV{AWS_SECRET_ACCESS_KEY}\n");
	chmod 0600, "$base/$machine/.aws/credentials" or die $!;
	copy($ENV{ARK_TEST_S3_CA}, "$base/$machine/ca.pem") or die $!;
	return $machine;
}
sub server_of
{
	open my $file, '<', "$base/$_[0]/$major/main/postmaster.pid" or return;
	my $pid = <$file>;
	return int $pid;
}
# Returns when that was: nothing was acknowledged later.
sub lose
{
	my $machine = shift;
	my $server = server_of($machine) // return;
	my @processes = ($server, descendants($server));
	kill 'KILL', @processes;
	my $when = time;
	all_gone(\@processes, "machine $machine is gone");
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', "$base/$machine");
	unlink glob $line->host . '/.s.PGSQL.*';    # another machine has none of them
	return $when;
}
END
{
	my $status = $?;
	for (@machines) { my $server = server_of($_); kill 'QUIT', $server if $server; }
	$? = $status;
}

# The bucket and the server that answers for it; only that differs from what stands in the page.
my $endpoint = $ENV{ARK_TEST_S3_ENDPOINT} // die 'needs the gateway of test/support/start_ceph_rgw';
my $bucket = $in_s3 =~ s{s3://[^?']+\?region=[^&']+}{s3://$ENV{ARK_TEST_S3_BUCKET}/prod-$$-${\ int time}?region=us-east-1&endpoint=$endpoint&ca_file=/var/lib/postgresql/ca.pem}r;
isnt($bucket, $in_s3, 'the page names a bucket and its region');
my ($url) = $bucket =~ /'(.*)'/;

# The original.
my $original = knows_s3(machine('original'));
mkdir "$base/original/$major" or die $!;
my $made = on($original, "$bin/initdb -D $data -N -A trust --wal-segsize=1 --data-checksums -E UTF8 --locale=C.UTF-8 && cat >> $data/postgresql.conf <<CONF && $bin/pg_ctl -D $data -l server.log -w -s start
port = ${\ $line->port}
listen_addresses = ''
unix_socket_directories = '${\ $line->host}'
fsync = off
wal_level = replica
track_commit_timestamp = on
autovacuum = off
shared_preload_libraries = 'pg_ark'
archive_mode = on
archive_library = 'pg_ark'
ark.store = 'file:///mnt/backups/prod,$url'
ark.encryption_key = 'file:/etc/pg_ark/key'
ark.allow_same_disk_wal = on
ark.wal_ship_interval = '1s'
CONF
");
is($made->{exit}, 0, 'a cluster') or die $made->{told};
my $as_server = "--encryption-key file:/etc/pg_ark/key --conninfo 'host=${\ $line->host} port=${\ $line->port}'";
$made = on($original, "pg_ark init --quiet --store 'file:///mnt/backups/prod,$url' $as_server");
is($made->{exit}, 0, 'with a repository in a directory and one in a bucket') or die $made->{told};
$line->safe_psql('postgres', 'CREATE EXTENSION pg_ark; CREATE TABLE log (id bigserial PRIMARY KEY, fill text)');
$line->load_sample('app');
my $rows = $line->digests('app');
for my $store ('file:///mnt/backups/prod', $url)
{
	my $taken = on($original, "pg_ark backup --kind physical --quiet --store '$store' $as_server");
	is($taken->{exit}, 0, 'a base backup in ' . ($store =~ /^(\w+)/)[0]) or die $taken->{told};
}

# A client that notes what was acknowledged, and when.
open my $script, '>', "$base/script" or die $!;
print $script "INSERT INTO log (fill) SELECT repeat('x', 100) FROM pg_sleep(0.001) RETURNING id, extract(epoch FROM clock_timestamp());\n" for 1 .. 100_000;
close $script;
my $client = IPC::Run::start([ 'psql', '-XAtq', '-d', $line->connstr('postgres'), '-f', "$base/script" ], '<', '/dev/null', '>', "$base/acknowledged", '2>', '/dev/null');
$line->poll_query_until('postgres', 'SELECT count(*) > 200 FROM log') or die 'no rows';

# The second that is chosen: the one that begins next. What was committed until then is known once something later is.
my $chosen = $line->safe_psql('postgres', q{SELECT to_char((date_trunc('second', clock_timestamp()) + interval '1 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')});
$line->poll_query_until('postgres', "SELECT pg_xact_commit_timestamp(xmin) > '$chosen' FROM log ORDER BY id DESC LIMIT 1") or die 'no later rows';
my $until_chosen = $line->safe_psql('postgres', "SELECT count(*) FROM log WHERE pg_xact_commit_timestamp(xmin) <= '$chosen'");
$command =~ s/(--target-time ')[^']+/$1$chosen/;
my $from_s3 = $command =~ s{--store \S+}{$bucket}r;
isnt($from_s3, $command, 'the command names a store');
my $second = machine('second');
mkdir "$base/nothing" or die $!;
my $far = knows_s3(machine('far', "$base/nothing"));
# The tail is shipped to the first store; the other one knows what was archived.
$line->safe_psql('postgres', 'SELECT pg_switch_wal()');
for my $way ([ $second, $command, 'directory' ], [ $far, $from_s3, 'bucket' ])
{
	my ($machine, $words, $name) = @$way;
	my $dry_run = $words =~ s/--target-time/--dry-run --target-time/r =~ s/&&.*//sr;
	my $known;
	for (1 .. 300) { $known = on($machine, $dry_run); last if $known->{exit} == 0; note($known->{told}); sleep 0.2; }
	is($known->{exit}, 0, "the store in a $name knows that moment") or die $known->{told};
}

# The disaster, in the middle of the work.
my $disaster = lose($original);
eval { $client->finish };
my @acknowledged = map { [ split /\|/ ] } grep { /^\d+\|\d+\.\d+$/ } split /\n/, PostgreSQL::Test::Utils::slurp_file("$base/acknowledged");
cmp_ok(scalar @acknowledged, '>', $until_chosen, 'commits were acknowledged after the chosen second');

# Runs the command on an empty machine; returns in how many seconds somebody could write there.
sub brought_back
{
	my ($machine, $words, $name) = @_;
	my $began = time;
	my $result = on($machine, $words);
	is($result->{exit}, 0, $name) or die "$words\n$result->{told}" . on($machine, 'cat restored.log')->{told};
	$line->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
	$line->safe_psql('postgres', 'CREATE TABLE written ()');
	return time - $began;
}
my $seconds;
for my $way ([ $second, $command, 'a directory' ], [ $far, $from_s3, 'S3' ])
{
	my ($machine, $words, $name) = @$way;
	$seconds = brought_back($machine, $words, "the command of docs/restore.md, from $name to $chosen");
	is($line->safe_psql('postgres', 'SELECT count(*), max(id) FROM log'), "$until_chosen|$until_chosen", 'all that was committed until then is there, and nothing later');
	$line->same_rows('app', $rows, 'with every row of the other databases', without => qr/^sequence|session_cache/);
	diag(sprintf 'RTO from %s: %.1f s from the command to the first write, to a chosen second', $name, $seconds);
	lose($machine);
}

# Without the moment it goes to the end.
my $third = machine('third');
$seconds = brought_back($third, $command =~ s/ --target-time '[^']+'//r, 'the same without --target-time');
my ($count, $last) = split /\|/, $line->safe_psql('postgres', 'SELECT count(*), max(id) FROM log');
cmp_ok($last, '>=', $until_chosen, 'goes as far as the store knew');
is($count, $last, 'without a hole');
my @lost = grep { $_->[0] > $last } @acknowledged;
my $age = sub { my $row = shift; return $disaster - $row->[1]; };
diag(sprintf 'RTO: %.1f s from the command to the first write, to the end', $seconds);
diag(sprintf 'RPO with ark.wal_ship_interval = 1s: %d of %d acknowledged commits are lost%s', scalar @lost, scalar @acknowledged,
	@lost ? sprintf(', %.2f to %.2f s old when the machine was lost', $age->($lost[-1]), $age->($lost[0])) : '');
is(scalar(grep { $age->($_) < 0 } @acknowledged), 0, 'of which none came after that');
lose($third);
done_testing();
