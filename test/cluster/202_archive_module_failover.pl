# archive_library = 'pg_ark' across a promotion: a standby stores nothing itself, takes over when it is promoted, and the old primary
# writes nothing from then on.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use File::Compare;
use Test::More;
use Time::HiRes qw(time sleep);

my $base = PostgreSQL::Test::Utils::tempdir();
my $primary = ArkCluster->new('primary');
$primary->init(allows_streaming => 1, extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
mkdir $primary->store or die $primary->store . ": $!";
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_ark'\narchive_mode = always\narchive_command = ''\narchive_library = 'pg_ark'\n"
	  . "wal_keep_size = 1000\nmax_wal_size = 2000\nautovacuum = off\nark.allow_same_disk_wal = on\nark.store = 'file://" . $primary->store . "'\n");
$primary->start;
is($primary->engine([ 'init', '--quiet' ])->{exit}, 0, 'pg_ark init');
ask($primary, 'CREATE EXTENSION pg_ark; CREATE TABLE log (what text)');
$primary->backup('base');
my $standby = ArkCluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub write_wal { my ($node, $what) = @_; ask($node, "INSERT INTO log VALUES ('$what'); SELECT pg_switch_wal()") for 1 .. 3; return; }
sub drained
{
	my ($node, $why, $segment) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$segment //= do { ask($node, 'SELECT pg_switch_wal()'); ask($node, 'SELECT pg_walfile_name(pg_switch_wal() - 1)') };
	ok($node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver"), $why)
	  or diag(ask($node, 'SELECT * FROM pg_stat_archiver, ark.wal_archive'));
	return $segment;
}
sub engine_of { my $node = shift; return ask($node, 'SELECT engine_pid FROM ark_private.archive_state()'); }
sub wrong_in_store
{
	my $node = shift;
	my $wal = $node->data_dir . '/pg_wal';
	my @wrong;
	for my $name (map { m{([^/]+)\.done$} } glob "$wal/archive_status/*.done")
	{
		my $got = $primary->engine([ 'wal-fetch', '--quiet', '--pgdata', $node->data_dir, $name, "$base/back" ]);
		push @wrong, "$name: exit $got->{exit} $got->{err}" if $got->{exit} != 0;
		push @wrong, "$name differs" if $got->{exit} == 0 && compare("$wal/$name", "$base/back") != 0;
		unlink "$base/back";
	}
	return join "\n", @wrong;
}

# archive_mode = always.
write_wal($primary, 'before');
my $segment = drained($primary, 'the primary archives');
$primary->wait_for_catchup($standby);
drained($standby, 'its standby is content with what is there', $segment);
my $engine = engine_of($standby);
ok($engine, 'by an engine of its own');
like($primary->engine([ 'lease' ])->{out}, qr/epoch 1/, 'which owns nothing');

# The primary does not archive its last segments, and the standby is promoted.
set_option($primary, 'ark.enabled', 'off');
write_wal($primary, 'late');
$primary->wait_for_catchup($standby);
$standby->poll_query_until('postgres', 'SELECT failing_since IS NOT NULL FROM ark.wal_archive') or die;
like(ask($standby, 'SELECT last_error FROM ark.wal_archive'), qr/the store has no WAL file "\w+" yet; This server is in recovery/, 'what is not there the standby waits for');
$standby->promote;
write_wal($standby, 'after');
drained($standby, 'a promoted standby takes over');
is(engine_of($standby), $engine, 'with the engine that it had');
like($primary->engine([ 'lease' ])->{out}, qr/epoch 2/, 'and owns the path');
is(wrong_in_store($standby), '', 'all of its WAL is there as it was, also what the primary had not archived');

# The old primary still lives.
set_option($primary, 'ark.enabled', 'on');
my $refused = q{SELECT last_error ~ 'this server may not write to .*: it belongs to another one' FROM ark.wal_archive};
my $ended = time + 120;
do { write_wal($primary, 'split') } until ask($primary, $refused) eq 't' || time > $ended;    # its archiver tries again at once only when there is more
is(ask($primary, $refused), 't', 'the old primary writes nothing any more, and says why');
write_wal($standby, 'onwards');
drained($standby, 'the new one goes on');
is(wrong_in_store($standby), '', 'and is archived as it was');

# A right that ends while an engine is at work is noticed by it.
$engine = engine_of($standby);
is($primary->engine([ 'lease', 'take', '--reason', 'a test' ])->{exit}, 0, 'somebody gives the path to the old primary');
$ended = time + 120;
write_wal($standby, 'ended') until time > $ended || ask($standby, q{SELECT last_error ~ 'may not write to' FROM ark.wal_archive}) eq 't';
like(ask($standby, 'SELECT last_error FROM ark.wal_archive'), qr/may not write to .*: it belongs to another one/, 'then the other one stops');
is(engine_of($standby), $engine, 'although its engine was at work all the time');
done_testing();
