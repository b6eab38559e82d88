/** What is known of an event that a create of ours made and whose answer was lost: its edits are told from what was sent. Pure. */
import type { BookedItem } from '../../appearance.ts';
import { createdWithinMs, sinceCreationMs, standing, type OutlookEvent } from '../../event.ts';
import { changedFields, itemFields, type Item } from '../../item.ts';
import { agreementOn, type Agreement } from '../store/agreement.ts';
import { ownCreateOf, type Create } from './idempotency-key.ts';

/** A create that may have been sent. */
export interface SentCreate extends Create {
  /** The creation of its mapping, ISO. */
  readonly since: string;
  /** The meeting of the last recorded event of the mapping. */
  readonly iCalUId: string | null;
  /** The states of the reservation that may have been sent with it (28_sent.sql). */
  readonly sent: readonly BookedItem[];
}

/** The last agreement, which is what was sent: what the event shows differently, now or later, is an edit in Outlook. */
export interface Created {
  readonly outlookBase: Item;
  readonly agreement: Agreement;
  /** It shows an edit already. */
  readonly isEdited: boolean;
}

/**
 * Null: it is not certain that this create made the event. A field is edited if none of the states that may have been sent shows it so.
 * The agreement has the fields that are the same in all of these states: which one was sent is unknown.
 */
export function sinceCreate(
  event: OutlookEvent,
  { reservation, resourceId, generation, since, iCalUId, sent }: SentCreate,
  show: (item: BookedItem) => Item,
  installationId: string,
): Created | null {
  const shows = standing(event.shows);
  if (shows === null || sent.length === 0) return null;
  const creates = { reservation, resourceId, generations: [generation], since };
  // the event of the mapping before, which came back
  const isFormer = iCalUId !== null && iCalUId !== '' && iCalUId === event.iCalUId;
  if (isFormer || ownCreateOf(event, creates, installationId) === null) return null;
  const asSent = sent.map((state) => show(state));
  const edited = editedFields(asSent, shows, event);
  const last = asSent.at(-1)!;
  return {
    outlookBase: { ...shows, ...Object.fromEntries(edited.map((field) => [field, last[field]])) },
    agreement: commonOf(sent),
    isEdited: edited.length > 0,
  };
}

/** The agreement on what these states have in common. */
function commonOf(sent: readonly BookedItem[]): Agreement {
  const [first, ...others] = sent;
  const appearance = JSON.stringify(first!.as ?? null);
  // how a field is shown depends on it
  if (others.some(({ as }) => JSON.stringify(as ?? null) !== appearance)) return { is: 'unanswered' };
  const common = itemFields.filter((field) => others.every((other) => other[field] === first![field]));
  const fields = Object.fromEntries(common.map((field) => [field, first![field]]));
  return agreementOn({ ...fields, ...(first!.as === undefined ? {} : { as: first!.as }) });
}

/**
 * The fields that the event shows as none of the sent items. Outlook itself changes texts but no times: a different text is an edit only
 * if it came after the creation, or is none that Exchange makes (`isRewriting`).
 */
export function editedFields(sent: readonly Item[], shows: Item, event: OutlookEvent): (keyof Item)[] {
  const differences = sent.map((item) => changedFields(item, shows));
  const edited = itemFields.filter((field) => differences.every((differs) => field in differs));
  const isOld = sinceCreationMs(event) > createdWithinMs;
  const isOnlyText = edited.every((field) => ['title', 'description'].includes(field));
  const organizer = event.organizer?.name ?? '';
  return !isOld && isOnlyText && sent.some((item) => isRewriting(item, shows, organizer)) ? [] : edited;
}

/**
 * Whether Exchange may have made the shown texts of the sent ones: it empties them, cuts them, adds to them, and replaces the title
 * by the organiser's name (Set-CalendarProcessing: DeleteSubject, AddOrganizerToSubject, DeleteComments). It writes no text of its own.
 */
function isRewriting(sent: Item, shows: Item, organizer: string): boolean {
  const keeps = (before: string, after: string) =>
    (before !== '' && after.includes(before)) || before.startsWith(after) || after === lettersOf(organizer);
  return (
    keeps(lettersOf(sent.title), lettersOf(shows.title)) &&
    keeps(lettersOf(sent.description), lettersOf(shows.description))
  );
}

const lettersOf = (text: string) =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
