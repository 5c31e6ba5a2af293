# The connection of a restore is lost in the very moment of its COMMIT: what is told is what the server did.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use IPC::Run;
use Test::More;

my $node = ArkCluster->make('primary');
$node->load_sample('app');
my $dir = PostgreSQL::Test::Utils::tempdir_short();
sub mode
{
	open my $file, '>', "$dir/mode.new" or die;
	print $file @_;
	close $file;
	return rename "$dir/mode.new", "$dir/mode";
}
mode('');
my $port = $node->port;
my $between = IPC::Run::start([ ArkCluster::tree() . '/test/support/commit_cutter', "$dir/.s.PGSQL.$port", $node->host . "/.s.PGSQL.$port", "$dir/mode" ],
	'<', \undef, '>', "$dir/out", '2>&1');
END { my $status = $?; $between->kill_kill if $between; $? = $status; }
until_true($node, 'SELECT true') until -S "$dir/.s.PGSQL.$port";
set_option($node, 'ark.conninfo', "host=$dir port=$port user=" . ask($node, 'SELECT current_user'));

my $whole = $node->digests('app');
ask($node, q{SELECT * FROM ark.backup_now(database => 'app', label => 'whole')});
ask($node, 'DELETE FROM import_log', 'app');
my $rows = $node->digests('app');
my $restore = q{SELECT notes FROM ark.restore_entities('import_log', restore_point => 'whole', database => 'app')};

mode('before');
my $said = $node->ark_fails($restore, qr/the connection was lost before the restore was committed; nothing was changed/, 'a COMMIT that never arrived');
$node->same_rows('app', $rows, 'nothing was changed');
is(ask($node, 'SELECT state, committed FROM ark.restores ORDER BY restore_id DESC LIMIT 1'), 'failed|f', 'and the history agrees');

mode('after');
$node->ark_ok($restore, 'a COMMIT whose answer was lost is a restore that is done');
mode('');
$node->same_rows('app', $whole, 'the rows are back');
is(ask($node, 'SELECT state, committed FROM ark.restores ORDER BY restore_id DESC LIMIT 1'), 'done|t', 'and the history agrees');
like(ask($node, 'SELECT warnings FROM ark.job_history ORDER BY job_id DESC LIMIT 1'), qr/connection was lost in the commit/, 'which tells what happened');
my $id = ask($node, 'SELECT max(restore_id) FROM ark.restores');
$node->ark_ok("SELECT * FROM ark.undo_restore($id)", 'it can be undone');
$node->same_rows('app', $rows, 'which gives back what was there before');
$node->stop;
done_testing();
