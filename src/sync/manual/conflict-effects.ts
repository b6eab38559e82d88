/** The effects of keeping a side of a conflict, as the page and the API describe them. Pure. */
import type { OpenConflict } from './conflicts.ts';

export interface Effects {
  /** The effect of keeping the booking system or Outlook. */
  readonly booking: string;
  readonly outlook: string;
  /** The recipient of Exchange's mail after each choice; null: none. */
  readonly mail: { readonly booking: string | null; readonly outlook: string | null };
  /** The choice that removes something. */
  readonly loses: 'booking' | 'outlook' | null;
}

type Shape = Pick<OpenConflict, 'kind' | 'fields' | 'booking' | 'outlook' | 'is_organizer'> &
  Partial<Pick<OpenConflict, 'organizer' | 'outlook_organizer'>>;

/** Only a meeting that is declined sends mail, and only its organiser gets it. */
export function effectsOf(conflict: Shape): Effects {
  const effects = textsOf(conflict);
  const declines = (text: string) => !conflict.is_organizer && /\bdeclines\b/.test(text);
  // of an event on a taken time, the organiser in the booking system is that of the other reservation
  const known = conflict.kind === 'overlap' ? null : conflict.organizer;
  const organizer = conflict.outlook_organizer ?? known ?? 'the organiser of the meeting';
  const mail = {
    booking: declines(effects.booking) ? organizer : null,
    outlook: declines(effects.outlook) ? organizer : null,
  };
  return { ...effects, mail };
}

function textsOf(conflict: Shape): Omit<Effects, 'mail'> {
  const { kind, is_organizer: isOurs, booking, outlook } = conflict;
  const sentAway = isOurs
    ? 'The event is deleted in Outlook.'
    : 'The room declines the meeting, and its organiser is notified.';
  switch (kind) {
    case 'fields':
      return {
        booking: isOurs
          ? 'The event in Outlook is changed to this.'
          : 'The reservation and the organiser’s meeting stay as they are.',
        outlook: 'The reservation is changed to this.',
        loses: null,
      };
    case 'deleted':
      return {
        booking: 'A new event is created in Outlook.',
        outlook: 'The reservation is cancelled in this room.',
        loses: 'outlook',
      };
    case 'overlap':
      return {
        booking: sentAway,
        outlook: 'It becomes another reservation, if the booking system allows two at the same time.',
        loses: 'booking',
      };
    case 'moved':
      return {
        booking: sentAway,
        outlook: `The reservation moves back to the time of ${isOurs ? 'this event' : 'the meeting'}.`,
        loses: 'booking',
      };
    case 'refused':
      return { booking: keptOf(conflict), outlook: retryOf(conflict), loses: null };
    case 'rejected':
      return booking === null
        ? {
            booking: isOurs
              ? 'Outlook is asked once more to delete the event.'
              : 'The room declines once more.',
            outlook: 'The event stays and becomes a new reservation.',
            loses: null,
          }
        : rejectedChange(conflict);
    case 'free':
      return {
        booking: 'The meeting is shown as busy again in the room.',
        outlook: 'The reservation is cancelled in this room.',
        loses: 'outlook',
      };
    case 'orphan':
      return { booking: sentAway, outlook: 'It becomes a new reservation.', loses: 'booking' };
    case 'gone':
      return {
        booking: outlook === null ? 'A new event is created in Outlook.' : 'The event stays.',
        outlook: 'The reservation is cancelled in this room.',
        loses: 'outlook',
      };
  }
}

/** The booking system refused the change of Outlook and is kept. */
function keptOf({ outlook, is_organizer: isOurs, fields }: Shape): string {
  if (outlook === null) return 'A new event is created in Outlook.';
  if (isOurs) return 'The event in Outlook is changed back to this.';
  return fields.some((field) => field === 'startsAt' || field === 'endsAt' || field === 'allDay')
    ? 'A new event shows this in Outlook, and the room declines the meeting, and its organiser is notified.'
    : 'The reservation and the organiser’s meeting stay as they are.';
}

const retryOf = ({ outlook }: Shape) =>
  outlook === null
    ? 'The booking system is asked once more to cancel the reservation.'
    : 'The booking system is asked once more to take it.';

/** Without fields, the event of a shadowed item was to be deleted. */
const rejectedChange = ({ fields }: Shape): Omit<Effects, 'mail'> =>
  fields.length === 0
    ? { booking: 'Outlook is asked once more to delete the event.', outlook: 'The event stays.', loses: null }
    : {
        booking: 'Outlook is asked once more; if it still refuses, a new event takes the place of this one.',
        outlook: 'The reservation is changed back to this.',
        loses: null,
      };
