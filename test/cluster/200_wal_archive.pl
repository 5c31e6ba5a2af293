# WAL by archive_command and restore_command: every segment arrives once, as it was; recovery goes to any moment from it; and whoever has
# no right to write leaves everything as it is. The base backups are pg_basebackup's.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use File::Compare;
use File::Copy;
use Test::More;
use Time::HiRes qw(time sleep);

my $engine = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $store = PostgreSQL::Test::Utils::tempdir();
my $plain = PostgreSQL::Test::Utils::tempdir();    # what a plain copy keeps, to compare with
my $push = "test -e $plain/%f || cp %p $plain/%f && $engine wal-push --quiet --store=file://$store/wal %p";
my $fetch = "$engine wal-fetch --quiet --store=file://$store/wal %f %p";
mkdir "$store/wal" or die "$store/wal: $!";
my @small = (extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);

sub start_primary
{
	my ($name) = @_;
	my $node = ArkCluster->new($name);
	$node->init(allows_streaming => 1, @small);
	$node->append_conf('postgresql.conf', "archive_mode = on\narchive_command = '$push'\nwal_keep_size = 64\nautovacuum = off\n");
	$node->start;
	return $node;
}

# As wal-push and wal-fetch are run by hand; `in` is the data directory.
sub by_hand
{
	my ($node, $verb, @arguments) = @_;
	my $where = $arguments[0] =~ /^--store/ ? shift @arguments : "--store=file://$store/wal";
	return $node->engine([ $verb, '--quiet', $where, '--pgdata', $node->data_dir, @arguments ]);
}

sub archived
{
	my $node = shift;
	$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
	my $segment = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
	$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver")
	  or die "segment $segment was not archived: " . $node->safe_psql('postgres', 'TABLE pg_stat_archiver');
	return $segment;
}

