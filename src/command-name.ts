/** The commands in hints, as the user would type them: in the same way as this process was started. */
import { basename, relative } from 'node:path';
import { startedBy } from './environment.ts';

export interface CommandNames {
  /** Prefix of any command. */
  readonly command: string;
  readonly migrate: string;
  /** `migrate` followed by an option. */
  readonly migrateWith: string;
  readonly demo: string;
}

/**
 * The names for a start by the package's bin (on the PATH in the image), `npm run`, npx, or Node itself. `script`: the file run
 * by Node; `npmScript`: `npx`, or the script of `npm run`. Commands without an npm script use npx, which finds the package's
 * own Node.
 */
export function namesOf(script: string | undefined, npmScript: string | null, folder: string): CommandNames {
  const file = basename(script ?? '');
  const words = (command: string) => ({
    command,
    migrate: `${command} migrate`,
    migrateWith: `${command} migrate`,
    demo: `${command} demo`,
  });
  if (file === 'outlook-booking-sync') return words(file);
  if (file !== 'main.ts' || script === undefined || npmScript === 'npx') return words('npx node src/main.ts');
  if (npmScript !== null)
    return {
      command: 'npx node src/main.ts',
      migrate: 'npm run migrate',
      migrateWith: 'npm run migrate --',
      demo: 'npm run demo --',
    };
  const path = relative(folder, script);
  return words(`node ${path.startsWith('..') ? script : path}`);
}

const names = namesOf(process.argv[1], startedBy().npmScript, process.cwd());
export const command = names.command;
export const migrateCommand = names.migrate;
export const attachCommand = `${names.migrateWith} --attach`;
export const demoCommand = names.demo;
