/** Turns the data from the database into alerts: one per room, or one that lists many rooms. */
import type { Alert, AlertType } from './alert-types.ts';
import { brakeWords, overall } from './alert-words.ts';
import { redact } from './redact.ts';

export interface ReasonOptions {
  /** Whether webhooks are configured (WEBHOOK_BASE_URL). */
  readonly webhooks: boolean;
  /** Whether items are sent automatically: with AUTO_SYNC=off, or without writes, nothing is late. */
  readonly sends: boolean;
}

interface RoomReason {
  readonly type: AlertType;
  readonly resourceId: number;
  readonly room: string;
  readonly error: string | null;
  readonly hint: string | null;
  readonly attempt: number;
  readonly until: string | null;
}

/** Items with one cause: their number, their rooms, and the newest error. */
interface Group {
  readonly n: number;
  readonly rooms: readonly string[] | null;
  readonly why: string | null;
}

/** The result of the query. */
export interface Read {
  /** Why nothing is written before a person confirms: see bridge_hold. */
  readonly hold: 'database' | 'set-back' | null;
  readonly outlookIsOut: boolean;
  readonly rooms: readonly RoomReason[];
  readonly held: readonly { readonly resourceId: number; readonly room: string; readonly removals: number }[];
  readonly items: Group;
  /** Waiting items that a function of the adapter may not write. */
  readonly rightless: Group;
  readonly conflicts: Group;
  readonly late: {
    readonly n: number;
    readonly oldestMinutes: number | null;
    readonly rooms: readonly string[] | null;
  };
  /** Changes of the booking system that could not be folded; `isLocked`: open transactions of others have rows of ours. */
  readonly unfolded: {
    readonly n: number;
    readonly why: string | null;
    readonly isLocked: boolean;
    readonly reservations: readonly string[] | null;
  };
  readonly outboxMinutes: number | null;
  readonly pullsLate: readonly string[] | null;
  /** `open`: the severity of the open alert about them. */
  readonly errors: {
    readonly items: number;
    readonly failed: number;
    readonly open: 'warning' | 'critical' | null;
  };
  readonly unsubscribed: readonly string[] | null;
  readonly unsubscribedWhy: string | null;
}

/** Of one type: more rooms than this are one alert that lists them. */
const roomsApart = 10;
const outboxLateMinutes = 2;
/** Shares of the items touched within a quarter of an hour, of at least so many. */
const errorShares = { warning: 0.1, critical: 0.25, items: 20 };

/** At most one of each type and resource. While Graph as a whole is unreachable, waiting items raise no alert. */
export function alertsOf(read: Read, { webhooks, sends }: ReasonOptions): Alert[] {
  return [
    unconfirmed(read.hold),
    ...read.held.map(brake),
    ...(['room-held', 'room-refused', 'room-failing', 'throttled'] as const).flatMap((type) =>
      ofRooms(
        type,
        read.rooms.filter((room) => room.type === type),
      ),
    ),
    errorRate(read.errors),
    inError(read.items),
    rightMissing(read.rightless),
    openConflicts(read.conflicts),
    sends && !read.outlookIsOut ? stuck(read) : null,
    unfolded(read.unfolded),
    webhooks ? unsubscribed(read) : null,
  ].filter((alert) => alert !== null);
}

const quoted = (error: string | null) => redact(error ?? 'no reason given').replace(/\.+$/, '');
const listed = (rooms: readonly string[] | null) => (rooms ?? []).slice(0, 20);
const joined = (rooms: readonly string[]) =>
  rooms.length > 5 ? `${rooms.slice(0, 5).join(', ')} and ${rooms.length - 5} more` : rooms.join(', ');

const brake = ({ resourceId, room, removals }: Read['held'][number]): Alert => ({
  type: 'brake',
  severity: 'critical',
  room,
  resourceId,
  ...brakeWords(room, resourceId, removals),
  detail: { removals },
});

