/** `doctor`: the checks of the app registration, its permissions, and the mailbox of each active room. */
import type { Config, GraphConfig } from '../config.ts';
import { onConnection, type Database, type Queryable } from '../database.ts';
import { Retryable, messageOf } from '../errors.ts';
import { createProbe } from '../outlook/probe.ts';
import { command } from '../command-name.ts';
import { clock } from './doctor-server.ts';
import { createGroups, reportSharedMailbox, type Report, type Groups } from './doctor-findings.ts';
import { underLease } from '../sync/worker/lease.ts';
import { openBar } from './terminal.ts';
import { queryRows } from '../query.ts';

type Probe = ReturnType<typeof createProbe>;

export interface OutlookChecks {
  readonly config: Config;
  /** Null: the bridge's tables do not exist, so no room is known. */
  readonly db: Database | null;
  /** Whether to test writing to the mailboxes too. */
  readonly write: boolean;
}

export async function checkOutlook(
  { config, db, write }: OutlookChecks,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  await using probe = createProbe(config.graph);
  if (!(await checkToken(probe, config.graph, report, signal))) return;
  if (db === null) return;
  const rooms = await activeRooms(db);
  if (rooms.length === 0) report('note', 'mailboxes', 'No room is active yet.', `${command} mappings match`);
  await checkMailboxes({ probe, db, rooms, write, clientId: config.graph.clientId }, report, signal);
}

/** The remaining validity of a credential, in milliseconds, below which it is reported. */
const expiryMs = { problem: 3 * 86_400_000, warning: 30 * 86_400_000 };
/** Tolerance for Graph's clock: its Date header has whole seconds, and the answer takes time. */
const graphClockMs = 30_000;

async function checkToken(
  probe: Probe,
  graph: GraphConfig,
  report: Report,
  signal: AbortSignal,
): Promise<boolean> {
  let roles: readonly string[] | null;
  try {
    ({ roles } = await probe.token(signal));
  } catch (error) {
    report('problem', 'token', `${messageOf(error).replace(/\.+$/, '')}.`, hintOf(error));
    return false;
  }
  report('ok', 'token', 'Microsoft Entra issued an access token');
  const end = await probe.credentialEnd(roles, signal).catch(() => null); // may be refused; then it is unknown
  const kind = 'secret' in graph.credential ? 'secret' : 'certificate';
  if (end === null)
    report(
      'note',
      'credential',
      `The expiry date of the ${kind} is not visible to the app.`,
      'Note the date under Certificates & secrets of the app registration, or grant Application.Read.All so that doctor can check it.',
    );
  else {
    const left = end.getTime() - Date.now();
    const day = end.toISOString().slice(0, 10);
    const state = left < expiryMs.problem ? 'problem' : left < expiryMs.warning ? 'warning' : 'ok';
    report(
      state,
      'credential',
      `the ${kind} ${left < 0 ? 'expired' : 'expires'} on ${day}`,
      state === 'ok'
        ? null
        : `Create a new ${kind} in the app registration, set GRAPH_CLIENT_${kind.toUpperCase()} and restart.`,
    );
  }
  checkRoles(roles, graph, report);
  return true;
}

/** The permissions that the bridge uses. */
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
 * Reports permissions beyond the rooms. Reads only the token, because a test call to another mailbox would read a person's
 * calendar. Grants add up, so a grant in Entra overrides every scope in Exchange (Microsoft: RBAC for Applications).
 */
