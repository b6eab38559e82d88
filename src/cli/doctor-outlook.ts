/** What `doctor` asks of Microsoft: the app and its rights, and the mailbox of every active room. */
import type { Config, GraphConfig } from '../config.ts';
import { onConnection, type Database, type Queryable } from '../database.ts';
import { messageOf } from '../errors.ts';
import { createProbe } from '../outlook/probe.ts';
import { command } from '../command-name.ts';
import { clock } from './doctor-database.ts';
import { createGroups, findOneMailbox, type Find, type Groups } from './doctor-findings.ts';
import { underLease } from '../sync/worker/lease.ts';
import { openBar } from './terminal.ts';

type Probe = ReturnType<typeof createProbe>;

export interface OutlookChecks {
  readonly config: Config;
  /** Null: the tables of the bridge are not there, so no room is known. */
  readonly db: Database | null;
  /** Whether to write into the mailboxes too. */
  readonly write: boolean;
}

export async function checkOutlook(
  { config, db, write }: OutlookChecks,
  find: Find,
  signal: AbortSignal,
): Promise<void> {
  await using probe = createProbe(config.graph);
  if (!(await checkToken(probe, config.graph, find, signal))) return;
  if (db === null) return;
  const rooms = await activeRooms(db);
  if (rooms.length === 0) find('note', 'mailboxes', 'No room is active yet.', `${command} mappings match`);
  await checkMailboxes({ probe, db, rooms, write, clientId: config.graph.clientId }, find, signal);
}

/** Less than this ahead of its end a credential is a problem; less than that a warning. */
const nearMs = { problem: 3 * 86_400_000, warning: 30 * 86_400_000 };
/** Graph's Date has whole seconds, and its answer took a while. */
const graphClockMs = 30_000;

async function checkToken(
  probe: Probe,
  graph: GraphConfig,
  find: Find,
  signal: AbortSignal,
): Promise<boolean> {
  let roles: readonly string[] | null;
  try {
    ({ roles } = await probe.token(signal));
  } catch (error) {
    find('problem', 'token', `${messageOf(error).replace(/\.+$/, '')}.`, hintOf(error));
    return false;
  }
  find('ok', 'token', 'Microsoft gives us one');
  const end = await probe.credentialEnd(roles, signal).catch(() => null); // it may not be told to us; then it is not known
  const kind = 'secret' in graph.credential ? 'secret' : 'certificate';
  if (end === null)
    find(
      'note',
      'credential',
      `When the ${kind} ends is not known to us.`,
      'Look at Certificates & secrets of the app registration and note the day; give the app Application.Read.All if doctor shall tell it.',
    );
  else {
    const left = end.getTime() - Date.now();
    const day = end.toISOString().slice(0, 10);
    const state = left < nearMs.problem ? 'problem' : left < nearMs.warning ? 'warning' : 'ok';
    find(
      state,
      'credential',
      `the ${kind} ${left < 0 ? 'ended' : 'ends'} on ${day}`,
      state === 'ok'
        ? null
        : `Make a new ${kind} in the app registration, put it into GRAPH_CLIENT_${kind.toUpperCase()} and restart.`,
    );
  }
  checkRoles(roles, graph, find);
  return true;
}

/** What the bridge can make use of. */
const useful = new Set([
  'Calendars.ReadWrite',
  'Calendars.Read',
  'Place.Read.All',
  'User.Read.All',
  'User.ReadBasic.All',
  'MailboxSettings.Read',
  'Application.Read.All',
]);

/**
 * Whether the app may do more than it should. Told from the token alone: a call to a mailbox that is none of ours
 * has read somebody's calendar. Grants add up, so a grant in Entra defeats every scope in Exchange.
 */
function checkRoles(roles: readonly string[] | null, { clientId }: GraphConfig, find: Find): void {
  const test = `Test-ServicePrincipalAuthorization -Identity ${clientId} -Resource SOMEBODY@YOUR-DOMAIN   # InScope must be False`;
  if (roles === null) {
    find(
      'note',
      'scope',
      'The token does not show its rights, so whether they reach beyond the rooms is to be asked of Exchange.',
      test,
    );
    return;
  }
  const wide = roles.filter((role) => /^Calendars\./.test(role));
  if (wide.length > 0)
    find(
      'warning',
      'scope',
      `${wide.join(' and ')} is granted in Entra: the app may read and change every calendar of the tenant, not only the rooms'.`,
      limitToRooms(clientId, wide),
    );
  else
    find('ok', 'scope', 'no right to all calendars in Entra; what the app may is limited by Exchange (RBAC)');
  const more = roles.filter((role) => !useful.has(role));
  if (more.length > 0)
    find(
      'warning',
      'scope',
      `The app has rights that the bridge does not use: ${more.join(', ')}.`,
      'Remove them under API permissions of the app registration.',
    );
}

