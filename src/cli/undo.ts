/** `undo`: reverts changes since a given time. Prints its plan; `--apply` executes it. */
import { Invalid } from '../errors.ts';
import {
  createUndo,
  readMoment,
  undoable,
  undoMost,
  type UndoChoice,
  type UndoItem,
} from '../sync/manual/undo.ts';
import { createStart } from '../sync/worker/start-mode.ts';
import { commandLineUser, recordCommand } from './audit.ts';
import { oneLine, say, sayJson } from './terminal.ts';
import { createKeys, reservationName, resourceName } from '../sync/report/keys.ts';
import type { Queryable } from '../database.ts';
import { resourceNumber, withDatabase } from './with-database.ts';

export interface UndoOptions {
  readonly since: string;
  readonly room?: string;
  readonly what: string;
  readonly apply?: boolean;
  readonly json?: boolean;
}

const steps = {
  're-enable': 're-enable it, with a new event',
  cancel: 'cancel it again, with its event',
  'take-back': 'cancel it; the event in Outlook stays',
} as const satisfies Record<UndoItem['step'], string>;

/** Returns the exit code: 2 without --apply if the plan is not empty, else 0. */
export async function undoCommand(options: UndoOptions): Promise<number> {
  const { items, zone, since } = await withDatabase('undo', async (db, { timezone, startMode = 'sync' }) => {
    const choice = await choiceOf(db, options);
    const undo = createUndo(db, { waitMs: Number.POSITIVE_INFINITY });
    const applies = options.apply === true;
    if (applies) await createStart({ db, mode: startMode }).needWrites();
    if (applies)
      await recordCommand(
        db,
        `undo --since ${options.since} --what ${options.what} --apply`,
        choice.resourceId,
      );
    const found = applies ? await undo.apply(choice, commandLineUser()) : await undo.plan(choice);
    return { items: await createKeys(db).add(found), zone: timezone, since: choice.since };
  });
  const count = items.filter(({ refused }) => refused === null).length;
  if (options.json === true)
    sayJson({
      success: true,
      dry_run: options.apply !== true,
      since,
      count,
      refused: items.length - count,
      items,
    });
  else {
    say(`Since ${formatIn(zone).format(since)} (${zone}):`);
    print(items, count, options.apply === true, zone);
  }
  return options.apply === true || count === 0 ? 0 : 2;
}

async function choiceOf(db: Queryable, { since, room, what }: UndoOptions): Promise<UndoChoice> {
  const at = readMoment(since);
  if (at === null)
    throw new Invalid('--since', `'${since}' is not a time.`, 'Write for example 2031-05-04T12:00:00+02:00');
  const kinds = what.split(',').map((kind) => {
    const known = undoable.find((one) => one === kind.trim());
    if (known !== undefined) return known;
    throw new Invalid('--what', `'${kind}' cannot be undone.`, `Choose from ${undoable.join(', ')}`);
  });
  return {
    since: at,
    resourceId: room === undefined ? null : await resourceNumber(db, '--room', room),
    what: kinds,
  };
}

const formatIn = (timeZone: string) =>
  new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' });

function print(items: readonly UndoItem[], count: number, applied: boolean, zone: string): void {
  const format = formatIn(zone);
  // a reason names instants in UTC
  const localized = (reason: string) =>
    reason.replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, (instant) => format.format(new Date(instant)));
  for (const item of items)
    say(
      `${reservationName(item)} «${oneLine(item.title ?? '')}» in ${resourceName(item)}, ${item.what} ` +
        `${format.format(item.done_at)}: ${item.refused === null ? steps[item.step] : `unchanged, ${oneLine(localized(item.refused))}`}`,
    );
  const unchanged = items.length - count;
  say(`${count} ${applied ? 'undone; Outlook follows' : 'would be undone'}, ${unchanged} unchanged.`);
  if (items.length === undoMost) say(`These are the newest ${undoMost}; there may be more.`);
  if (!applied && count > 0) say('Nothing was written. --apply executes the plan.');
}