function checkRoles(roles: readonly string[] | null, { clientId }: GraphConfig, report: Report): void {
  const test = `Test-ServicePrincipalAuthorization -Identity ${clientId} -Resource PERSON@YOUR-DOMAIN   # InScope must be False`;
  if (roles === null) {
    report(
      'note',
      'scope',
      'The token does not list its permissions; test in Exchange whether they reach beyond the rooms.',
      test,
    );
    return;
  }
  const wide = roles.filter((role) => /^Calendars\./.test(role));
  if (wide.length > 0)
    report(
      'warning',
      'scope',
      `${wide.join(' and ')} is granted in Entra: the app can read and change every calendar of the tenant, not only those of the rooms.`,
      limitToRooms(clientId, wide),
    );
  else report('ok', 'scope', 'no permission for all calendars in Entra; Exchange limits the app (RBAC)');
  const more = roles.filter((role) => !useful.has(role));
  if (more.length > 0)
    report(
      'warning',
      'scope',
      `The app has permissions that the bridge does not use: ${more.join(', ')}.`,
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
    `then remove ${wide.join(' and ')} under API permissions of the app registration; it takes effect within two hours`,
  ].join('\n');

interface Room {
  readonly id: number;
  readonly resource: number;
  /** The object id if it is known, else the address. */
  readonly mailbox: string;
  readonly isResolved: boolean;
  readonly name: string;
}

const mostRooms = 5_000;

async function activeRooms(db: Database): Promise<Room[]> {
  return await queryRows<Room>(
    db,
    `SELECT id, resource_id AS resource, coalesce(outlook_object_id, outlook_item_id) AS mailbox, outlook_object_id IS NOT NULL AS "isResolved",
            coalesce(outlook_item_name, outlook_item_id) AS name
     FROM bridge_resource_mappings WHERE active = 1 ORDER BY name, id LIMIT $1`,
    [mostRooms],
  );
}

interface MailboxChecks {
  readonly probe: Probe;
  readonly db: Database;
  readonly rooms: readonly Room[];
  readonly write: boolean;
  readonly clientId: string;
}

const atATime = 3;

async function checkMailboxes(checks: MailboxChecks, report: Report, signal: AbortSignal): Promise<void> {
  const { rooms, db, write, probe } = checks;
  using bar = openBar('Mailboxes');
  let [done, passed] = [0, 0];
  const queue = rooms.values();
  const groups = createGroups(report);
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
          'a daemon is working on it, so it was not tested; `mappings list` shows its state.',
        );
      else if (found) passed += 1;
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atATime, rooms.length) }, () => onConnection(db, work)));
  groups.reportAll('mailboxes');
  await checkSharedMailboxes(checks, report, signal);
  if (passed > 0)
    report(
      'ok',
      'mailboxes',
      `${passed} of ${rooms.length} ${write ? 'can be read and written' : 'can be read'}${write ? '' : ' (--write also tests writing, with an event that is deleted at once)'}`,
    );
  if (rooms.length > 0) clock('Microsoft Graph', probe.clockMs(), report, graphClockMs);
}

/**
 * Reports mappings of one mailbox by its address and by its object id, which only the directory can relate. Those that the
 * database can tell are reported by doctor-database.ts.
 */
async function checkSharedMailboxes(
  { probe, rooms }: MailboxChecks,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const byMailbox = new Map<string, Room[]>();
  for (const room of rooms) {
    // refused, or no such mailbox: reported by checkMailbox
    const id = room.isResolved
      ? room.mailbox
      : await probe.resolveMailbox(room.mailbox, signal).catch(() => null);
    signal.throwIfAborted();
    const key = (id ?? room.mailbox).toLowerCase();
    byMailbox.set(key, [...(byMailbox.get(key) ?? []), room]);
  }
  for (const shared of byMailbox.values())
    if (new Set(shared.map(({ mailbox }) => mailbox.toLowerCase())).size > 1)
      reportSharedMailbox(
        report,
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
  const test = `Test-ServicePrincipalAuthorization -Identity ${clientId} -Resource ${room.mailbox}`;
  let failing = 'cannot be read';
  try {
    await probe.readMailbox(room.mailbox, signal);
    if (!write) return true;
    failing = 'cannot be written';
    const left = await probe.writeMailbox(room.mailbox, signal);
    if (left === null) return true;
    add(room, 'problem', 'the test event may still be there.', `Delete ${left}.`);
  } catch (error) {
    if (signal.aborted) throw error;
    // only a refusal can be one of Exchange's limits
    const repair = error instanceof Retryable ? hintOf(error) : `${hintOf(error)}\n${test}`;
    add(room, 'problem', `${failing}: ${messageOf(error)}`, repair);
  }
  return false;
}

function hintOf(error: unknown): string {
  if (error instanceof Error && 'hint' in error && typeof error.hint === 'string') return error.hint;
  // an answer of Graph has no cause: the connection works
  return error instanceof Retryable && error.cause === undefined
    ? 'Nothing is to be repaired here: Microsoft limits or interrupts its service for now. Run doctor again in a few minutes; the daemon retries by itself.'
    : 'Try again; if it persists, check the connection to GRAPH_BASE_URL and GRAPH_AUTHORITY.';
}
