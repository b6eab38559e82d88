/** The parts of the API's answers that the page reads. Times are ISO 8601 texts. */

export type State = 'good' | 'busy' | 'warn' | 'bad' | 'away';

interface Backfill {
  total: number;
  done: number;
}
interface Outage {
  since: string;
  error: string;
  hint: string | null;
  refused: boolean;
}

export interface Stats {
  statistics: {
    total_mappings: number;
    summary: Record<string, number>;
    by_type: Record<string, Record<string, number>>;
  };
  queue: { outbox_rows: number; due: number; oldest_ms: number | null };
  rooms: Record<string, number>;
  backfill: Backfill;
  listener: { heard: boolean; reason: string | null };
  outages: { outlook: Outage | null; booking: Outage | null };
  replicas: number;
  start: {
    mode: 'sync' | 'plan' | 'shadow';
    writes: boolean;
    hold: { reason: 'database' | 'set-back'; why: string; hint: string } | null;
  };
  replica: string | null;
  timezone: string;
  started_at: string;
  uptime_seconds: number;
}

export interface Room {
  id: number;
  resource_id: number;
  resource_key?: string | null;
  outlook_item_id: string;
  outlook_item_name: string | null;
  active: number;
  sync_direction: string;
  conflict_policy: string | null;
  overlap_policy: string | null;
  import_mode: string | null;
  privacy: string | null;
  title_template: string | null;
  health: string;
  error: string | null;
  hint: string | null;
  working: boolean;
  due: number;
  lag_ms: number;
  retry_at: string | null;
  throttled_until: string | null;
  baselined_at: string | null;
  reconciled_at: string | null;
  last_sync_at: string | null;
  pull_due_at: string | null;
  subscription_expires_at: string | null;
  backfill: Backfill;
  held: number;
  claimed_by: string | null;
  failed: number;
  conflicts: number;
}

export interface Mapping {
  id: number;
  reservation_type: string | null;
  reservation_id: number | string | null;
  reservation_key?: string;
  resource_id: number;
  outlook_item_id: string;
  outlook_event_id: string | null;
  sync_status: string;
  title: string | null;
  starts_at: string | null;
  ends_at: string | null;
  attempt: number;
  error_message: string | null;
  hint: string | null;
}
export interface ExplainedMapping extends Mapping {
  sync_direction: string;
  due_at: string | null;
  last_sync_at: string | null;
  room?: string;
}

/** The current state of a mapping, with both sides. */
export interface Standing {
  room: string;
  direction: string;
  paused: boolean;
  organizer: string | null;
  url: string | null;
  booking: Side | null;
  outlook: Side | null;
  fields: string[];
  outlook_as_of: string | null;
}

export type Direction = 'booking_to_outlook' | 'outlook_to_booking';

export interface Step {
  at: string;
  action: string;
  reason: string | null;
  /** The reason as a text, with old and new values of a change; empty: none. */
  why: string;
  who: string | null;
  latency_ms: number | null;
  call_ms: number | null;
  request_id: string | null;
}
export interface Line extends Step {
  id: number;
  direction: Direction;
  mapping_id: number | null;
  resource_id: number | null;
  room: string | null;
  reservation_type: string | null;
  reservation_id: number | string | null;
  reservation_key?: string;
  title: string | null;
}

export interface Curve {
  count: number;
  p50_ms: number | null;
  p95_ms: number | null;
  /** Changes of a backfill, included in no other figure. */
  backfilled: number;
  histogram: { le_ms: number | null; count: number }[];
  curve: { at: string; count: number; p50_ms: number | null; p95_ms: number | null }[];
}
export interface Latency {
  step_seconds: number;
  directions: Record<Direction, Curve>;
}

export interface Removal {
  side: 'outlook' | 'booking';
  mapping_id: number;
  reservation_type: string;
  reservation_id: number | string;
  reservation_key?: string;
  title: string | null;
  starts_at: string | null;
  ends_at: string | null;
}

