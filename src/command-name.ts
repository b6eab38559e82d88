/** The commands as the reader of a hint would type them: as this process itself was started. */
import { basename, relative } from 'node:path';
import { startedBy } from './config.ts';

export interface CommandNames {
  /** Before the words of any command. */
  readonly command: string;
  readonly migrate: string;
  /** Before an option of it. */
  readonly migrateWith: string;
  readonly demo: string;
}

/**
 * By the package's bin (the image has it on the PATH), by `npm run`, by npx, or by Node itself. `script`: the file that Node was
 * given; `npmScript`: `npx`, or the script of `npm run`. npm has scripts for some commands only; for the others the package's own Node, which npx finds, is the sure one.
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
