/** What would come of one decided step, in the words of a plan. Pure. */
import { waitHints } from '../store/mappings.ts';
import { shownBy, type Row } from './plan-picture.ts';
import { fieldNames, type Planned, type Taken } from './plan-words.ts';
import type { Step } from '../apply/step.ts';

/** A row, and whether its event was just found for it. */
export type PlannedMapping = Row & { readonly adopted?: true };

/** Its time in the room; while it is `resting`, it covers only what it would in `bridge_covers`. */
export const takenBy = (row: Row, shown: boolean, resting = false): Taken => ({
  priority: row.priority,
  startsAt: row.booking?.startsAt ?? row.startsAt ?? '',
  endsAt: row.booking?.endsAt ?? row.endsAt ?? '',
  title: row.booking?.title ?? '',
  shown,
  covers: !resting || !isRefused(row) || isShownInPlace(row),
});

const isRefused = ({ status }: Row) => status === 'error' || status === 'conflict';

/** Outlook shows an earlier state of it at the time it has in the booking system. */
function isShownInPlace({ eventId, news, outlookSeen, outlookBase, startsAt, endsAt }: Row): boolean {
  const shown = outlookSeen ?? outlookBase;
  const isThere = eventId !== null && news !== 'gone' && news !== 'vacated';
  return isThere && shown !== null && shown.startsAt === startsAt && shown.endsAt === endsAt;
}

/** Outlook shows what rests, and shows it in its place. */
export const isShownAtRest = (row: Row): boolean =>
  row.eventId !== null && (row.status === 'synced' || (isRefused(row) && isShownInPlace(row)));

/** What waits for a person already. */
export function resting(row: Row): Planned | null {
  if (row.status === 'conflict') return say(row, 'conflict', row.error ?? 'a person has to choose');
  if (row.status === 'error') return say(row, 'waiting', row.error ?? 'it failed before');
  return row.waitsFor === null ? null : say(row, 'waiting', waitHints[row.waitsFor]);
}

export function say(
  row: Row,
  kind: Planned['kind'],
  why: string,
  more: Partial<Pick<Planned, 'fields' | 'title' | 'startsAt' | 'endsAt'>> = {},
): Planned {
  const item = shownBy(row);
  const { reservationType: type, reservationId: id } = row;
  return {
    kind,
    title: item?.title ?? null,
    startsAt: item?.startsAt ?? row.startsAt,
    endsAt: item?.endsAt ?? row.endsAt,
    reservation: id === null ? null : { type, id },
    eventId: row.eventId,
    fields: [],
    why,
    held: false,
    ...more,
  };
}

interface OutcomeOf {
  readonly said: readonly Planned[];
  /** What takes the time then; null: nothing. */
  readonly after: Taken | null;
  readonly counts: boolean;
}