export interface Side {
  starts_at: string;
  ends_at: string;
  all_day: boolean;
  title: string | null;
  description: string | null;
  is_private: boolean;
}
export interface Conflict {
  id: number;
  reservation_type: string | null;
  reservation_id: number | string | null;
  reservation_key?: string;
  resource_id: number;
  room: string;
  kind: string;
  message: string | null;
  hint: string | null;
  since: string;
  organizer: string | null;
  outlook_organizer: string | null;
  fields: string[];
  booking: Side | null;
  outlook: Side | null;
  taken_by?: string | null;
  version: string;
  effects: {
    booking: string;
    outlook: string;
    loses: 'booking' | 'outlook' | null;
    mail: { booking: string | null; outlook: string | null };
  };
}

export interface SearchResult {
  mapping_id: number | null;
  reservation_type: string | null;
  reservation_id: number | string | null;
  reservation_key?: string;
  resource_id: number;
  room: string;
  title: string | null;
  organizer: string | null;
  starts_at: string | null;
  ends_at: string | null;
  status: string;
  url: string | null;
}
export interface Search {
  timezone: string;
  understood: { text: string; date: string | null; to: string | null; time: string | null };
  remark: string | null;
  count: number;
  total: number;
  results: SearchResult[];
}

export interface CalendarItem {
  mapping_id: number | null;
  outlook_event_id: string | null;
  organizer: string | null;
  url: string | null;
  state: string;
  fields: string[];
  message: string | null;
  booking: Side | null;
  outlook: Side | null;
}
export interface Calendar {
  resource_id: number;
  room: string;
  sync_direction: string;
  timezone: string;
  /** The first and the last day. */
  from: string;
  to: string;
  outlook_as_of: string | null;
  count: number;
  total: number;
  items: CalendarItem[];
}

export interface UndoItem {
  reservation_type: string;
  reservation_id: number | string;
  reservation_key?: string;
  resource_id: number;
  resource_key?: string;
  title: string | null;
  starts_at: string | null;
  what: 'cancelled' | 'deleted' | 'imported' | 'undone';
  done_at: string;
  step: 're-enable' | 'cancel' | 'take-back';
  refused: string | null;
}
export interface Undo {
  as_of: string;
  count: number;
  refused: number;
  items: UndoItem[];
}

export interface Alert {
  id: number;
  type: string;
  severity: string;
  room: string | null;
  resource_id: number | null;
  message: string;
  hint?: string | null;
  created_at: string;
  acknowledged_at?: string | null;
}

interface Ready {
  success: boolean;
  checks: Record<string, { ok: boolean; problems: string[] }>;
  hint?: string;
}

export type PlanKind =
  | 'create'
  | 'change'
  | 'delete'
  | 'decline'
  | 'import'
  | 'change-booking'
  | 'cancel-booking'
  | 'adopt'
  | 'conflict'
  | 'waiting';
export interface PlannedItem {
  action: PlanKind;
  title: string | null;
  starts_at: string | null;
  ends_at: string | null;
  reservation_type: string | null;
  reservation_id: number | string | null;
  reservation_key?: string;
  why: string;
  held: boolean;
}
export interface PlannedRoom {
  resource_id: number;
  room: string;
  state: 'planned' | 'busy' | 'failed' | 'unread';
  error: string | null;
  hint: string | null;
  counts: Record<PlanKind, number>;
  equal: number;
  held: number;
  items: PlannedItem[];
}
export interface Plan {
  start: Stats['start'];
  complete: boolean;
  differs: boolean;
  counts: Record<PlanKind, number>;
  equal: number;
  held: number;
  rooms: PlannedRoom[];
}

/** All data of the page; null: not read yet, or the endpoint does not exist. */
export interface Known {
  stats: Stats | null;
  rooms: Room[];
  /** The rooms have been read, so an empty list means that there are none. */
  roomsRead: boolean;
  ready: Ready | null;
  errors: { total: number; mappings: (Mapping & { room: string })[] };
  pending: { total: number; items: Mapping[] };
  conflicts: Conflict[] | null;
  alerts: Alert[] | null;
  /** Of 24 hours and of the last hour. */
  latency: Latency | null;
  hour: Latency | null;
  lines: Line[];
  removals: Map<number, Removal[]>;
  /** The reason why the page gets no answer, and since when. */
  trouble: { kind: 'signed-out' | 'daemon' | 'api'; error: string; hint: string; since: number } | null;
  answeredAt: number;
}
