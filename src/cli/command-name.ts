/** The command as the reader would type it, for hints. */
import { basename } from 'node:path';

/**
 * How this process was started: by the package's bin (the image has it on the PATH), through npm, or by hand. In the
 * second and third case our Node is the one of the package.
 */
function named(script: string | undefined): string {
  return basename(script ?? '') === 'outlook-booking-sync' ? 'outlook-booking-sync' : 'npx node src/main.ts';
}

export const command = named(process.argv[1]);
export const migrateCommand = `${command} migrate`;