export function outcomeOf(row: PlannedMapping, { action, seen, due }: Step): OutcomeOf {
  const found = row.adopted === true ? [say(row, 'adopt', 'its event is in Outlook already')] : [];
  const gone = row.active === null && !row.elsewhere;
  const counts = (action.do === 'remove' || action.do === 'decline') && gone && row.ended !== true;
  const stays = (shown: boolean) => (row.present ? takenBy(row, shown) : null);
  switch (action.do) {
    case 'create':
      return { said: [say(row, 'create', whyCreated(row, seen))], after: stays(true), counts };
    case 'change': {
      const { toBooking, change, busy, open, overruled } = action;
      const names = (fields: object) => fieldNames(Object.keys(fields));
      const over =
        overruled.length === 0
          ? ''
          : `; both sides changed ${fieldNames(overruled).join(', ')}, and CONFLICT_POLICY chooses`;
      const moved = { ...takenBy(row, true), ...pickTimes(toBooking) };
      return {
        said: [
          ...found,
          ...(open.length > 0
            ? [
                say(row, 'conflict', 'both sides changed the same and a person has to choose', {
                  fields: fieldNames(open),
                }),
              ]
            : []),
          ...(Object.keys(toBooking).length > 0
            ? [say(row, 'change-booking', `it was changed in Outlook${over}`, { fields: names(toBooking) })]
            : []),
          ...(Object.keys(change).length > 0 || busy === true
            ? [say(row, 'change', whyChanged(row, change) + over, { fields: names(change) })]
            : []),
        ],
        after: row.present ? moved : null,
        counts,
      };
    }
    case 'remove':
      return action.as === 'shadowed'
        ? {
            said: [say(row, 'delete', 'something more important takes its whole time')],
            after: stays(false),
            counts,
          }
        : { said: [say(row, 'delete', whyRemoved(row))], after: null, counts };
    case 'decline':
      return { said: [say(row, 'decline', whyRemoved(row))], after: null, counts };
    case 'cancel-booking':
      return {
        said: [
          say(
            row,
            'cancel-booking',
            due.news === 'vacated'
              ? 'its event does not occupy the room any more'
              : 'its event was deleted in Outlook',
          ),
        ],
        after: null,
        // what was called off or declined was given back on purpose
        counts: due.news === 'gone' || seen === 'absent',
      };
    case 'part':
      return {
        said: [
          say(row, 'create', 'the booking system moved it away from the meeting of somebody else'),
          {
            ...say(row, 'conflict', 'the meeting stays until a person has chosen'),
            reservation: null,
          },
        ],
        after: stays(true),
        counts,
      };
    case 'leave-event':
      return {
        said: [say(row, 'import', 'Outlook does not let go of it, and a person chose to keep it')],
        after: stays(false),
        counts,
      };
    case 'ask':
      return {
        said: [
          say(
            row,
            'conflict',
            action.about === 'free'
              ? 'its meeting is shown as free'
              : 'it was deleted in Outlook and changed in the booking system',
          ),
        ],
        after:
          action.about === 'free'
            ? stays(true)
            : row.present
              ? { ...takenBy(row, false), covers: false }
              : null,
        counts,
      };
    case 'settle':
      return {
        said: action.as === 'synced' ? [...found, ...notUnderstood(row, seen)] : [],
        after: stays(action.as === 'synced'),
        counts,
      };
    case 'wait':
      return { said: found, after: stays(false), counts };
  }
}

const whyChanged = (row: PlannedMapping, change: object) =>
  Object.keys(change).length === 0
    ? 'it is shown as free, and as busy again'
    : row.adopted === true
      ? 'its event shows something else'
      : 'it was changed in the booking system';

/** Outlook shows nothing that could be followed. */
const notUnderstood = (row: Row, seen: Step['seen']): readonly Planned[] =>
  seen !== null && seen !== 'absent' && seen.shows.is === 'undecided'
    ? [say(row, 'waiting', waitHints.answer)]
    : seen !== null && seen !== 'absent' && seen.shows.is === 'unreadable'
      ? [say(row, 'waiting', `its event cannot be read: ${seen.shows.why}`)]
      : [];

const pickTimes = (change: { readonly startsAt?: string; readonly endsAt?: string }) => ({
  ...(change.startsAt === undefined ? {} : { startsAt: change.startsAt }),
  ...(change.endsAt === undefined ? {} : { endsAt: change.endsAt }),
});

function whyCreated(row: Row, seen: Step['seen']): string {
  if (row.status === 'cancelled') return 'it was enabled again';
  if (row.status === 'shadowed') return 'nothing covers it any more';
  if (seen === 'absent' || row.news === 'gone' || row.news === 'vacated')
    return 'its event was deleted in Outlook, and the booking system is followed';
  return 'it is not in Outlook yet';
}

function whyRemoved(row: Row): string {
  if (row.active === false) return 'it is cancelled in the booking system';
  return row.elsewhere ? 'it is in another room now' : 'its rows are gone from the booking system';
}
