/** What `doctor` says of whose database and whose mailboxes these are. */
import type { Queryable } from '../database.ts';
import { createStart } from '../sync/worker/start-mode.ts';
import { command } from '../command-name.ts';
import type { Find } from './doctor-findings.ts';

const listedMost = 20;

export async function checkClaims(db: Queryable, find: Find): Promise<void> {
  const { hold } = await createStart({ db, mode: 'sync' }).read();
  if (hold === null) find('ok', 'database', 'it is the one the installation was confirmed for');
  else
    find(
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
    find(
      'problem',
      'claim',
      `The room of resource ${resource} is held: its calendar carries the claim of somebody else, ${claim}.`,
      `${command} claim ${resource}   # if nobody else works in it any more\n${command} mappings remove ${resource}   # if it is theirs`,
    );
  await checkRefused(db, find);
}

async function checkRefused(db: Queryable, find: Find): Promise<void> {
  const { rows } = await db.query<{ rooms: number; why: string | null; resource: number | null }>(
    `SELECT count(*) AS rooms, (array_agg(s.claim_refused ORDER BY r.id))[1] AS why, min(r.resource_id) AS resource
     FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
     WHERE r.active = 1 AND s.claim_refused IS NOT NULL`,
  );
  const { rooms, why, resource } = rows[0]!;
  if (rooms > 0)
    find(
      'note',
      'claim',
      `The calendar ${rooms === 1 ? `of resource ${resource} takes` : `of ${rooms} rooms takes`} no claim of ours (${why}): a mailbox made anew, a database that was set back, or a second installation is not told by it there.`,
    );
}
