/** `mappings match`: proposes pairs of resources and Outlook rooms by name. */
import { readEnv } from '../environment.ts';
import { toConfig } from '../config.ts';
import type { Queryable } from '../database.ts';
import { inTransaction } from '../database.ts';
import { Permanent } from '../errors.ts';
import { createOutlook } from '../outlook/events.ts';
import { recordCommand } from './audit.ts';
import { readCsv, writeCsv } from './csv.ts';
import { readResources, store, type Resource } from './mappings.ts';
import { pairUp, type Proposal } from './pairing.ts';
import { paint, say, sayJson, table } from './terminal.ts';
import { withDatabase } from './with-database.ts';

export interface MatchOptions {
  /** A CSV file of Outlook's rooms, for an app without permission to read the directory. */
  readonly rooms?: string;
  readonly apply?: boolean;
  readonly csv?: boolean;
  readonly sql?: boolean;
  readonly json?: boolean;
}

interface Room {
  readonly mailbox: string;
  readonly name: string;
  readonly building: string | null;
}

interface Match {
  readonly resource: Resource;
  readonly room: Room;
  readonly score: number;
  readonly sure: boolean;
}

interface Matched {
  readonly matches: readonly Match[];
  readonly resources: readonly Resource[];
  readonly rooms: readonly Room[];
}

export async function matchMappings(options: MatchOptions, signal: AbortSignal): Promise<number> {
  const rooms = options.rooms === undefined ? await roomsOfTenant(signal) : roomsOfFile(options.rooms);
  const { matched, applied } = await withDatabase('mappings match', async (db) => {
    const open = await unmapped(db, rooms);
    const found: Matched = {
      ...open,
      matches: pairUp(open.resources, open.rooms).map((pair: Proposal) => ({
        resource: open.resources[pair.resource]!,
        room: open.rooms[pair.room]!,
        score: Math.round(pair.score * 100) / 100,
        sure: pair.sure,
      })),
    };
    if (options.apply !== true) return { matched: found, applied: 0 };
    const sure = found.matches.filter((match) => match.sure);
    await recordCommand(db, `mappings match --apply (${sure.length} pairs)`);
    await inTransaction(db, async (client) => {
      for (const { resource, room } of sure)
        await store(client, {
          resourceId: resource.id,
          mailbox: room.mailbox,
          name: room.name,
          active: true,
          direction: 'both',
        });
    });
    return { matched: found, applied: sure.length };
  });
  print(matched, applied, options);
  return 0;
}

function print({ matches, resources, rooms }: Matched, applied: number, options: MatchOptions): void {
  const fields = ({ resource, room }: Match) => [resource.id, room.mailbox, room.name, 1] as const;
  const csvColumns = ['resource_id', 'outlook_item_id', 'outlook_item_name', 'active'];
  if (options.json === true)
    sayJson({
      success: true,
      applied,
      count: matches.length,
      matches: matches.map(({ resource, room, score, sure }) => ({
        resource_id: resource.id,
        ...(resource.key === null ? {} : { resource_key: resource.key }),
        resource_name: resource.name,
        building: resource.building,
        outlook_item_id: room.mailbox,
        outlook_item_name: room.name,
        score,
        sure,
      })),
    });
  else if (options.csv === true) say(writeCsv(csvColumns, matches.map(fields)));
  else if (options.sql === true) for (const match of matches) say(sqlOf(match));
  else {
    const without = (kind: 'resource' | 'room', all: number) =>
      `${all - new Set(matches.map((match) => match[kind])).size}`;
    if (matches.length > 0)
      say(
        table(
          ['RESOURCE', 'NAME', 'BUILDING', 'OUTLOOK ROOM', 'MAILBOX', 'SIMILARITY'],
          matches.map(({ resource, room, score, sure }) => [
            resource.key ?? resource.id,
            resource.name,
            resource.building,
            room.name,
            room.mailbox,
            sure ? paint('green', score.toFixed(2)) : `${paint('yellow', score.toFixed(2))} uncertain`,
          ]),
        ),
      );
    say(
      `\n${matches.length} pairs proposed; ${without('resource', resources.length)} resources and ${without('room', rooms.length)} rooms remain.`,
    );
    if (applied > 0) say(`${applied} certain pairs are mapped; their rooms are being compared.`);
    else if (matches.length > 0)
      say(
        '--apply maps the certain pairs; --csv prints a file for a spreadsheet and `mappings import`; --sql prints statements.',
      );
  }
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

const sqlOf = ({ resource, room, sure }: Match) =>
  `${sure ? '' : '-- uncertain: '}INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active) ` +
  `VALUES (${resource.id}, ${quoted(room.mailbox)}, ${quoted(room.name.replaceAll(/\s+/g, ' '))}, 1);`;

/** The active resources and the rooms that are not mapped yet. Throws Permanent if the adapter has no view of resources. */
async function unmapped(
  db: Queryable,
  rooms: readonly Room[],
): Promise<{ resources: Resource[]; rooms: Room[] }> {
  const resources = await readResources(db);
  if (resources === null)
    throw new Permanent('This adapter does not list its resources: it has no view bridge_resources.', {
      hint: 'For an adapter of this product run `migrate`; otherwise add the view (sql/README.md), or use `mappings import`.',
    });
  const { rows } = await db.query<{ resource: number; mailbox: string }>(
    'SELECT resource_id AS resource, lower(outlook_item_id) AS mailbox FROM bridge_resource_mappings',
  );
  const known = new Set(rows.map((row) => row.resource));
  const taken = new Set(rows.map((row) => row.mailbox));
  return {
    resources: resources.filter(({ id, active }) => active && !known.has(id)),
    rooms: rooms.filter(({ mailbox }) => !taken.has(mailbox.toLowerCase())),
  };
}

async function roomsOfTenant(signal: AbortSignal): Promise<Room[]> {
  const { graph, timezone } = toConfig(readEnv());
  await using outlook = createOutlook({ graph, timezone });
  const { places, hint } = await outlook.rooms(signal);
  if (hint !== null)
    throw new Permanent('The rooms of the tenant cannot be listed.', {
      hint: [
        hint,
        'Or export them in Exchange Online PowerShell and name the file with --rooms:',
        '  Get-EXOMailbox -RecipientTypeDetails RoomMailbox -ResultSize Unlimited | Select-Object DisplayName,PrimarySmtpAddress | Export-Csv rooms.csv -Encoding utf8 -NoTypeInformation',
      ].join('\n'),
    });
  return places
    .filter(({ email }) => email !== '')
    .map(({ email, name, building }) => ({ mailbox: email, name, building }));
}

function roomsOfFile(file: string): Room[] {
  const columns = {
    displayname: ['name', 'outlook_item_name', 'room'],
    primarysmtpaddress: ['email', 'mail', 'mailbox', 'upn', 'userprincipalname', 'outlook_item_id'],
    building: ['office'],
  };
  return readCsv(file, columns, ['displayname', 'primarysmtpaddress']).map((row) => ({
    mailbox: row.cell('primarysmtpaddress'),
    name: row.cell('displayname'),
    building: row.cell('building') || null,
  }));
}
