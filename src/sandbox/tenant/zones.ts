import { GraphError } from './graph-error.ts';
import { documentedIanaZones, windowsZones } from './zone-names.ts';

/** A wall clock reading: `local` is the reading as if it were UTC, in milliseconds. */
export interface WallTime {
  readonly local: number;
  readonly zone: string;
}

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;

const accepted = new Map<string, string>([
  ...Object.entries(windowsZones).map(([name, iana]): [string, string] => [name.toLowerCase(), iana]),
  ...documentedIanaZones.map((iana): [string, string] => [iana.toLowerCase(), iana]),
]);

/** The zone names the tenant accepts. */
export const supportedZoneNames = { windows: Object.keys(windowsZones), iana: documentedIanaZones };

/** The IANA zone of an accepted name. Throws Graph's refusal of any other. */
export function ianaZone(name: string): string {
  const iana = accepted.get(name.toLowerCase());
  if (iana) return iana;
  throw new GraphError(
    400,
    'TimeZoneNotSupportedException',
    `A valid TimeZone value must be specified: '${name}'.`,
  );
}

const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, Map<number, number>>();
/** Every offset change there has been since 1970 falls on a quarter of an hour of UTC. */
const QUARTER_MS = 15 * MINUTE_MS;

/** Milliseconds the zone is ahead of UTC at that instant. */
function offsetAt(instant: number, iana: string): number {
  if (iana === 'Etc/UTC') return 0;
  const quarter = Math.floor(instant / QUARTER_MS);
  let known = offsets.get(iana);
  if (!known) offsets.set(iana, (known = new Map()));
  let offset = known.get(quarter);
  if (offset === undefined) {
    if (known.size > 50_000) known.clear();
    known.set(quarter, (offset = readOffset(quarter * QUARTER_MS, iana)));
  }
  return offset;
}

function readOffset(instant: number, iana: string): number {
  let format = formats.get(iana);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', { timeZone: iana, timeZoneName: 'longOffset' });
    formats.set(iana, format);
  }
  const name = format.formatToParts(instant).find((part) => part.type === 'timeZoneName')?.value ?? 'GMT';
  const [, sign, hours, minutes] = /^GMT(?:([+-])(\d\d):(\d\d))?/.exec(name) ?? [];
  const size = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * MINUTE_MS;
  return sign === '-' ? -size : size;
}

/** The instant of a wall clock reading. A repeated hour is its first pass; a skipped one moves on by the gap. */
export function instantOf({ local, zone }: WallTime): number {
  const iana = ianaZone(zone);
  const before = local - offsetAt(local - DAY_MS, iana);
  const after = local - offsetAt(local + DAY_MS, iana);
  if (before === after || before + offsetAt(before, iana) === local) return before;
  return after + offsetAt(after, iana) === local ? after : before;
}

/** The local time of the zone at that instant. */
export const wallTimeAt = (instant: number, zone: string): WallTime => ({
  local: instant + offsetAt(instant, ianaZone(zone)),
  zone,
});

/** As Graph prints it: seven fractional digits and no offset (Microsoft: event, JSON sample). */
export const printLocal = (local: number) => `${new Date(local).toISOString().slice(0, 23)}0000`;

/** As Graph prints `createdDateTime` and its like. */
export const printInstant = (instant: number) => `${new Date(instant).toISOString().slice(0, 23)}0000Z`;

const LOCAL = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,7})?$/;

/** Reads `YYYY-MM-DDTHH:mm:ss[.fffffff]` as if UTC; undefined for anything else, offsets and `Z` included. */
export function readLocal(text: string): number | undefined {
  const [, date, time, fraction = ''] = LOCAL.exec(text) ?? [];
  if (!date || !time) return undefined;
  const local = Date.parse(`${date}T${time}${fraction.slice(0, 4)}Z`);
  // Date.parse refuses the 32nd but rolls 30 February over into March.
  return Number.isNaN(local) || new Date(local).toISOString().slice(0, 10) !== date ? undefined : local;
}

/** Reads a query's instant: its own offset counts, none means UTC (Microsoft: calendar-list-calendarview). */
export function readInstant(text: string): number | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d)?(\.\d{1,7})?(Z|[+-]\d\d:\d\d)?)?$/i.exec(text);
  if (!match) return undefined;
  const [, date, time = '00:00', seconds = ':00', fraction = '', offset = 'Z'] = match;
  const instant = Date.parse(`${date}T${time}${seconds}${fraction.slice(0, 4)}${offset.toUpperCase()}`);
  return Number.isNaN(instant) ? undefined : instant;
}