// Microsoft: RBAC for Applications in Exchange Online
const limitToRooms = (clientId: string, wide: readonly string[]) =>
  [
    'In Exchange Online PowerShell (the object id is that of the enterprise application):',
    `New-ServicePrincipal -AppId ${clientId} -ObjectId OBJECT-ID -DisplayName outlook-booking-sync`,
    `New-ManagementScope -Name "Synced rooms" -RecipientRestrictionFilter "RecipientTypeDetails -eq 'RoomMailbox'"`,
    'New-ManagementRoleAssignment -App OBJECT-ID -Role "Application Calendars.ReadWrite" -CustomResourceScope "Synced rooms"',
    `Test-ServicePrincipalAuthorization -Identity ${clientId} -Resource ROOM@YOUR-DOMAIN   # InScope must be True`,
    `then remove ${wide.join(' and ')} under API permissions of the app registration; it takes up to two hours`,
  ].join('\n');

interface Room {
  readonly id: number;
  readonly resource: number;
  /** By the object id, where it is known. */
  readonly mailbox: string;
  readonly isResolved: boolean;
  readonly name: string;
}

const mostRooms = 5_000;

async function activeRooms(db: Database): Promise<Room[]> {
  const { rows } = await db.query<Room>(
    `SELECT id, resource_id AS resource, coalesce(outlook_object_id, outlook_item_id) AS mailbox, outlook_object_id IS NOT NULL AS "isResolved",
            coalesce(outlook_item_name, outlook_item_id) AS name
     FROM bridge_resource_mappings WHERE active = 1 ORDER BY name, id LIMIT $1`,
    [mostRooms],
  );
  return rows;
}

interface MailboxChecks {
  readonly probe: Probe;
  readonly db: Database;
  readonly rooms: readonly Room[];
  readonly write: boolean;
  readonly clientId: string;
}

const atATime = 3;

async function checkMailboxes(checks: MailboxChecks, find: Find, signal: AbortSignal): Promise<void> {
  const { rooms, db, write, probe } = checks;
  using bar = openBar('Mailboxes');
  let [done, well] = [0, 0];
  const queue = rooms.values();
  const groups = createGroups(find);
  const work = async (client: Queryable) => {
    for (const room of queue) {
      signal.throwIfAborted();
      bar.at(done, rooms.length, room.name);
      const found = await underLease(client, room.id, signal, () =>
        checkMailbox(checks, room, groups, signal),
      );
      if (found === null)
        groups.add(
          room,
          'note',
          'a daemon is at work on it, so it was not tried; `mappings list` shows how it fares.',
        );
      else if (found) well += 1;
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atATime, rooms.length) }, () => onConnection(db, work)));
  groups.tell('mailboxes');
  await checkSharedMailboxes(checks, find, signal);
  if (well > 0)
    find(
      'ok',
      'mailboxes',
      `${well} of ${rooms.length} ${write ? 'can be read and written' : 'can be read'}${write ? '' : ' (--write tries writing too, and leaves nothing behind)'}`,
    );
  if (rooms.length > 0) clock('Microsoft Graph', probe.clockMs(), find, graphClockMs);
}

/**
 * Rows that name one mailbox by its address and by its object id, which only the directory knows to be the same. Those that
 * the database alone tells are found there.
 */
async function checkSharedMailboxes(
  { probe, rooms }: MailboxChecks,
  find: Find,
  signal: AbortSignal,
): Promise<void> {
  const byMailbox = new Map<string, Room[]>();
  for (const room of rooms) {
    // refused, or no such mailbox: said of the room itself
    const id = room.isResolved
      ? room.mailbox
      : await probe.resolveMailbox(room.mailbox, signal).catch(() => null);
    signal.throwIfAborted();
    const key = (id ?? room.mailbox).toLowerCase();
    byMailbox.set(key, [...(byMailbox.get(key) ?? []), room]);
  }
  for (const shared of byMailbox.values())
    if (new Set(shared.map(({ mailbox }) => mailbox.toLowerCase())).size > 1)
      findOneMailbox(
        find,
        shared[0]!.mailbox,
        shared.map(({ resource }) => resource).toSorted((a, b) => a - b),
      );
}

async function checkMailbox(
  { probe, write, clientId }: MailboxChecks,
  room: Room,
  { add }: Groups,
  signal: AbortSignal,
): Promise<boolean> {
  const ask = `Test-ServicePrincipalAuthorization -Identity ${clientId} -Resource ${room.mailbox}`;
  let doing = 'cannot be read';
  try {
    await probe.readMailbox(room.mailbox, signal);
    if (!write) return true;
    doing = 'cannot be written';
    const left = await probe.writeMailbox(room.mailbox, signal);
    if (left === null) return true;
    add(room, 'problem', 'the test event may still be there.', `Delete ${left}.`);
  } catch (error) {
    if (signal.aborted) throw error;
    add(room, 'problem', `${doing}: ${messageOf(error)}`, `${hintOf(error)}\n${ask}`);
  }
  return false;
}

const hintOf = (error: unknown): string =>
  error instanceof Error && 'hint' in error && typeof error.hint === 'string'
    ? error.hint
    : 'Try again; if it stays so, check the way to GRAPH_BASE_URL and GRAPH_AUTHORITY.';
