/** Tests the functions of an adapter with one meeting: imports, reads, changes and cancels it. */
import type pg from 'pg';
import type { Ability } from '../abilities.ts';
import type { Id } from '../id.ts';
import { callFunction } from './adapter-calls.ts';
import { cancel, checkReuse, checkStaysCancelled } from './adapter-cancel.ts';
import {
  freeSlots,
  isActiveIn,
  itemIn,
  nameOf,
  readRow,
  withoutApproval,
  type Item,
  type Named,
  type Slot,
} from './adapter-meeting.ts';
import { checkFields, checkSpans } from './adapter-fields.ts';
import { watchOutbox, type CheckRecorded } from './adapter-outbox.ts';
import { checkAllowed, checkChangeOverlap, checkOverlaps, checkSameTime } from './adapter-overlaps.ts';
import { checkLongTexts, checkRefusals, checkUnknown } from './adapter-refusals.ts';
import { undeclared } from './adapter-repairs.ts';
import { checkRooms } from './adapter-rooms.ts';
import { compare, reportOthers } from './adapter-stored.ts';
import type { Report } from './doctor-findings.ts';

/** Needs the view, the functions and the triggers. The caller rolls it back, with the time zone of the session. */
export async function tryFunctions(
  client: pg.Client,
  timezone: string,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  const slots = await freeSlots(client, timezone);
  const [first] = slots;
  if (first === undefined) {
    report(
      'warning',
      'functions',
      'No room with a free slot was found, so no meeting was imported.',
      'Run it on a copy of the real database, or write the view bridge_resources (11_resources.sql).',
    );
    return;
  }
  const problems: string[] = [];
  const counting: Report = (state, check, message, repair) => {
    if (state === 'problem') problems.push(message);
    report(state, check, message, repair);
  };
  const warnings = new Set<string>();
  const onNotice = ({
    severity,
    message = '',
  }: {
    severity?: string | undefined;
    message?: string | undefined;
  }) => {
    if (severity === 'WARNING') warnings.add(message);
  };
  client.on('notice', onNotice);
  try {
    // an unusual zone reveals casts that depend on the zone of the session
    await client.query("SET LOCAL TimeZone = 'Pacific/Kiritimati'");
    await runSteps(client, (await withoutApproval(client, slots)) ?? first, timezone, abilities, counting);
  } finally {
    client.off('notice', onNotice);
  }
  for (const warning of warnings)
    counting('problem', 'functions', `A WARNING was raised: ${warning}`, 'Fix the trigger that raises it.');
  if (problems.length === 0)
    report('ok', 'functions', 'a meeting was imported, read, changed, cancelled, and rolled back');
}

async function runSteps(
  client: pg.Client,
  slot: Slot,
  timezone: string,
  abilities: ReadonlySet<Ability>,
  report: Report,
): Promise<void> {
  const item = itemIn(slot);
  const checkRecorded = await watchOutbox(client, report);
  const key = await imported(client, item, report);
  if (key === null) return;
  const { title: _title, description: _description, ...withoutText } = item;
  const expected = abilities.has('no-text') ? withoutText : item;
  const stored = await compare(client, key, expected, 'bridge_import_item', report);
  if (!stored.includes('is_private') && !abilities.has('no-private'))
    undeclared(
      'no-private',
      'A meeting marked private in Outlook is not private in the view: the bridge would make it public in Outlook too.',
      report,
    );
  await checkRecorded(key, 'An imported meeting');
  // one that awaits approval takes no time; other times in the view are reported already
  if (await isActiveIn(client, item)) {
    await checkSameTime(client, item, report);
    await checkOverlaps(client, slot, item, report);
    await checkChangeOverlap(client, key, slot, item, report);
  }
  await checkRooms(client, key, slot, item, abilities, report);
  await checkRefusals(client, slot, item, report);
  await checkFields(client, key, slot, stored, report);
  await checkSpans(client, slot, item, timezone, report);
  await checkLongTexts(client, key, item, abilities, report);
  await checkAllowed(client, item, abilities, report);
  await change(client, key, slot, abilities, checkRecorded, report);
  await checkUnknown(client, key, report);
  if (!(await cancel(client, key, checkRecorded, report))) return;
  await checkStaysCancelled(client, key, slot, report);
  await checkReuse(client, key, item, report);
}

/** Changes title and end, and checks what the function returned, the view and the outbox. */
async function change(
  client: pg.Client,
  key: Named,
  slot: Slot,
  abilities: ReadonlySet<Ability>,
  checkRecorded: CheckRecorded,
  report: Report,
): Promise<void> {
  const requested = {
    ...(abilities.has('no-text') ? {} : { title: 'Adapter check, moved' }),
    ends_at: slot.later,
  };
  const before = await readRow(client, key);
  const changed = await callFunction<{ keys: string[] | null }>(
    client,
    'SELECT bridge_change_item($1, $2::bigint, $3) AS keys',
    [key.type, key.id, JSON.stringify(requested)],
    'Fix bridge_change_item in 20_functions.sql.',
    report,
  );
  if (changed === null) return;
  const shown = await compare(client, key, requested, 'bridge_change_item', report);
  const returned = changed.keys ?? [];
  if (returned.toSorted().join() !== shown.toSorted().join())
    report(
      'problem',
      'functions',
      `bridge_change_item returned ${returned.join(', ') || 'no keys'} as stored; in the view ${shown.join(', ') || 'no keys'} have the requested values.`,
      'End it with: RETURN public.bridge_stored_keys(type, id, change);',
    );
  reportOthers(before, await readRow(client, key), Object.keys(requested), report);
  await checkRecorded(key, 'A changed meeting');
}

async function imported(client: pg.Client, item: Item, report: Report): Promise<Named | null> {
  const row = await callFunction<{ type: string | null; id: Id | null }>(
    client,
    'SELECT reservation_type AS type, reservation_id AS id FROM bridge_import($1)',
    [JSON.stringify(item)],
    'Fix bridge_import_item in 20_functions.sql.',
    report,
  );
  if (row === null) return null;
  if (row.type !== null && row.id !== null) {
    const key = { type: row.type, id: row.id };
    return { ...key, name: await nameOf(client, key) };
  }
  report(
    'problem',
    'functions',
    `bridge_import_item returned ${row.type ?? 'NULL'} as reservation_type and ${row.id ?? 'NULL'} as reservation_id.`,
    "Set both, for example: INSERT … RETURNING id INTO reservation_id; reservation_type := '…';",
  );
  return null;
}