function unconfirmed(hold: Read['hold']): Alert | null {
  if (hold === null) return null;
  const message =
    hold === 'database'
      ? 'This database is not the one the installation was confirmed for: it is a copy, or it was moved. Nothing is written.'
      : 'A mailbox carries a newer claim of ours than this database has issued: it was restored, or a copy of it is running. Nothing is written.';
  const hint =
    'Check GET /plan, then confirm: the command plan --confirm, or POST /plan/confirm; for a moved database with --as same.';
  return {
    ...overall,
    type: 'database-unconfirmed',
    severity: 'critical',
    message,
    hint,
    detail: { reason: hold },
  };
}

const roomWords = {
  'room-held': {
    severity: 'critical',
    one: (room: RoomReason) => `${room.room} is held: ${quoted(room.error)}.`,
    many: 'rooms are held: another installation, resource or row has their mailboxes',
    hint: 'GET /rooms shows the owner of each mailbox and the possible decisions.',
  },
  'room-refused': {
    severity: 'critical',
    one: (room: RoomReason) => `The mailbox of ${room.room} refuses access: ${quoted(room.error)}.`,
    many: 'mailboxes refuse access',
    hint: 'Give the app the right to these mailboxes, or correct their addresses in bridge_resource_mappings.',
  },
  'room-failing': {
    severity: 'warning',
    one: (room: RoomReason) =>
      `${room.room} fails repeatedly (${room.attempt} times): ${quoted(room.error)}.`,
    many: 'rooms fail repeatedly',
    hint: 'GET /rooms has the reasons. They are retried automatically.',
  },
  throttled: {
    severity: 'warning',
    one: (room: RoomReason) =>
      `Graph throttles ${room.room} repeatedly${room.until === null ? '' : `, now until ${room.until}`}.`,
    many: 'rooms are throttled by Graph repeatedly',
    hint: 'Nothing is lost, changes arrive later. Check for another program that uses these mailboxes.',
  },
} as const;

/** One alert for each room, or, of many, one that lists them. */
function ofRooms(type: keyof typeof roomWords, rooms: readonly RoomReason[]): Alert[] {
  const { severity, one, many, hint } = roomWords[type];
  if (rooms.length <= roomsApart)
    return rooms.map((room) => ({
      type,
      severity,
      room: room.room,
      resourceId: room.resourceId,
      message: one(room),
      hint: room.hint === null ? hint : redact(room.hint),
      detail: { attempt: room.attempt },
    }));
  const names = rooms.map((room) => room.room);
  const message = `${rooms.length} ${many}: ${joined(names)}. The first: ${one(rooms[0]!)}`;
  return [
    { ...overall, type, severity, message, hint, detail: { rooms: listed(names), count: rooms.length } },
  ];
}

function errorRate({ items, failed, open }: Read['errors']): Alert | null {
  const share = items === 0 ? 0 : failed / items;
  // an open alert ends at half its limit: a share that varies around the limit is not posted again and again
  const isOver = (limit: number, isOpen: boolean) =>
    isOpen ? share > limit / 2 : items >= errorShares.items && share > limit;
  const isCritical = isOver(errorShares.critical, open === 'critical');
  if (!isCritical && !isOver(errorShares.warning, open !== null)) return null;
  return {
    ...overall,
    type: 'error-rate',
    severity: isCritical ? 'critical' : 'warning',
    message: `${failed} of the ${items} items of the last 15 minutes failed (${Math.round(share * 100)} %).`,
    hint: 'GET /sync/pending-items has the reasons; most have one cause.',
    detail: { items, failed, share },
  };
}

