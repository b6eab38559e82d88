/**
 * The reasons for alerts that anybody can read from the database: one round trip, then words. Whatever is not found here
 * any more is over. While Graph as a whole is out of reach, what waits for it is no news.
 */
import type { Queryable } from '../database.ts';
import type { Alert, AlertType } from './alert-types.ts';
import { brakeWords } from './alert-words.ts';
import { bare } from './bare.ts';

export interface ReasonOptions {
  /** Notifications of Outlook are wanted (WEBHOOK_BASE_URL). */
  readonly webhooks: boolean;
  /** Items are sent by themselves: with AUTO_SYNC=off, or where nothing is written, nothing is late. */
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

interface Read {
  readonly outlookIsOut: boolean;
  readonly rooms: readonly RoomReason[];
  readonly held: readonly { readonly resourceId: number; readonly room: string; readonly removals: number }[];
  readonly items: {
    readonly parked: number;
    readonly rooms: readonly string[] | null;
    readonly why: string | null;
  };
  readonly late: {
    readonly n: number;
    readonly oldestMinutes: number | null;
    readonly rooms: readonly string[] | null;
  };
  readonly outboxMinutes: number | null;
  readonly pullsLate: readonly string[] | null;
  readonly errors: { readonly items: number; readonly failed: number };
  readonly unsubscribed: readonly string[] | null;
  readonly unsubscribedWhy: string | null;
}

/** Of one type: more rooms than this are one alert that lists them. */
const roomsApart = 10;
const lateMinutes = 10;
const outboxLateMinutes = 2;
/** A mailbox that failed so often in a row is worth a person's look. */
const failingAttempts = 6;
const throttledAttempts = 3;
/** A subscription that was lost is made again at once; one that cannot be made so often is worth a look. */
const subscribingAttempts = 3;
/** Shares of the items touched within a quarter of an hour, of at least so many. */
const errorShares = { warning: 0.1, critical: 0.25, items: 20 };

/** Types whose reasons `readReasons` looks for. */
export const reasonTypes = [
  'brake',
  'error-rate',
  'items-in-error',
  'stuck',
  'room-refused',
  'room-failing',
  'throttled',
  'subscriptions-lost',
  'bug',
] as const satisfies readonly AlertType[];

export interface Reasons {
  /** What there is to be alerted to now, at most one of each type and resource. */
  readonly alerts: readonly Alert[];
  /** Open alerts that stay as they are, by id. */
  readonly kept: readonly number[];
}

export async function readReasons(db: Queryable, { webhooks, sends }: ReasonOptions): Promise<Reasons> {
  const { rows } = await db.query<{ read: Read; kept: readonly number[] }>({
    name: 'alert_reasons',
    text: reasonsText,
    values: [lateMinutes, failingAttempts, throttledAttempts, subscribingAttempts],
  });
  const { read, kept } = rows[0]!;
  const alerts = [
    ...read.held.map(brake),
    ...(['room-refused', 'room-failing', 'throttled'] as const).flatMap((type) =>
      together(
        type,
        read.rooms.filter((room) => room.type === type),
      ),
    ),
    ...errorRate(read.errors),
    ...inError(read.items),
    ...(sends && !read.outlookIsOut ? stuck(read) : []),
    ...(webhooks ? unsubscribed(read) : []),
  ];
  return { alerts, kept };
}

const overall = { room: null, resourceId: null } as const;
const said = (error: string | null) => bare(error ?? 'no reason given').replace(/\.+$/, '');
const listed = (rooms: readonly string[] | null) => (rooms ?? []).slice(0, 20);
const naming = (rooms: readonly string[]) =>
  rooms.length > 5 ? `${rooms.slice(0, 5).join(', ')} and ${rooms.length - 5} more` : rooms.join(', ');

const brake = ({ resourceId, room, removals }: Read['held'][number]): Alert => ({
  type: 'brake',
  severity: 'critical',
  room,
  resourceId,
  ...brakeWords(room, resourceId, removals),
  detail: { removals },
});

const roomWords = {
  'room-refused': {
    severity: 'critical',
    one: (room: RoomReason) => `The mailbox of ${room.room} refuses us: ${said(room.error)}.`,
    many: 'mailboxes refuse us',
    hint: 'Give the app the right to these mailboxes, or correct their addresses in bridge_resource_mappings.',
  },
  'room-failing': {
    severity: 'warning',
    one: (room: RoomReason) =>
      `${room.room} fails again and again (${room.attempt} times): ${said(room.error)}.`,
    many: 'rooms fail again and again',
    hint: 'Look at GET /rooms: each says why. They are tried again by themselves.',
  },
  throttled: {
    severity: 'warning',
    one: (room: RoomReason) =>
      `Graph throttles ${room.room} again and again${room.until === null ? '' : `, now until ${room.until}`}.`,
    many: 'rooms are throttled by Graph again and again',
    hint: 'Nothing is lost, changes arrive later. Is another program busy in these mailboxes?',
  },
} as const;

/** One alert for each room, or, of many, one that lists them. */
function together(type: keyof typeof roomWords, rooms: readonly RoomReason[]): Alert[] {
  const { severity, one, many, hint } = roomWords[type];
  if (rooms.length <= roomsApart)
    return rooms.map((room) => ({
      type,
      severity,
      room: room.room,
      resourceId: room.resourceId,
      message: one(room),
      hint: room.hint === null ? hint : bare(room.hint),
      detail: { attempt: room.attempt },
    }));
  const names = rooms.map((room) => room.room);
  const message = `${rooms.length} ${many}: ${naming(names)}. The first: ${one(rooms[0]!)}`;
  return [
    { ...overall, type, severity, message, hint, detail: { rooms: listed(names), count: rooms.length } },
  ];
}

function errorRate({ items, failed }: Read['errors']): Alert[] {
  const share = items === 0 ? 0 : failed / items;
  if (items < errorShares.items || share <= errorShares.warning) return [];
  return [
    {
      ...overall,
      type: 'error-rate',
      severity: share > errorShares.critical ? 'critical' : 'warning',
      message: `${failed} of the ${items} items of the last 15 minutes failed (${Math.round(share * 100)} %).`,
      hint: 'GET /sync/pending-items says of each why; most have one cause.',
      detail: { items, failed, share },
    },
  ];
}

function inError({ parked, rooms, why }: Read['items']): Alert[] {
  if (parked === 0) return [];
  const names = rooms ?? [];
  return [
    {
      ...overall,
      type: 'items-in-error',
      severity: 'warning',
      message: `${parked} ${parked === 1 ? 'item needs' : 'items need'} a person (${naming(names)}). The newest: ${said(why)}.`,
      hint: 'GET /sync/pending-items lists them with what to do. Then change the booking, or POST /sync/to-outlook.',
      detail: { items: parked, rooms: listed(names) },
    },
  ];
}

function stuck({ late, outboxMinutes, pullsLate }: Read): Alert[] {
  const found: string[] = [];
  if (late.n > 0)
    found.push(
      `${late.n} changes wait, the oldest for ${Math.round(late.oldestMinutes ?? 0)} minutes (${naming(late.rooms ?? [])})`,
    );
  if (outboxMinutes !== null && outboxMinutes >= outboxLateMinutes)
    found.push(`changes of the booking system were not looked at for ${Math.round(outboxMinutes)} minutes`);
  if (pullsLate !== null && pullsLate.length > 0)
    found.push(`${pullsLate.length} rooms were not asked for changes in Outlook (${naming(pullsLate)})`);
  if (found.length === 0) return [];
  return [
    {
      ...overall,
      type: 'stuck',
      severity: 'critical',
      message: `${found.join('; ')}.`,
      hint: 'Look at GET /health/system and GET /rooms. Is a daemon running?',
      detail: {
        items: late.n,
        oldest_minutes: late.oldestMinutes,
        outbox_minutes: outboxMinutes,
        rooms: listed([...(late.rooms ?? []), ...(pullsLate ?? [])]),
      },
    },
  ];
}

function unsubscribed({ unsubscribed: names, unsubscribedWhy: why }: Read): Alert[] {
  const rooms = names ?? [];
  if (rooms.length === 0) return [];
  const because = why === null ? '' : ` The newest reason: ${bare(why.trim())}`;
  return [
    {
      ...overall,
      type: 'subscriptions-lost',
      severity: 'warning',
      message: `Outlook does not tell us of changes in ${rooms.length} rooms: ${naming(rooms)}. They are polled, so changes come later.${because}`,
      hint: 'Does WEBHOOK_BASE_URL lead here, from outside? POST /webhook/create-subscriptions tries at once and says what is wrong.',
      detail: { count: rooms.length, rooms: listed(rooms) },
    },
  ];
}

// What is kept: a brake that was told and is not written into the mappings yet, or that waits for nobody's word any more
// but whose removals are under way; a bug of the last 24 hours.
const reasonsText = `
  WITH room AS (
    SELECT r.id, r.resource_id, coalesce(r.outlook_item_name, r.outlook_item_id) AS name, r.sync_direction, r.updated_at,
      s.health, s.error_message, s.hint, s.attempt, s.throttled_until, s.pull_due_at
    FROM bridge_resource_mappings r JOIN bridge_room_state s ON s.resource_mapping_id = r.id WHERE r.active = 1
  ), removal AS (
    SELECT d.resource_id, count(*) AS wanted, count(*) FILTER (WHERE m.sync_status = 'conflict') AS held
    FROM bridge_removals d JOIN bridge_mappings m ON m.id = d.mapping_id
    WHERE d.released_at IS NULL AND d.applied_at IS NULL GROUP BY d.resource_id
  ), late AS (
    SELECT count(*) AS n, min(least(m.changed_at, m.noticed_at)) AS oldest, array_agg(DISTINCT room.name) AS rooms
    FROM bridge_mappings m JOIN room ON room.resource_id = m.resource_id
    WHERE m.due_at IS NOT NULL AND least(m.changed_at, m.noticed_at) < now() - $1 * interval '1 minute'
      AND room.health NOT IN ('refused', 'waiting')
  ), parked AS (
    SELECT m.error_message, m.updated_at, room.name FROM bridge_mappings m JOIN room ON room.resource_id = m.resource_id
    WHERE m.sync_status = 'error'
  ), touched AS (
    SELECT DISTINCT ON (mapping_id) action FROM (
      SELECT id, mapping_id, action FROM bridge_log
      WHERE at > now() - interval '15 minutes' AND mapping_id IS NOT NULL ORDER BY id DESC LIMIT 20000) newest
    ORDER BY mapping_id, id DESC
  )
  SELECT jsonb_build_object(
    'outlookIsOut', EXISTS (SELECT FROM bridge_alerts WHERE closed_at IS NULL AND type IN ('outlook-outage', 'credential-refused')),
    'rooms', (SELECT coalesce(jsonb_agg(jsonb_build_object('type', t.type, 'resourceId', resource_id, 'room', name,
        'error', error_message, 'hint', hint, 'attempt', attempt,
        'until', to_char(throttled_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) ORDER BY name), '[]')
      FROM room CROSS JOIN LATERAL (SELECT CASE WHEN health = 'refused' THEN 'room-refused'
        WHEN health = 'waiting' AND throttled_until IS NOT NULL AND attempt >= $3 THEN 'throttled'
        WHEN health = 'waiting' AND throttled_until IS NULL AND attempt >= $2 THEN 'room-failing' END AS type) t
      WHERE t.type IS NOT NULL),
    'held', (SELECT coalesce(jsonb_agg(jsonb_build_object('resourceId', resource_id, 'room', name, 'removals', held) ORDER BY name), '[]')
      FROM removal JOIN room USING (resource_id) WHERE held > 0),
    'items', (SELECT jsonb_build_object('parked', count(*), 'rooms', array_agg(DISTINCT name),
      'why', (array_agg(error_message ORDER BY updated_at DESC))[1]) FROM parked),
    'late', (SELECT jsonb_build_object('n', n, 'oldestMinutes', extract(epoch FROM now() - oldest) / 60, 'rooms', rooms) FROM late),
    'outboxMinutes', (SELECT extract(epoch FROM now() - min(changed_at)) / 60 FROM bridge_changes),
    'pullsLate', (SELECT jsonb_agg(name ORDER BY name) FROM room
      WHERE pull_due_at < now() - $1 * interval '1 minute' AND health = 'ok'),
    'errors', (SELECT jsonb_build_object('items', count(*), 'failed', count(*) FILTER (WHERE action IN ('parked', 'delayed')))
      FROM touched),
    'unsubscribed', (SELECT jsonb_agg(name ORDER BY name) FROM room
      LEFT JOIN bridge_subscriptions b ON b.resource_mapping_id = room.id AND b.ended_at IS NULL
      WHERE health <> 'refused' AND b.off_at IS NULL AND CASE
        WHEN b.id IS NULL THEN sync_direction <> 'booking_to_outlook' AND updated_at < now() - interval '10 minutes'
        ELSE (b.subscription_id IS NULL OR b.expires_at <= now()) AND (b.attempt >= $4 OR b.expires_at < now() - interval '5 minutes') END),
    'unsubscribedWhy', (SELECT coalesce(error_message || ' ', '') || coalesce(hint, '') FROM bridge_subscriptions
      WHERE ended_at IS NULL AND attempt >= $4 AND error_message IS NOT NULL ORDER BY tried_at DESC LIMIT 1)
    ) AS read,
    (SELECT coalesce(jsonb_agg(id), '[]') FROM bridge_alerts a
      WHERE closed_at IS NULL AND (type = 'bug' AND seen_at > now() - interval '24 hours'
        OR type = 'brake' AND EXISTS (SELECT FROM removal WHERE removal.resource_id = a.resource_id AND held = 0))) AS kept`;
