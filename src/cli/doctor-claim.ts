/** `doctor`: whether this is the confirmed database, and claims of other installations on the mailboxes. */
import type { Queryable } from '../database.ts';
import { createStart } from '../sync/worker/start-mode.ts';
import { command } from '../command-name.ts';
import type { Report } from './doctor-findings.ts';

const listedMost = 20;

export async function checkClaims(db: Queryable, report: Report): Promise<void> {
  const { hold } = await createStart({ db, mode: 'sync' }).read();
  if (hold === null) report('ok', 'database', 'it is the database that the installation was confirmed for');
  else
    report(
      'problem',
      'database',
      hold.why,
      `${command} plan\n${command} plan --confirm${hold.reason === 'database' ? '   # with --as same if the original is out of service' : ''}`,
    );
  const { rows } = await db.query<{ resource: number; claim: string }>(
    `SELECT r.resource_id AS resource, s.claim_found AS claim FROM bridge_room_state s
     JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
     WHERE r.active = 1 AND s.claim_found IS NOT NULL ORDER BY 1 LIMIT $1`,
    [listedMost],
  );
  for (const { resource, claim } of rows)
    report(
      'problem',
      'claim',
      `The room of resource ${resource} is held: its calendar carries another claim, ${claim}.`,
      `${command} claim ${resource}   # if that installation no longer uses the room\n${command} mappings remove ${resource}   # if it does`,
    );
  await checkRefused(db, report);
}

async function checkRefused(db: Queryable, report: Report): Promise<void> {
  const { rows } = await db.query<{ rooms: number; why: string | null; resource: number | null }>(
    `SELECT count(*) AS rooms, (array_agg(s.claim_refused ORDER BY r.id))[1] AS why, min(r.resource_id) AS resource
     FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
     WHERE r.active = 1 AND s.claim_refused IS NOT NULL`,
  );
  const { rooms, why, resource } = rows[0]!;
  if (rooms > 0)
    report(
      'note',
      'claim',
      `The calendar ${rooms === 1 ? `of resource ${resource} takes` : `of ${rooms} rooms takes`} no claim (${why}), so a recreated mailbox, a restored database or a second installation cannot be detected by it.`,
    );
}
