/** `npm run demo` in a process of its own, in a terminal if wished, with a folder that shows what it leaves behind. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSignal, until } from '../support/until.ts';

export const repository = join(import.meta.dirname, '..', '..');
export interface Demo extends AsyncDisposable {
  readonly output: () => string;
  /** Resolves when the output contains this text. Rejects when the demo ends without it. */
  shows(text: string): Promise<void>;
  /** Runs a statement as the demo says it can be run; what that printed. */
  sql(statement: string): string;
  /** To the whole group, as a terminal does it. */
  signal(name: NodeJS.Signals): void;
  /** Presses keys, of a demo in a terminal. */
  press(keys: string): void;
  /** The exit code, or the signal that ended npm. */
  readonly ended: Promise<number | string>;
  /** Resolves when no process and no folder of the demo is there any more; rejects after 20 s. */
  gone(): Promise<void>;
}

export async function startDemo(
  args: readonly string[],
  asUser?: number,
  path = process.env['PATH'],
  inTerminal = false,
): Promise<Demo> {
  // all that the demo writes goes into this folder, and its processes bear its name
  const folder = await mkdtemp(join(tmpdir(), 'bridge-demo-test-'));
  await chmod(folder, 0o1777); // as /tmp is: root lends its PostgreSQL to another user
  const words = ['npm', 'run', 'demo', '--', ...args];
  const [program, ...rest] = inTerminal ? ['script', '-qefc', words.join(' '), '/dev/null'] : words;
  const child = spawn(program!, rest, {
    cwd: repository,
    detached: true,
    stdio: [inTerminal ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path, TMPDIR: folder, HOME: folder, npm_config_cache: join(folder, '.npm') },
    ...(asUser === undefined ? {} : { uid: asUser, gid: asUser }),
  });
  let output = '';
  const written = createSignal(() => `it wrote:\n${output}`);
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      written.changed();
    });
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => code ?? signal!);
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-child.pid!, name);
    } catch {
      // no process is left in the group
    }
  };
  return {
    output: () => output,
    signal,
    press: (keys) => void child.stdin?.write(keys),
    ended,
    sql: (statement) =>
      spawnSync('npm', ['run', '--silent', 'demo', '--', '--sql', statement], {
        cwd: repository,
        encoding: 'utf8',
        env: { ...process.env, PATH: path, TMPDIR: folder },
      }).stdout,
    shows: async (text) => {
      const isShown = () => output.includes(text);
      await Promise.race([written.until(isShown), ended]);
      if (!isShown()) throw new Error(`it ended without '${text}':\n${output}`);
    },
    async gone() {
      const left = async () => [
        // npm keeps caches of its own there
        ...(await readdir(folder)).filter((name) => name.startsWith('bridge-')),
        ...(await processesNaming(folder)),
      ];
      await until(left, ({ length }) => length === 0);
    },
    async [Symbol.asyncDispose]() {
      signal('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

/** Command lines that contain this text; none where there is no /proc. */
async function processesNaming(text: string): Promise<string[]> {
  const ids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(text));
}
