/** Name → command. Exit codes: 0 done, 1 failed, 64 wrong words or settings (EX_USAGE of sysexits). */
import { Invalid, messageOf } from '../errors.ts';
import { ConfigError } from '../config.ts';

interface Command {
  readonly summary: string;
  /** Returns the exit code. */
  readonly run: (args: readonly string[], signal: AbortSignal) => Promise<number>;
}

// each command is loaded when it is called, so that `migrate` does not wait for what `demo` needs
const commands: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'run the daemon (the default)',
    run: async (_args, signal) => (await import('./serve.ts')).serve(signal),
  },
  migrate: {
    summary: 'install or update our tables and the adapter in the booking database',
    run: async (_args, signal) => (await import('./migrate.ts')).migrateCommand(signal),
  },
  demo: {
    summary: 'show it at work on an embedded PostgreSQL and a simulated tenant, until Ctrl-C',
    run: async (args, signal) => (await import('./demo.ts')).demo(args, signal),
  },
};

/** Runs one command and returns the exit code; never rejects. */
export async function run(name: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  if (['help', '--help', '-h'].includes(name) || args.includes('--help')) return usage(0);
  const command = commands[name];
  if (command === undefined) {
    console.error(`There is no command '${name}'.\n`);
    return usage(64);
  }
  try {
    return await command.run(args, signal);
  } catch (error) {
    if (signal.aborted) return 0;
    console.error(explain(error));
    return error instanceof ConfigError ? 64 : 1;
  }
}

/** A failure in words, with its repair; the stack only of what is a bug. */
function explain(error: unknown): string {
  if (error instanceof Invalid || (error instanceof Error && 'hint' in error))
    return [messageOf(error), 'hint' in error && typeof error.hint === 'string' ? error.hint : '']
      .filter(Boolean)
      .join('\n');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function usage(code: number): number {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  const text = [
    'Usage: outlook-booking-sync <command>',
    '',
    ...lines,
    '',
    'Settings come from the environment and .env; see .env.example.',
  ];
  (code === 0 ? console.log : console.error)(text.join('\n'));
  return code;
}