function inError({ n, rooms, why }: Group): Alert | null {
  if (n === 0) return null;
  const names = rooms ?? [];
  return {
    ...overall,
    type: 'items-in-error',
    severity: 'warning',
    message: `${n} ${n === 1 ? 'item' : 'items'} failed (${joined(names)}). The newest: ${quoted(why)}.`,
    hint: 'GET /sync/pending-items lists them with what to do, and says which are tried again automatically. For the others change the booking, or POST /sync/to-outlook.',
    detail: { items: n, rooms: listed(names) },
  };
}

function rightMissing({ n, rooms, why }: Group): Alert | null {
  if (n === 0) return null;
  const names = rooms ?? [];
  return {
    ...overall,
    type: 'right-missing',
    severity: 'critical',
    message: `${n} ${n === 1 ? 'change' : 'changes'} of Outlook cannot be written into the booking system (${joined(names)}): ${quoted(why)}.`,
    hint: 'Grant the right to our role: `doctor` prints the statement. They are retried automatically.',
    detail: { items: n, rooms: listed(names) },
  };
}

function openConflicts({ n, rooms, why }: Group): Alert | null {
  if (n === 0) return null;
  const names = rooms ?? [];
  return {
    ...overall,
    type: 'conflicts',
    severity: 'warning',
    message: `${n} ${n === 1 ? 'conflict needs' : 'conflicts need'} a decision (${joined(names)}). The newest: ${quoted(why)}.`,
    hint: 'GET /conflicts shows both sides and what becomes of each choice; POST /conflicts/{id}/resolve.',
    detail: { conflicts: n, rooms: listed(names) },
  };
}

function stuck({ late, outboxMinutes, pullsLate }: Read): Alert | null {
  const found: string[] = [];
  if (late.n > 0)
    found.push(
      `${late.n} changes wait, the oldest for ${Math.round(late.oldestMinutes ?? 0)} minutes (${joined(late.rooms ?? [])})`,
    );
  if (outboxMinutes !== null && outboxMinutes >= outboxLateMinutes)
    found.push(`changes of the booking system were not folded for ${Math.round(outboxMinutes)} minutes`);
  if (pullsLate !== null && pullsLate.length > 0)
    found.push(`${pullsLate.length} rooms were not polled (${joined(pullsLate)})`);
  if (found.length === 0) return null;
  return {
    ...overall,
    type: 'stuck',
    severity: 'critical',
    message: `${found.join('; ')}.`,
    hint: 'See GET /health/system and GET /rooms, and check that a daemon is running.',
    detail: {
      items: late.n,
      oldest_minutes: late.oldestMinutes,
      outbox_minutes: outboxMinutes,
      rooms: listed([...(late.rooms ?? []), ...(pullsLate ?? [])]),
    },
  };
}

function unfolded({ n, why, isLocked, reservations }: Read['unfolded']): Alert | null {
  if (n === 0) return null;
  return {
    ...overall,
    type: 'unfolded',
    severity: 'warning',
    message: `${n} ${n === 1 ? 'change' : 'changes'} of the booking system cannot be followed (${joined(reservations ?? [])}). The newest: ${quoted(why)}.`,
    hint: isLocked
      ? 'Commit the open transaction, or roll it back: what it has locked waits for it.'
      : 'Correct the reservation in the booking system, or the view bridge_items of the adapter. It is tried again by itself.',
    detail: { changes: n, reservations: listed(reservations) },
  };
}

function unsubscribed({ unsubscribed: names, unsubscribedWhy: why }: Read): Alert | null {
  const rooms = names ?? [];
  if (rooms.length === 0) return null;
  const because = why === null ? '' : ` The newest reason: ${redact(why.trim())}`;
  return {
    ...overall,
    type: 'subscriptions-lost',
    severity: 'warning',
    message: `There is no working subscription for ${rooms.length} rooms: ${joined(rooms)}. They are polled, so changes are delayed.${because}`,
    hint: 'Check that WEBHOOK_BASE_URL leads here from outside. POST /webhook/create-subscriptions retries at once and returns the error.',
    detail: { count: rooms.length, rooms: listed(rooms) },
  };
}