# A server that recovers from a base backup and the store alone. Returns it, started or not.
my $recoveries = 0;
sub recover
{
	my ($from, $backup, $conf, %options) = @_;
	my $node = ArkCluster->new('recovered' . ++$recoveries);
	$node->init_from_backup($from, $backup);
	$node->append_conf('postgresql.conf', "archive_mode = off\nrestore_command = '$fetch'\nrecovery_target_action = 'promote'\n$conf");
	$node->append_conf('postgresql.conf', "archive_mode = on\narchive_command = '$push'\n") if $options{archives};
	open my $signal, '>', $node->data_dir . '/recovery.signal' or die $!;
	close $signal;
	$node->start(fail_ok => $options{fails} // 0);
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end' unless $options{fails};
	return $node;
}
# After kill9: the last of the old processes may hold its memory for a moment.
sub start_again
{
	my $node = shift;
	for (1 .. 100)
	{
		$node->{_pid} = undef;
		return if $node->start(fail_ok => 1);
		sleep 0.1;
	}
	die 'it does not start again';
}
sub same_tables { my ($node, $digests, $name) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; return $node->same_rows('postgres', $digests, $name, without => qr/^sequence/); }
sub says { my ($node, $what) = @_; return PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ $what; }

# The store has no repository yet: nothing is lost, and the log says what to do.
my $primary = start_primary('primary');
$primary->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS id; SELECT pg_switch_wal()');
$primary->poll_query_until('postgres', 'SELECT failed_count > 0 FROM pg_stat_archiver') or die;
ok(says($primary, qr/there is no repository in store .*hint: .*take a first backup/s), 'without a repository the log says what to do');
is($primary->engine([ 'init', '--quiet', "--store=file://$store/wal" ])->{exit}, 0, 'pg_ark init');
archived($primary);
pass('the WAL that waited is archived');

# Load, and many segments at once.
$primary->backup('base');
$primary->safe_psql('postgres', "CREATE TABLE log (id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), fill text)");
my $times = 8;
my @moments;
for my $i (1 .. $times)
{
	$primary->safe_psql('postgres', "INSERT INTO log (fill) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 400) AS i, generate_series(1, 100) AS j GROUP BY i");
	push @moments, [ split /\|/, $primary->safe_psql('postgres', 'SELECT count(*), max(id), clock_timestamp(), pg_current_wal_lsn() FROM log') ];
	sleep 0.05;
}
my $whole = $primary->digests('postgres');
archived($primary);
for my $file (glob "$plain/*")
{
	my ($name) = $file =~ m{([^/]+)$};
	my $got = by_hand($primary, 'wal-fetch', $name, "$plain/back");
	is("$got->{exit}$got->{err}", '0', "$name is in the store");
	is(compare($file, "$plain/back"), 0, 'as it was');
	unlink "$plain/back";
}

# To the end, to a time, to a position, to a name.
same_tables(recover($primary, 'base', ''), $whole, 'recovery to the end brings every row');
my ($count, $id, $at, $lsn) = @{ $moments[3] };
is(recover($primary, 'base', "recovery_target_time = '$at'\n")->safe_psql('postgres', 'SELECT count(*), max(id) FROM log'), "$count|$id", 'to a time');
($count, $id, $at, $lsn) = @{ $moments[5] };
is(recover($primary, 'base', "recovery_target_lsn = '$lsn'\n")->safe_psql('postgres', 'SELECT count(*), max(id) FROM log'), "$count|$id", 'to a position');
$primary->safe_psql('postgres', q{SELECT pg_create_restore_point('before the release'); DELETE FROM log});
archived($primary);
same_tables(recover($primary, 'base', "recovery_target_name = 'before the release'\n"), $whole, 'to a named point');

# Faults never look like the end of the WAL.
my $next = sprintf '%08X%08X%08X', 1, 0, 0xFFF;
is(by_hand($primary, 'wal-fetch', $next, "$plain/back")->{exit}, 3, 'a segment that the store has not');
ok(!-e "$plain/back", 'leaves no file');
is(by_hand($primary, 'wal-fetch', '--store=file:///no/such/store', $next, "$plain/back")->{exit}, 203, 'a store that is not there');
is(by_hand($primary, 'wal-fetch', '--no-such-flag', $next, "$plain/back")->{exit}, 202, 'a flag that does not exist');
is(by_hand($primary, 'wal-fetch', '--cluster=no.1', $next, "$plain/back")->{exit}, 203, 'a cluster that is not there');
is(by_hand($primary, 'wal-fetch', 'nonsense', "$plain/back")->{exit}, 202, 'a name that is none');
my ($middle) = glob "$store/wal/*/wal/00000001/*10";
ok($middle, 'a segment in the middle') or die;
rename $middle, "$store/kept" or die $!;
my ($hole) = $middle =~ m{([^/]+)$};
my $stopped = recover($primary, 'base', '', fails => 1);
until_gone($stopped);
ok(says($stopped, qr/error: WAL segment "$hole" is missing in the store\ndetail: Later ones are there/), 'a hole is told');
ok(says($stopped, qr/FATAL:  could not restore file "$hole" from archive/), 'and ends the recovery with an error, not with less');

# A standby is told that the segment is not there, since an error would end it; it goes on when the segment comes.
my $following = ArkCluster->new('following');
$following->init_from_backup($primary, 'base');
$following->set_standby_mode;
$following->append_conf('postgresql.conf', "archive_mode = off\nrestore_command = '$fetch'\nwal_retrieve_retry_interval = '100ms'\n");
is(by_hand($following, 'wal-fetch', $hole, "$plain/back")->{exit}, 3, 'a standby is told that a segment in a hole is absent') or die;
$following->start;
my $before_hole = sprintf '0/%X', hex(substr $hole, 16) << 20;
my $beyond = $primary->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
$following->poll_query_until('postgres', "SELECT pg_last_wal_replay_lsn() >= pg_lsn '$before_hole' - 65536") or die 'it does not get to the hole';
$following->wait_for_log(qr/waiting for WAL to become available/);    # it has asked
is($following->safe_psql('postgres', "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() < '$beyond'"), 't', 'and waits before it');
rename "$store/kept", $middle or die $!;
archived($primary);
ok($following->poll_query_until('postgres', "SELECT pg_last_wal_replay_lsn() >= '$beyond'"), 'until it is there');
$following->stop;
sub until_gone
{
	my $node = shift;
	for (1 .. 300)
	{
		$node->{_pid} = undef;
		return if !-e $node->data_dir . '/postmaster.pid';
		sleep 0.1;
	}
	die 'still running';
}

# What fetches ahead keeps nothing open that its caller had, and ends well whatever it meets.
my $dir = "$store/directory";
mkdir $_ or die "$_: $!" for $dir, "$dir/global", "$dir/pg_wal";
copy($primary->data_dir . '/global/pg_control', "$dir/global/pg_control") or die $!;
my ($earliest) = map { m{([0-9A-F]{24})$} } glob "$store/wal/*/wal/00000001/*";
PostgreSQL::Test::Utils::system_or_bail('sh', '-c', "exec $engine wal-fetch --quiet --store=file://$store/wal --pgdata=$dir $earliest $plain/back 9< $plain/$earliest");
sub ahead
{
	my $where = shift;
	return grep { command_of($_) =~ /\Q$where\E.*--ahead/s } map { m{(\d+)$} } glob '/proc/[0-9]*';
}
sub command_of { open my $file, '<', "/proc/$_[0]/cmdline" or return ''; return <$file> // ''; }
my ($ahead) = ahead($dir);
ok($ahead, 'a process fetches ahead');
is(join(' ', grep { (readlink // '') =~ /\Q$plain\E/ } glob "/proc/$ahead/fd/*"), '', 'and has nothing of its caller open');
for my $met ([ store => 'file:///no/such/store' ], [ cluster => 'no.1' ], [ pgdata => "$store/no-directory" ], [ 'encryption-key' => 'file:/no/such/key' ])
{
	my %flags = (store => "file://$store/wal", pgdata => $primary->data_dir, @$met);
	my $ended = $primary->engine([ 'wal-fetch', '--quiet', (map { "--$_=$flags{$_}" } sort keys %flags), $next, "$plain/back", '--ahead' ]);
	is("$ended->{exit} $ended->{signal}", '0 0', "one that meets @$met ends well") or diag($ended->{err});
}

# Other content under a taken name, and a damaged object.
my $segment = archived($primary);
open my $pages, '+<:raw', "$plain/$segment" or die $!;
seek $pages, 5000, 0;
print $pages 'other';
close $pages;
my $conflict = by_hand($primary, 'wal-push', "$plain/$segment");
is($conflict->{exit}, 7, 'another content is refused');
like($conflict->{err}, qr/already in the store with another content.*detail: Stored: .*hint: Nothing was replaced/s, 'with both digests');
copy("$plain/$hole", "$plain/000000010000000000000FF0") or die $!;
my $renamed = by_hand($primary, 'wal-push', "$plain/000000010000000000000FF0");
is($renamed->{exit}, 6, 'a segment under the name of another is refused');
like($renamed->{err}, qr/is not what its name says/, 'before it is sent');
unlink "$plain/000000010000000000000FF0";

# A store that is away while WAL is written: it drains in order, and nothing is doubled.
rename "$store/wal", "$store/away" or die $!;
my $failed = $primary->safe_psql('postgres', 'SELECT failed_count FROM pg_stat_archiver');
for (1 .. 12) { $primary->safe_psql('postgres', "INSERT INTO log (fill) VALUES ('x'); SELECT pg_switch_wal()") }
$primary->poll_query_until('postgres', "SELECT failed_count > $failed FROM pg_stat_archiver") or die;
rename "$store/away", "$store/wal" or die $!;
archived($primary);
$whole = $primary->digests('postgres');
pass('what waited is archived');
same_tables(recover($primary, 'base', ''), $whole, 'and comes back');

# kill -9 of the whole server while it archives: nothing lost, nothing refused.
for my $round (1 .. 3)
{
	$primary->safe_psql('postgres', "INSERT INTO log (fill) VALUES ('kill'); SELECT pg_switch_wal()") for 1 .. 4;
	$primary->kill9;
	start_again($primary);
}
archived($primary);
$whole = $primary->digests('postgres');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM log WHERE fill = 'kill'}), '12', 'every commit survived');
same_tables(recover($primary, 'base', ''), $whole, 'and is in the archive');

# Copies of the cluster write nothing.
my $clone = recover($primary, 'base', '', archives => 1);
$clone->safe_psql('postgres', 'INSERT INTO log (fill) VALUES (1); SELECT pg_switch_wal()');
$clone->poll_query_until('postgres', 'SELECT failed_count > 0 FROM pg_stat_archiver') or die;
ok(says($clone, qr/this server may not write to .*: it belongs to another one.*lease take/s), 'a restored copy may not archive');
is($clone->safe_psql('postgres', 'SELECT archived_count FROM pg_stat_archiver'), '0', 'and archives nothing');
is(scalar(() = glob "$store/wal/*/wal/00000002/*"), 0, 'nothing of it is in the store');
ok(-e $clone->data_dir . '/pg_wal/archive_status/00000002.history.ready', 'it keeps its WAL');
$clone->stop;
archived($primary);
pass('the primary goes on');

# Failover: the primary dies with segments that it did not archive.
my $standby = ArkCluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "archive_mode = on\narchive_command = '$push'\nrestore_command = '$fetch'\n");
$standby->start;
my $always = ArkCluster->new('always');
$always->init_from_backup($primary, 'base', has_streaming => 1);
$always->append_conf('postgresql.conf', "archive_mode = always\narchive_command = '$engine wal-push --quiet --store=file://$store/wal %p'\nrestore_command = '$fetch'\n");
$always->start;
archived($primary);
$primary->wait_for_catchup($_) for $standby, $always;
my $before = $primary->safe_psql('postgres', 'SELECT last_archived_wal FROM pg_stat_archiver');
$always->poll_query_until('postgres', "SELECT last_archived_wal >= '$before' FROM pg_stat_archiver") or die;
pass('a standby that archives always is content with what its primary has stored');
$primary->safe_psql('postgres', q{ALTER SYSTEM SET archive_command = 'false'});
$primary->reload;
$primary->safe_psql('postgres', "INSERT INTO log (fill) VALUES ('late'); SELECT pg_switch_wal()") for 1 .. 3;
$primary->safe_psql('postgres', "INSERT INTO log (fill) VALUES ('last')");
$primary->wait_for_catchup($_) for $standby, $always;
my $refused = $always->safe_psql('postgres', 'SELECT last_archived_wal FROM pg_stat_archiver');
$always->poll_query_until('postgres', q{SELECT failed_count > 0 FROM pg_stat_archiver}) or die;
ok(says($always, qr/the store has no WAL file "\w+" yet/), 'and waits for what it has not');
$always->stop;
$primary->kill9;
$standby->promote;
$standby->safe_psql('postgres', "INSERT INTO log (fill) VALUES ('after')");
archived($standby);
is($standby->safe_psql('postgres', 'SELECT failed_count FROM pg_stat_archiver'), '0', 'the promoted standby takes over by itself');
$whole = $standby->digests('postgres');
my $at_end = recover($primary, 'base', "recovery_target_timeline = 'latest'\n");
same_tables($at_end, $whole, 'recovery follows it, through segments that the dead primary had not archived');
is($at_end->safe_psql('postgres', q{SELECT count(*) FROM log WHERE fill IN ('late', 'last', 'after')}), '5', 'with the last commits of both');
like($standby->engine([ 'lease', "--store=file://$store/wal" ])->{out}, qr/epoch 2/, 'and the store knows its new owner');

# The old primary comes back: split brain.
start_again($primary);
$primary->safe_psql('postgres', q{ALTER SYSTEM RESET archive_command});
$primary->reload;
$primary->safe_psql('postgres', "INSERT INTO log (fill) VALUES ('split'); SELECT pg_switch_wal()");
for (1 .. 600) { last if says($primary, qr/this server may not write to .*The owner is on host/s); sleep 0.1; }
ok(says($primary, qr/this server may not write to .*The owner is on host/s), 'the old primary writes nothing any more');
$standby->safe_psql('postgres', "INSERT INTO log (fill) VALUES ('onwards')");
archived($standby);
$whole = $standby->digests('postgres');
same_tables(recover($primary, 'base', "recovery_target_timeline = 'latest'\n"), $whole, 'the new one is archived as it was');

# Nobody asks for more: nothing is left running.
my $deadline = time + 60;
sleep 0.2 while ahead($store) && time < $deadline;
is(join(' ', ahead($store)), '', 'whatever fetched ahead has ended');
done_testing();
