/** The audit trail of the command line. A command is recorded before it changes anything, so no failure can lose the record. */
import { userInfo } from 'node:os';
import type { Database } from '../database.ts';
import { createAudit } from '../sync/manual/audit.ts';

/** The operating system account: its name, or its number if it has none, as in containers. */
function account(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** The caller's name in the audit trail. */
export const commandLineUser = (): string => `${account()} (command line)`;

/**
 * Records `command`, as typed, in the audit trail. `resourceId`: the resource of the room concerned, null: several or none.
 * Rejects with the database's error; the caller must then not make the change.
 */
export async function recordCommand(
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
