/**
 * Runs one command line after another, as `main.ts` runs one: for each message with its arguments and its environment, it answers
 * with the exit code and the output. It ends with the process that started it.
 */
import type { Ran, ToRun } from './command-line.ts';

const main = process.argv[2]!;
// the hints name commands as this process was started
process.argv.splice(1, 2, main);
const { run } = await import('../../src/cli/run.ts');

const neverAborts = new AbortController().signal;
const output = { out: '', err: '' };
process.stdout.write = (text: string | Uint8Array) => {
  output.out += String(text);
  return true;
};
process.stderr.write = (text: string | Uint8Array) => {
  output.err += String(text);
  return true;
};

process.on('message', (message: ToRun) => void answer(message));
process.once('disconnect', () => process.exit());
process.send!('ready');

async function answer({ args, env }: ToRun): Promise<void> {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  output.out = output.err = '';
  const code = await run(args, neverAborts);
  process.send!({ code, ...output } satisfies Ran);
}
