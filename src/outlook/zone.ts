/** Wall clocks of a time zone. Pure: the zone's rules are those of the runtime's own database (Intl). */
import windowsIana from 'windows-iana';

export interface Zone {
  /** The zone's Windows name, required by Graph; null if CLDR has none. */
  readonly windowsName: string | null;
  /** 'YYYY-MM-DDTHH:mm:ss' at an instant (ms). */
  wallAt(ms: number): string;
  /** Whether the local time occurs twice and is therefore ambiguous. */
  isRepeated(ms: number): boolean;
  /** The first instant (ms) at which the wall clock shows this or later. A time that is skipped gives the end of the gap. */
  instantOf(wall: string): number;
  /** Whether an instant is the start of a local day. */
  isMidnight(ms: number): boolean;
}

const hour = 3_600_000;
/** Zones change their offset at whole quarters of an hour (IANA, since 1972). */
const quarter = 900_000;
const mostRemembered = 20_000;

/** An IANA zone. Throws RangeError for a name the runtime does not know. */
export function createZone(name: string): Zone {
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    hourCycle: 'h23',
    era: 'short',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const offsets = new Map<number, number>();
  const instants = new Map<string, number>();

  /** Milliseconds that the wall clock is ahead of UTC. */
  function offsetAt(ms: number): number {
    const block = Math.floor(ms / quarter);
    const known = offsets.get(block);
    if (known !== undefined) return known;
    const offset = readOffset(clock, block * quarter);
    if (offsets.size >= mostRemembered) offsets.clear();
    offsets.set(block, offset);
    return offset;
  }

  function instantOf(wall: string): number {
    const known = instants.get(wall);
    if (known !== undefined) return known;
    const found = search(Date.parse(`${wall}Z`), offsetAt);
    if (instants.size >= mostRemembered) instants.clear();
    instants.set(wall, found);
    return found;
  }

  const wallAt = (ms: number) => new Date(ms + offsetAt(ms)).toISOString().slice(0, 19);

  return {
    windowsName: windowsNameOf(name),
    wallAt,
    instantOf,
    isMidnight: (ms) => instantOf(`${wallAt(ms).slice(0, 10)}T00:00:00`) === ms,
    isRepeated(ms) {
      const offset = offsetAt(ms);
      return [offsetAt(ms - 3 * hour), offsetAt(ms + 3 * hour)].some(
        (other) => other !== offset && offsetAt(ms + offset - other) === other,
      );
    },
  };
}

function readOffset(clock: Intl.DateTimeFormat, ms: number): number {
  const part: Record<string, number> = {};
  let beforeChrist = false;
  for (const { type, value } of clock.formatToParts(ms)) {
    if (type === 'era') beforeChrist = value.startsWith('B');
    else part[type] = Number(value);
  }
  const year = beforeChrist ? 1 - part.year! : part.year!;
  const local = new Date(0);
  local.setUTCFullYear(year, part.month! - 1, part.day!);
  local.setUTCHours(part.hour!, part.minute!, part.second!);
  return local.getTime() - ms;
}

/** The earliest instant whose wall clock shows `local` (ms as if UTC) or later. */
function search(local: number, offsetAt: (ms: number) => number): number {
  if (Number.isNaN(local)) return Number.NaN;
  const fits = [offsetAt(local - 36 * hour), offsetAt(local + 36 * hour)]
    .map((offset) => local - offset)
    .filter((ms) => ms + offsetAt(ms) === local);
  if (fits.length > 0) return Math.min(...fits);
  // a skipped time: the gap ends at a quarter of an hour
  let [before, after] = [Math.floor((local - 36 * hour) / quarter), Math.ceil((local + 36 * hour) / quarter)];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (middle * quarter + offsetAt(middle * quarter) >= local) after = middle;
    else before = middle;
  }
  return after * quarter;
}

/** The Windows name of an IANA zone (CLDR), also by its older or newer names. */
function windowsNameOf(name: string): string | null {
  const canonical = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  for (const known of [name, canonical, ...windowsIana.findIanaAliases(name)]) {
    const [found] = windowsIana.findWindows(known);
    if (found !== undefined) return found;
  }
  return null;
}

const named = new Map<string, Zone | null>();
const mostNamed = 200;

/** A zone by its Windows or IANA name; null: unknown. */
export function zoneNamed(name: string): Zone | null {
  const known = named.get(name);
  if (known !== undefined) return known;
  const found = findZone(name);
  if (named.size >= mostNamed) named.clear();
  named.set(name, found);
  return found;
}

function findZone(name: string): Zone | null {
  try {
    return createZone(windowsIana.findIana(name)[0] ?? name);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
