/** The audit trail of the command line: who asked for a change, written down before it is made, so that no failure can lose it. */
import { userInfo } from 'node:os';
import type { Database } from '../database.ts';
import { createAudit } from '../sync/manual/audit.ts';

/** The account that runs this command: its name, else its number (containers have users without a name). */
function account(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** The name in the audit trail of a person who types commands. */
export const commandLineUser = (): string => `${account()} (command line)`;

/**
 * Writes down that `command` was asked for, as it would be typed. `resourceId`: the room that it concerns. Throws what the
 * database says; a change that cannot be written down is not made.
 */
export async function writeDown(
  db: Database,
  command: string,
  resourceId: number | null = null,
): Promise<void> {
  await createAudit(db).asked({
    who: commandLineUser(),
    what: command,
    mapping: null,
    reservation: null,
    resourceId,
    detail: { command },
  });
}
